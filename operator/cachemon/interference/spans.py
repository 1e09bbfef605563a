"""Spans: which windows are compared with which. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from cachemon.interference.thresholds import Times
from cachemon.interference.usual import Reference, known, reference

FEWEST = 12
"""Known windows that a reference needs."""
_FEWEST_NOW = 3


@dataclass(frozen=True, slots=True)
class Spans:
    """A part of a series that is judged, and an earlier part that is the reference.

    Attributes:
        now: how many of the newest windows are judged.
        skip: how many of the newest windows are not in the reference.
        length: windows of the reference.
    """

    now: int
    skip: int
    length: int

    def before(self, values: Sequence[float]) -> Sequence[float]:
        """The windows of the reference; fewer when the series is short."""
        end = max(len(values) - self.skip, 0)
        return values[max(end - self.length, 0) : end]

    def usual(self, values: Sequence[float]) -> Reference | None:
        """The reference; None when too few of its windows are known."""
        before = known(self.before(values))
        return reference(before) if len(before) >= FEWEST else None


def near_and_far(times: Times, window_seconds: float) -> tuple[Spans, Spans]:
    """Return the near and the far spans, for windows of this length."""

    def windows(seconds: float, fewest: int) -> int:
        return max(round(seconds / window_seconds), fewest)

    now = windows(times.now, _FEWEST_NOW)
    return (
        Spans(now, now + windows(times.pause, 1), windows(times.reference, FEWEST)),
        Spans(now, now + windows(times.far_pause, 1), windows(times.far_reference, FEWEST)),
    )
