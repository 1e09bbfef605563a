"""How a table of `top` fits a terminal. Pure.

Numbers are never cut: a number without its end is another number. First the bar gets shorter, then columns leave,
then names are cut.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cachemon.commands.output import text_width
from cachemon.commands.top_table import TopRow, TopTable

GAP = 2
"""Blanks between two columns."""

_BARS = (20, 10, 5)
_SHARE = 5  # a blank and `100%`
_NARROWEST = 8
_LAST = "CACHE"


@dataclass(frozen=True, slots=True)
class TopLayout:
    """What of a table is drawn.

    Attributes:
        columns: index and width of each column, without the last one.
        bar: characters of the bar in the last column; 0 for no bar.
        last: width of the last column.
        rows: how many rows.
    """

    columns: tuple[tuple[int, int], ...]
    bar: int
    last: int
    rows: int


def lay_out(table: TopTable, width: int, height: int) -> TopLayout:
    """Fit a table.

    Args:
        table: what to draw.
        width: characters of a line.
        height: lines for rows; one of them counts the others where they are more.
    """
    rows = len(table.rows) if len(table.rows) <= height else max(0, height - 1)
    shown = table.rows[:rows]
    natural = [
        max(map(text_width, (heading.text, *(row.cells[place] for row in shown))))
        for place, heading in enumerate(table.headings)
    ]
    kept = list(range(len(table.headings)))
    for bar in _BARS:
        if _total(natural, kept, last := _last_width(shown, bar)) <= width:
            return TopLayout(tuple((place, natural[place]) for place in kept), bar, last, rows)
    names = [0 if heading.is_number else _NARROWEST for heading in table.headings]
    narrow = [min(size, least) if least else size for size, least in zip(natural, names, strict=True)]
    bar = _BARS[-1]
    while _total(narrow, kept, _last_width(shown, bar)) > width:
        leaving = max(kept, key=lambda place: (table.headings[place].leaves, place), default=None)
        if leaving is not None and table.headings[leaving].leaves:
            kept.remove(leaving)
        elif bar:
            bar = 0
        else:
            break
    last = _last_width(shown, bar)
    return TopLayout(tuple(_widened(natural, narrow, kept, width - last - GAP * len(kept))), bar, last, rows)


def _widened(natural: Sequence[int], narrow: Sequence[int], kept: Sequence[int], room: int) -> list[tuple[int, int]]:
    """Give the columns what they need, the narrowest one first, as long as there is room."""
    widths = {place: narrow[place] for place in kept}
    left = room - sum(widths.values())
    while left > 0 and (short := [place for place in kept if widths[place] < natural[place]]):
        widths[min(short, key=lambda place: widths[place])] += 1
        left -= 1
    return [(place, widths[place]) for place in kept]


def _total(widths: Sequence[int], kept: Sequence[int], last: int) -> int:
    return sum(widths[place] for place in kept) + GAP * len(kept) + last


def _last_width(rows: Sequence[TopRow], bar: int) -> int:
    return max([len(_LAST), *(_last_cell(row, bar) for row in rows)])


def _last_cell(row: TopRow, bar: int) -> int:
    if row.share is None:
        return len(row.reason)
    return bar + _SHARE + (1 + len(row.reason) if row.reason else 0)
