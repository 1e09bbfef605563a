"""The table of both tops, without its layout. Pure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from cachemon.commands.usage_rows import UsageRow
from cachemon.model.age import Age, format_age
from cachemon.model.errors import InvalidInputError

SHARE, NAME, REASON = "share", "name", "reason"
"""Of --sort-by: what has no column of its own."""


Row = TypeVar("Row", bound=UsageRow)


@dataclass(frozen=True, slots=True)
class Heading:
    """How a column is laid out.

    Attributes:
        text: upper case, without blanks.
        is_number: whether cells stand at the right, and are never cut.
        leaves: a narrow terminal leaves out the columns with the highest number first; those with 0 stay.
    """

    text: str
    is_number: bool = False
    leaves: int = 0


@dataclass(frozen=True, slots=True)
class Column:
    """What a column shows.

    Attributes:
        heading: how it is laid out.
        key: its name for --sort-by.
        cell: of a row, or empty.
        order: what its rows are sorted by: numbers from the highest, texts from A; None comes last.
        is_wide: whether only `-o wide` has it.
    """

    heading: Heading
    key: str
    cell: Callable[[Any], str]
    order: Callable[[Any], float | str | None]
    is_wide: bool = False


@dataclass(frozen=True, slots=True)
class TopRow:
    """A row as it is shown.

    Attributes:
        cells: of its columns.
        share: its part of the cache, 0 to 1, or None.
        reason: why a number is missing or not all.
        is_behind: whether its figures are older than those of its neighbours (`Age.is_behind`).
    """

    cells: tuple[str, ...]
    share: float | None
    reason: str
    is_behind: bool = False


@dataclass(frozen=True, slots=True)
class TopTable:
    """A table without its last column, the bar.

    Attributes:
        headings: of the cells.
        rows: in the order to show them.
        usage: what the rows are made of, in the same order.
        remarks: what else is wrong with the figures.
        renewal: how often the figures are renewed, for people; empty without figures.
    """

    headings: tuple[Heading, ...] = ()
    rows: tuple[TopRow, ...] = ()
    usage: tuple[UsageRow, ...] = ()
    remarks: tuple[str, ...] = ()
    renewal: str = ""


def build_table(
    rows: Iterable[UsageRow],
    columns: Sequence[Column],
    sort_by: str,
    freshest: float,
    *,
    remarks: Iterable[str] = (),
    renewal: str = "",
) -> TopTable:
    """The table of some rows.

    Args:
        rows: of one kind, in any order.
        columns: to show.
        sort_by: a key of theirs, or one of SHARE, NAME and REASON.
        freshest: age in seconds of the freshest figures (`freshest_of`).
        remarks: what else is wrong.
        renewal: how often the figures are renewed, for people.

    Raises:
        InvalidInputError: there is no such column.
    """
    ordered = sort_rows(rows, columns, sort_by)
    return TopTable(
        tuple(column.heading for column in columns),
        tuple(
            TopRow(
                tuple(column.cell(row) for column in columns),
                row.share,
                row.reason,
                row.age is not None and row.age.is_behind(freshest),
            )
            for row in ordered
        ),
        tuple(ordered),
        tuple(remarks),
        renewal,
    )


def sort_rows(rows: Iterable[Row], columns: Sequence[Column], sort_by: str) -> list[Row]:
    """Rows in the order that was asked for; those that are equal in it stand by name."""
    orders: dict[str, Callable[[Any], float | str | None]] = {column.key: column.order for column in columns}
    orders |= {SHARE: lambda row: row.share, REASON: lambda row: row.reason or None, NAME: lambda _: None}
    if sort_by not in orders:
        raise InvalidInputError(f"--sort-by {sort_by}: this table has no such column; it has {', '.join(orders)}")
    order = orders[sort_by]
    return sorted(rows, key=lambda row: (*_ranked(order(row)), row.identity))


def _ranked(value: float | str | None) -> tuple[bool, float, str]:
    if isinstance(value, str):
        return (not value, 0, value)
    return (value is None, -(value or 0), "")


def freshest_of(rows: Iterable[UsageRow]) -> float:
    """Age in seconds of the freshest figures; times in the future are no measure."""
    return min(
        (max(0.0, row.age.seconds) for row in rows if row.age is not None and not row.age.is_ahead), default=0.0
    )


def renewal_of(ages: Iterable[Age | None]) -> str:
    """How often figures are renewed: `figures are renewed every 60s, the newest 3s ago`; empty without any."""
    known = [age for age in ages if age is not None and not age.is_ahead]
    if not known:
        return ""
    shortest, longest = (format_age(pick(age.period_seconds for age in known)) for pick in (min, max))
    periods = shortest if shortest == longest else f"{shortest} to {longest}"
    newest = format_age(max(0.0, min(age.seconds for age in known)))
    return f"figures are renewed every {periods}, the newest {newest} ago"


def ahead_remarks(rows: Iterable[UsageRow], name: Callable[[Any], str]) -> Iterator[str]:
    """What is wrong with figures whose time is in the future, once for each name."""
    ahead = {name(row): row.age for row in rows if row.age is not None and row.age.is_ahead}
    return (f"{named}: {age.problem}" for named, age in ahead.items())
