"""The table of `top`, without its layout."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TopRow:
    """A row: its cells, its part of the cache (0 to 1) or None, and why a number is missing."""

    cells: tuple[str, ...]
    share: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class TopTable:
    """A table without its last column, the bar.

    Attributes:
        headers: of the cells.
        rows: in the order to show them.
        data: the same as values, for JSON and YAML.
        remarks: what else is wrong with the figures.
    """

    headers: tuple[str, ...]
    rows: tuple[TopRow, ...]
    data: tuple[dict[str, Any], ...]
    remarks: tuple[str, ...] = ()
