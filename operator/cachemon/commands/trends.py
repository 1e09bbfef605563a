"""How the occupancy of each row of `top` went, as far as this run of the program has seen it.

A point is one time at which figures were read, however often they are shown. What was not renewed in time is a gap.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from cachemon.commands.sparklines import sparkline
from cachemon.commands.usage_rows import Identity, UsageRow
from cachemon.model.age import ALLOWANCE_SECONDS
from cachemon.model.units import format_bytes

POINTS = 12
"""Of one chart."""

_FULL_BLOCK = "█"


class Point(NamedTuple):
    """Figures that were read at one time.

    Attributes:
        observed: when, in seconds since the epoch.
        period_seconds: until the next ones are to be seen.
        occupancy: bytes, or None where there was no number.
    """

    observed: float
    period_seconds: float
    occupancy: int | None


class Trends:
    """The newest points of each row that is in the newest table."""

    def __init__(self) -> None:
        self._seen: dict[Identity, deque[Point]] = {}

    def add(self, rows: Iterable[UsageRow], look_seconds: float, period_seconds: float | None = None) -> None:
        """Note the figures of a table. Rows that are gone are forgotten.

        Args:
            rows: of the table.
            look_seconds: between two tables: renewals in between are not seen, and nothing is missing.
            period_seconds: how often the figures are renewed; None for the period of each row's age.
        """
        seen: dict[Identity, deque[Point]] = {}
        for row in rows:
            points = seen[row.identity] = self._seen.get(row.identity, deque(maxlen=POINTS))
            if row.age is None or row.observed is None:
                continue
            if points and row.observed < points[-1].observed:  # a clock was set back
                points.clear()
            known = row.occupancy
            if points and row.observed == points[-1].observed:
                before = points.pop().occupancy
                known = before if known is None else known  # stale figures are shown no longer, and held then
            period = row.age.period_seconds if period_seconds is None else period_seconds
            points.append(Point(row.observed, max(period, look_seconds), known))
        self._seen = seen

    def chart(self, row: UsageRow) -> list[int | None]:
        """The newest occupancies of a row, oldest first; None where figures were not renewed or had no number."""
        points = self._seen.get(row.identity, ())
        values = with_gaps(points)
        if points:
            values += [None] * (1 if row.age is None else _missed(row.age.seconds, points[-1].period_seconds))
        return values[-POINTS:]


def with_gaps(points: Sequence[Point]) -> list[int | None]:
    """The occupancies of some points, oldest first, with a None for each renewal that was missed between two."""
    values: list[int | None] = [points[0].occupancy] if points else []
    for before, after in pairwise(points):
        period = max(before.period_seconds, after.period_seconds)
        values += [None] * _missed(after.observed - before.observed, period)
        values.append(after.occupancy)
    return values


def _missed(seconds: float, period_seconds: float) -> int:
    """Renewals that are missing in a time; no more than a chart has room for."""
    periods = min((seconds - ALLOWANCE_SECONDS) / period_seconds, POINTS + 1) if period_seconds > 0 else 1
    return max(0, round(periods) - 1)


def change(values: Sequence[int | None]) -> int | None:
    """By how much the last value differs from the first that is known; None without two of them."""
    known = [value for value in values if value is not None]
    return None if len(known) < 2 or values[-1] is None else known[-1] - known[0]


def trend_text(values: Sequence[int | None], steps: str) -> str:
    """A chart and the change in bytes: `▁▃▆▇ +12Mi`; empty where only one point is known.

    It has no full blocks: these would join with the chart of the row above.
    """
    by = change(values)
    chart = sparkline(values, steps.removesuffix(_FULL_BLOCK))
    if by is None:
        return chart.rstrip() if len(values) > 1 else ""
    return f"{chart} {'-' if by < 0 else '+'}{format_bytes(abs(by))}"
