"""The live table of `top`, drawn by rich."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cachemon.plugin.top_table import TopRow, TopTable

_BAR_WIDTH = 20
_RIGHT = frozenset({"HELD", "OF", "WATCHED", "BANDWIDTH", "RMIDS", "BLOCK"})

Read = Callable[[], Awaitable[tuple[TopTable, str]]]
"""A table, and why it could not be renewed."""


async def show_live(
    read: Read,
    *,
    title: str,
    interval_seconds: float,
    console: Console | None = None,
    rounds: int | None = None,
) -> None:
    """Draw the table again and again.

    Args:
        read: gives the table to draw.
        title: of the table.
        interval_seconds: between two reads.
        console: where to draw; the terminal if None.
        rounds: number of drawings; None until Ctrl-C.
    """
    table, problem = await read()
    with Live(_drawn(table, problem, title), console=console, screen=console is None, auto_refresh=False) as live:
        drawn = 1
        while rounds is None or drawn < rounds:
            await asyncio.sleep(interval_seconds)
            table, problem = await read()
            live.update(_drawn(table, problem, title), refresh=True)
            drawn += 1


def _drawn(table: TopTable, problem: str, title: str) -> Group:
    drawing = Table(box=None, pad_edge=False, header_style="bold", title_justify="left")
    for header in table.headers:
        drawing.add_column(header, justify="right" if header in _RIGHT else "left", no_wrap=True, overflow="ellipsis")
    drawing.add_column("CACHE", no_wrap=True)
    for row in table.rows:
        drawing.add_row(*(Text(cell) for cell in row.cells), _bar(row))
    now = datetime.now().astimezone().strftime("%H:%M:%S")
    head = Text(f"{title}   {now}   Ctrl-C ends", style="dim")
    parts: list[Text | Table] = [head, drawing if table.rows else Text("nothing is monitored here")]
    if problem:
        parts.append(Text(f"kept from before: {problem}", style="red"))
    return Group(*parts)


def _bar(row: TopRow) -> Table | Text:
    if row.share is None:
        return Text(row.reason, style="yellow")
    grid = Table.grid(padding=(0, 1))
    grid.add_row(
        ProgressBar(total=1.0, completed=row.share, width=_BAR_WIDTH),
        Text(f"{row.share:.0%}"),
        Text(row.reason, style="yellow"),
    )
    return grid
