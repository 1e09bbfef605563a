"""What `top` prints once: a table of text, JSON, YAML or CSV. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from cachemon.commands.csv_text import Cell, render_csv
from cachemon.commands.output import bar, render_table
from cachemon.commands.top_table import TopRow, TopTable
from cachemon.commands.usage_rows import UsageRow
from cachemon.model.age import Age

NOTHING = "nothing is monitored here"
_PLAIN_WIDTH = 79
_BAR = 5

_NAMES = {
    "occupancy": "occupancyBytes",
    "capacity": "capacityBytes",
    "largest": "heaviest",
    "monitored": "monitoredBytes",
    "bandwidth": "totalBytesPerSecond",
    "local": "localBytesPerSecond",
    "node": "nodeName",
    "at_least": "atLeast",
    "age": "ageSeconds",
}
_LEFT_OUT = frozenset({"threads", "observed"})
_FIRST = ("namespace", "guest", "group", "source", "node", "id")
_PAIRS = frozenset({"largest", "rmids"})


@dataclass(frozen=True, slots=True)
class DataForm:
    """How rows of one kind are data.

    Attributes:
        kind: their class.
        names: of fields in JSON and CSV, where they differ from those of the other top; empty for fields without
            a meaning there.
    """

    kind: type[UsageRow]
    names: Mapping[str, str]

    @property
    def _fields(self) -> Iterator[tuple[str, str]]:
        """Field and name, first what a row is about."""
        known = {**_NAMES, **self.names}
        there = [field.name for field in fields(self.kind) if field.name not in _LEFT_OUT]
        ordered = [*(field for field in _FIRST if field in there), *(field for field in there if field not in _FIRST)]
        yield from ((field, name) for field in ordered if (name := known.get(field, field)))

    def objects(self, rows: Sequence[UsageRow]) -> list[dict[str, Any]]:
        """For JSON and YAML; what has no value is left out."""
        return [
            {name: value for field, name in self._fields if (value := _value(row, field)) not in (None, "")}
            for row in rows
        ]

    def csv(self, rows: Sequence[UsageRow], *, headings: bool) -> str:
        """As CSV with the names of JSON in the first line; what has no value is an empty cell."""
        columns = [
            (field, part, name if part is None else f"{name}[{part}]")
            for field, name in self._fields
            for part in ((0, 1) if field in _PAIRS else (None,))
        ]
        lines: list[list[Cell]] = [[name for _, _, name in columns]] if headings else []
        lines += [[_part(_value(row, field), part) for field, part, _ in columns] for row in rows]
        return render_csv(lines)


def _value(row: UsageRow, field: str) -> Any:
    value = getattr(row, field)
    if isinstance(value, Age):
        return round(value.seconds)
    return list(value) if isinstance(value, tuple) else value


def _part(value: Any, part: int | None) -> Cell:
    found: Cell = value if part is None or value is None else value[part]
    return found


def render_plain(table: TopTable, *, headings: bool, is_wide: bool = False) -> str:
    """The table in 79 columns, where wider cells are cut; as wide as it is for `-o wide`."""
    if not table.rows:
        return NOTHING
    headers = [*(heading.text for heading in table.headings), "CACHE"]
    rows = [(*row.cells, _last(row)) for row in table.rows]
    return render_table(headers, rows, headings=headings, width=None if is_wide else _PLAIN_WIDTH)


def _last(row: TopRow) -> str:
    """The bar, or why there is none; a reason after a bar says why the number is not all."""
    shown = "" if row.share is None else f"{bar(row.share, _BAR)}{row.share:4.0%}"
    return " ".join(part for part in (shown, row.reason) if part)
