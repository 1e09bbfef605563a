"""Fresh figures for a person who watches: the annotation `cachemon.dev/live-until`. Pure.

Its value is a time, RFC 3339. Until then the agent renews the object's figures every two seconds. A value that lies
further ahead than a person may ask for has no effect, so nobody keeps an object live by one write. Nothing has to
remove the annotation: a time in the past asks for nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cachemon.model.api import API_GROUP
from cachemon.model.clocks import format_span
from cachemon.model.fitted_text import printable
from cachemon.model.times import format_time, read_time

LIVE_ANNOTATION = f"{API_GROUP}/live-until"
LIVE_PERIOD_SECONDS = 2
"""Between two reports of an object while it is live."""
LONGEST_LIVE_SECONDS = 900.0
"""How far ahead the time may lie, and how long an agent obeys one value."""

_CLOCK_TOLERANCE_SECONDS = 60.0
"""By how much the clock of a person who types the time may be ahead of the API server's."""
_LONGEST_VALUE = 64
_UNCUT = _LONGEST_VALUE + 1  # characters that show that a value is too long


@dataclass(frozen=True, slots=True)
class LiveRequest:
    """What an annotation asks for.

    Attributes:
        until: when the figures need not be fresh any longer, seconds since the epoch; None when it asks for nothing.
        problem: why the value has no effect, for a message; empty when it is valid or in the past.
    """

    until: float | None = None
    problem: str = ""


def live_value(obj: Mapping[str, Any]) -> str:
    """The annotation of an object as written; empty without one. A long one is cut, and stays invalid."""
    annotations = obj["metadata"].get("annotations")
    value = annotations.get(LIVE_ANNOTATION) if isinstance(annotations, Mapping) else None
    return value[:_UNCUT] if isinstance(value, str) else ""


def read_live_request(value: str, now: float) -> LiveRequest:
    """What the value of an annotation asks for.

    Args:
        value: as `live_value` returns it.
        now: seconds since the epoch, by the API server's clock.
    """
    if not value:
        return LiveRequest()
    until = read_time(value) if len(value) <= _LONGEST_VALUE else None
    if until is None:
        return LiveRequest(problem=_no_effect(value, f"it must be a time such as {_example(now)}"))
    ahead = until - now
    if ahead > LONGEST_LIVE_SECONDS + _CLOCK_TOLERANCE_SECONDS:
        far = f"it lies {format_span(ahead)} ahead, and {format_span(LONGEST_LIVE_SECONDS)} are the most"
        return LiveRequest(problem=_no_effect(value, far))
    return LiveRequest(until=now + min(ahead, LONGEST_LIVE_SECONDS)) if ahead > 0 else LiveRequest()


def _no_effect(value: str, why: str) -> str:
    shown = f"`{printable(value)}`" if len(value) <= _LONGEST_VALUE else f"of more than {_LONGEST_VALUE} characters"
    return f"the annotation {LIVE_ANNOTATION} {shown} has no effect: {why}"


def _example(now: float) -> str:
    return format_time(now + LONGEST_LIVE_SECONDS)
