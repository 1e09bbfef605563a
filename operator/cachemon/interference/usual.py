"""Median, MAD and Spearman's correlation of short series. Pure; NaN is a gap and is left out."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

_FINEST = 0.01
"""A MAD counts as this ratio of the median at least: counters have noise of their own."""
_FEWEST_PAIRS = 5


class Reference(NamedTuple):
    """What is usual: the median, the median distance from it, and the bounds of the middle 80 %."""

    median: float
    mad: float
    low: float
    high: float

    def rise(self, now: float) -> float:
        """The change as a ratio of the median: 0.1 is 10 % up. 0 when the median is 0."""
        return (now - self.median) / self.median if self.median > 0 else 0.0

    def is_above(self, now: float, mads: float) -> bool:
        """Whether a value is higher than usual by more than noise, and higher than what bursts reach."""
        return now - self.median >= mads * self._noise and now > self.high

    def is_below(self, now: float, mads: float) -> bool:
        """Whether a value is lower than usual by more than noise, and lower than what lulls reach."""
        return self.median - now >= mads * self._noise and now < self.low

    @property
    def _noise(self) -> float:
        return max(self.mad, self.median * _FINEST, 1e-30)


def known(values: Iterable[float]) -> list[float]:
    """The values without gaps."""
    return [value for value in values if value == value]  # noqa: PLR0124  NaN differs from itself


def median(values: Iterable[float]) -> float:
    """The middle value, or the mean of the two middle ones. NaN for none."""
    ordered = sorted(known(values))
    half, is_odd = divmod(len(ordered), 2)
    if is_odd:
        return ordered[half]
    return (ordered[half - 1] + ordered[half]) / 2 if ordered else float("nan")


def reference(values: Sequence[float]) -> Reference:
    """What is usual of values, at least one of them known."""
    ordered = sorted(known(values))
    middle, tenth = median(ordered), len(ordered) // 10
    mad = median([abs(value - middle) for value in ordered])
    return Reference(middle, mad, ordered[tenth], ordered[-1 - tenth])


def spearman(first: Sequence[float], second: Sequence[float]) -> float:
    """Rank correlation from -1 to 1 of the places where both are known.

    0 when there are fewer than five places, and when one of the series does not change.
    """
    pairs = [
        (one, other)
        for one, other in zip(first, second, strict=True)
        if one == one and other == other  # noqa: PLR0124  NaN
    ]
    if len(pairs) < _FEWEST_PAIRS:
        return 0.0
    mean = (len(pairs) - 1) / 2
    cross = square_one = square_other = 0.0
    for one, other in zip(_ranks([one for one, _ in pairs]), _ranks([other for _, other in pairs]), strict=True):
        cross += (one - mean) * (other - mean)
        square_one += (one - mean) ** 2
        square_other += (other - mean) ** 2
    return cross / (square_one * square_other) ** 0.5 if square_one and square_other else 0.0


def _ranks(values: Sequence[float]) -> list[float]:
    """The rank of each value, from 0; equal ones share the mean of their ranks."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end + 1 < len(order) and values[order[end + 1]] == values[order[start]]:
            end += 1
        for place in order[start : end + 1]:
            ranks[place] = (start + end) / 2
        start = end + 1
    return ranks
