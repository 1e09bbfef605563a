"""The live table of both tops, drawn by rich."""

from collections.abc import AsyncIterable, Awaitable, Callable
from datetime import datetime

from rich.console import Console, ConsoleOptions, JustifyMethod, RenderableType, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cachemon.commands.top_layout import GAP, TopLayout, lay_out
from cachemon.commands.top_output import NOTHING
from cachemon.commands.top_table import Heading, TopRow, TopTable
from cachemon.model.fitted_text import printable

Read = Callable[[], Awaitable[tuple[TopTable, str]]]
"""A table, and why it could not be renewed."""

_DIM, _WARNING, _FAILURE, _CHART = "dim", "yellow", "red", "cyan"
_AGE, _TREND = "AGE", "TREND"
_FEWEST_ROWS = 2


async def show_live(read: Read, *, title: str, times: AsyncIterable[object], console: Console | None = None) -> None:
    """Draw the table again and again.

    Args:
        read: gives the table to draw.
        title: above it.
        times: when to draw; it ends with them.
        console: where to draw; the terminal if None.
    """
    live: Live | None = None
    try:
        async for _ in times:
            frame = _Frame(*await read(), title)
            if live is None:  # a first read that fails ends the command, and what it says stays on the screen
                live = Live(frame, console=console, screen=console is None, auto_refresh=False)
                live.start(refresh=True)
            else:
                live.update(frame, refresh=True)
    finally:
        if live is not None:
            live.stop()


class _Frame:
    """One drawing; the size of the terminal says how it is laid out."""

    def __init__(self, table: TopTable, problem: str, title: str) -> None:
        self._table = table
        self._problem = problem
        self._title = f"{title}   {datetime.now().astimezone():%H:%M:%S}   Ctrl-C ends"

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """As rich asks for it."""
        head = [Text(line, style=_DIM, no_wrap=True, overflow="ellipsis") for line in self._head if line]
        foot = [Text(printable(remark), style=_WARNING) for remark in self._table.remarks]
        if self._problem:
            foot.append(Text(f"kept from before: {printable(self._problem)}", style=_FAILURE))
        yield from head
        if not self._table.rows:
            yield Text(NOTHING)
        else:
            lines = sum(len(text.wrap(console, options.max_width)) for text in foot)
            room = options.size.height - len(head) - lines - 1
            layout = lay_out(self._table, options.max_width, max(_FEWEST_ROWS, room))
            yield _drawn(self._table, layout)
            if hidden := len(self._table.rows) - layout.rows:
                yield Text(f"and {hidden} more", style=_DIM)
        yield from foot

    @property
    def _head(self) -> tuple[str, str]:
        return self._title, self._table.renewal


def _drawn(table: TopTable, layout: TopLayout) -> Table:
    drawing = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    headings = [table.headings[place] for place, _ in layout.columns]
    for heading, (_, width) in zip(headings, layout.columns, strict=True):
        justify: JustifyMethod = "right" if heading.is_number else "left"
        drawing.add_column(heading.text, width=width, justify=justify, no_wrap=True, overflow="ellipsis")
    drawing.add_column("CACHE", width=layout.last, no_wrap=True, overflow="ellipsis")
    for row in table.rows[: layout.rows]:
        styles = [_style(row, heading) for heading in headings]
        cells = [printable(row.cells[place]) for place, _ in layout.columns]
        drawing.add_row(
            *(Text(cell, style=style) for cell, style in zip(cells, styles, strict=True)), _last(row, layout)
        )
    return drawing


def _style(row: TopRow, heading: Heading) -> str:
    if heading.text == _AGE and row.is_behind:
        return _WARNING
    return _CHART if heading.text == _TREND else ""


def _last(row: TopRow, layout: TopLayout) -> RenderableType:
    """The bar and its number, or why there is none; a reason after a bar says why the number is not all."""
    reason = Text(row.reason, style=_WARNING)
    if row.share is None:
        return reason
    share = Text(f"{row.share:4.0%}")
    text = Text(" ").join([share, reason]) if row.reason else share
    if not layout.bar:
        return text
    grid = Table.grid(padding=(0, 1, 0, 0))
    bar = ProgressBar(total=1.0, completed=row.share, width=layout.bar, complete_style=_CHART, finished_style=_CHART)
    grid.add_row(bar, text)
    return grid
