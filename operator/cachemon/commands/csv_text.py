"""CSV as RFC 4180 has it, for programs and spreadsheets. Pure.

A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula, and libvirt's domains may have such
names. Texts that begin so get an apostrophe before them, and so do those that begin with one: `plain_text` takes it
away again. Numbers stay as they are.
"""

import csv
import io
from collections.abc import Iterable, Sequence

from cachemon.model.fitted_text import printable

RFC_4180_LINE_END = "\r\n"
UNIX_LINE_END = "\n"

_GUARD = "'"
_GUARDED = ("=", "+", "-", "@", _GUARD)

Cell = str | int | float | bool | None
"""None is an empty cell."""


def render_csv(lines: Iterable[Sequence[Cell]], line_end: str = RFC_4180_LINE_END) -> str:
    """Lines of CSV, each with its end."""
    out = io.StringIO()
    csv.writer(out, lineterminator=line_end).writerows([_text(cell) for cell in line] for line in lines)
    return out.getvalue()


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(cell).lower()
    if not isinstance(cell, str):
        return str(cell)
    shown = printable(cell)
    return _GUARD + shown if shown.startswith(_GUARDED) else shown


def plain_text(cell: str) -> str:
    """A text as it was before `render_csv` guarded it."""
    return cell.removeprefix(_GUARD)
