"""Times as the API writes them: RFC 3339, UTC."""

from datetime import UTC, datetime


def format_time(seconds: float) -> str:
    """Seconds since the epoch as `2026-11-22T08:00:00Z`: metav1.Time has no fraction."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> float:
    """Seconds since the epoch; raises ValueError for what is no RFC 3339 time."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} must name its offset from UTC, as in 2026-11-22T08:00:00Z")
    return moment.timestamp()
