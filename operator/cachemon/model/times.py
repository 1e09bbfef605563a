"""Times as the API writes them: RFC 3339, UTC."""

from datetime import UTC, datetime


def format_time(seconds: float) -> str:
    """Seconds since the epoch as `2026-11-22T08:00:00Z`: metav1.Time has no fraction."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> float:
    """Seconds since the epoch; raises ValueError when the text is not an RFC 3339 time."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError(f"{text!r} must name its offset from UTC, as in 2026-11-22T08:00:00Z")
        return moment.timestamp()
    except OverflowError as err:  # 0001-01-01T00:00:00+23:00 is before the first day of the calendar
        raise ValueError(f"{text!r} is out of range") from err


def read_time(text: object) -> float | None:
    """The same for a time that another program wrote; None for anything but an RFC 3339 time."""
    try:
        return parse_time(text) if isinstance(text, str) else None
    except ValueError:
        return None
