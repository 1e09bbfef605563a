"""The columns that both tops have. Pure."""

from collections.abc import Callable
from typing import Any

from cachemon.commands.output import NO_VALUE
from cachemon.commands.top_table import Column, Heading
from cachemon.commands.trends import Trends, change, trend_text
from cachemon.commands.usage_rows import UsageRow
from cachemon.model.age import Age
from cachemon.model.fitted_text import LONGEST_COLUMN, fit_text
from cachemon.model.units import format_bytes, format_rate

_LEAVES_FIRST, _LEAVES_SECOND, _LEAVES_LAST = 3, 2, 1


def text_column(
    header: str, key: str, text: Callable[[Any], str], *, leaves: int = 0, is_wide: bool = False
) -> Column:
    """A column of names."""
    return Column(Heading(header, leaves=leaves), key, text, lambda row: text(row) or None, is_wide)


def number_column(
    header: str,
    key: str,
    number: Callable[[Any], int | None],
    show: Callable[[int], str] = format_bytes,
    *,
    leaves: int = 0,
    is_wide: bool = False,
) -> Column:
    """A column of numbers."""

    def cell(row: Any) -> str:
        value = number(row)
        return NO_VALUE if value is None else show(value)

    return Column(Heading(header, is_number=True, leaves=leaves), key, cell, number, is_wide)


def _held(row: UsageRow) -> str:
    if row.occupancy is None:
        return NO_VALUE
    return f"{'>' if getattr(row, 'at_least', False) else ''}{format_bytes(row.occupancy)}"


HELD = Column(Heading("HELD", is_number=True), "occupancy", _held, lambda row: row.occupancy)
OF = number_column("OF", "capacity", lambda row: row.capacity)
WIDE_OF = number_column("OF", "capacity", lambda row: row.capacity, is_wide=True)
BANDWIDTH = number_column("BANDWIDTH", "bandwidth", lambda row: row.bandwidth, format_rate, leaves=_LEAVES_LAST)
LOCAL = number_column("LOCAL", "local", lambda row: row.local, format_rate, is_wide=True)
NAMESPACE = text_column("NAMESPACE", "namespace", lambda row: row.namespace)
NODE = text_column("NODE", "node", lambda row: row.node, leaves=_LEAVES_SECOND)


def _most(row: Any) -> str:
    return fit_text(row.largest[0], LONGEST_COLUMN) if row.largest else NO_VALUE


def _most_with_bytes(row: Any) -> str:
    return f"{_most(row)} {format_bytes(row.largest[1])}" if row.largest else NO_VALUE


def _most_bytes(row: Any) -> int | None:
    return row.largest[1] if row.largest else None


BLOCK = Column(Heading("BLOCK", is_number=True), "block", lambda row: str(row.id), lambda row: -row.id)
MOST = Column(Heading("MOST"), "most", _most_with_bytes, _most_bytes)
MOST_NAME = Column(Heading("MOST"), "most", _most, _most_bytes)


def age_column(freshest: float) -> Column:
    """Ages; that of figures which are older than their neighbours says so.

    Args:
        freshest: age in seconds of the freshest figures of the table.
    """
    return Column(
        Heading("AGE"),
        "age",
        lambda row: _age_text(row.age, freshest),
        lambda row: None if row.age is None else row.age.seconds,
    )


def _age_text(age: Age | None, freshest: float) -> str:
    if age is None:
        return NO_VALUE
    return f"{age.label}(late)" if age.is_behind(freshest) and not age.problem else age.label


def trend_column(trends: Trends, steps: str) -> Column:
    """Charts of the occupancies since the start.

    Args:
        trends: what was seen.
        steps: characters of a chart, lowest first.
    """
    return Column(
        Heading("TREND", leaves=_LEAVES_FIRST),
        "trend",
        lambda row: trend_text(trends.chart(row), steps) or NO_VALUE,
        lambda row: change(trends.chart(row)),
    )
