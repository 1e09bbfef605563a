"""`top` of both programs: the table once, as data, or drawn again and again."""

import os
from argparse import Namespace
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TextIO

from cachemon.commands.output import is_data, render_data
from cachemon.commands.sparklines import steps_for
from cachemon.commands.ticks import ticks
from cachemon.commands.top_columns import age_column, trend_column
from cachemon.commands.top_output import DataForm, render_plain
from cachemon.commands.top_table import Column, TopTable
from cachemon.commands.trends import Trends
from cachemon.model.errors import CachemonError, InvalidInputError

CSV, WIDE = "csv", "wide"

ReadTable = Callable[[], Awaitable[TopTable]]


class TopTerminal(Protocol):
    """Where `top` prints."""

    @property
    def out(self) -> TextIO:
        """Where the table goes."""

    def say(self, text: str) -> None:
        """Print rows."""

    def remark(self, text: str) -> None:
        """Print what is no answer."""


@dataclass(frozen=True, slots=True)
class TopProgram:
    """What one of both tops has of its own.

    Attributes:
        title: above the live table.
        form: how rows are data.
        hint: what a person should know when there is no row; may be empty.
    """

    title: str
    form: DataForm
    hint: str = ""


async def show_top(read: ReadTable, args: Namespace, terminal: TopTerminal, program: TopProgram) -> int:
    """Print the table, or draw it until Ctrl-C.

    Args:
        read: gives the table of now.
        args: `output`, `once`, `interval`, `duration`, `no_headers`.
        terminal: where to print.
        program: which top it is.

    Returns:
        0.
    """
    if is_data(args.output):
        terminal.say(render_data(program.form.objects((await read()).usage), args.output))
    elif args.output == CSV:
        terminal.out.write(program.form.csv((await read()).usage, headings=not args.no_headers))
    elif _is_live(args, terminal):
        from cachemon.commands.top_live import show_live  # noqa: PLC0415  rich is an extra, and takes its time

        title = f"{program.title}   drawn every {args.interval:g}s"
        await show_live(keep_table(read), title=title, times=ticks(args.interval, args.duration))
    else:
        table = await read()
        terminal.say(render_plain(table, headings=not args.no_headers, is_wide=args.output == WIDE))
        for remark in table.remarks:
            terminal.remark(remark)
        if not table.rows and program.hint:
            terminal.remark(program.hint)
    return 0


def shown_columns(
    columns: Sequence[Column], args: Namespace, terminal: TopTerminal, trends: Trends, freshest: float
) -> list[Column]:
    """The columns of a table, with those that every table has.

    Args:
        columns: of what a row is.
        args: as of `show_top`.
        terminal: where the table is shown.
        trends: what this run of the program has seen.
        freshest: age in seconds of the freshest figures of the table.
    """
    shown = [column for column in columns if args.output == WIDE or not column.is_wide]
    shown.append(age_column(freshest))
    if args.output == WIDE or _is_live(args, terminal):
        shown.append(trend_column(trends, steps_for(os.environ)))
    return shown


def _is_live(args: Namespace, terminal: TopTerminal) -> bool:
    return args.output in ("", WIDE) and not args.once and terminal.out.isatty()


def keep_table(read: ReadTable) -> Callable[[], Awaitable[tuple[TopTable, str]]]:
    """The first read may fail; a later one that fails gives the table before and the error."""
    last: list[TopTable] = []

    async def again() -> tuple[TopTable, str]:
        try:
            table = await read()
        except CachemonError as err:
            if not last:
                raise
            return last[0], str(err)
        last[:] = [table]
        return table, ""

    return again


def check_times(args: Namespace) -> None:
    """Refuse an interval or a duration that is no time.

    Raises:
        InvalidInputError: the message says what to type.
    """
    for option, value in (("--interval", args.interval), ("--duration", args.duration)):
        if value is not None and not 0 < value < float("inf"):
            raise InvalidInputError(f"{option} {value:g} must be above 0: type a number of seconds, such as 5")
