"""`top`: who holds the caches, largest first; a table once, or live."""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cachemon.commands.output import NO_VALUE
from cachemon.commands.top_columns import (
    BANDWIDTH,
    BLOCK,
    HELD,
    LOCAL,
    MOST,
    MOST_NAME,
    NAMESPACE,
    NODE,
    OF,
    WIDE_OF,
    number_column,
    text_column,
)
from cachemon.commands.top_command import WIDE, TopProgram, check_times, show_top, shown_columns
from cachemon.commands.top_output import DataForm
from cachemon.commands.top_table import Column, Heading, TopTable, ahead_remarks, build_table, freshest_of, renewal_of
from cachemon.commands.usage_rows import GroupRow, GuestRow, UsageRow, guest_rows
from cachemon.model.errors import InvalidInputError
from cachemon.model.live_figures import LIVE_PERIOD_SECONDS
from cachemon.plugin.live_reader import LiveReader
from cachemon.plugin.node_usage import BlockRow, NodeRow, block_rows, node_rows
from cachemon.plugin.session import Session
from cachemon.plugin.usage import group_rows


def _rmids(row: NodeRow) -> str:
    return "/".join(map(str, row.rmids)) if row.rmids else NO_VALUE


_VMI = text_column("VMI", "vmi", lambda row: row.guest)
_GROUP = text_column("GROUP", "group", lambda row: row.group)
_OBJECT = text_column("OBJECT", "object", lambda row: row.source, is_wide=True)
_OF_NODES = text_column("NODE", "node", lambda row: row.node)
_WATCHED = number_column("WATCHED", "watched", lambda row: row.monitored, leaves=1)
_RMIDS = Column(Heading("RMIDS", is_number=True, leaves=1), "rmids", _rmids, lambda row: row.rmids and row.rmids[0])


@dataclass(frozen=True, slots=True)
class _View:
    """What --by shows.

    Attributes:
        kind: of its rows.
        columns: without those that every table has.
    """

    kind: type[UsageRow]
    columns: Sequence[Column]


VIEWS: Mapping[str, _View] = {
    "vmi": _View(GuestRow, (NAMESPACE, _VMI, NODE, HELD, WIDE_OF, BANDWIDTH, LOCAL)),
    "group": _View(GroupRow, (NAMESPACE, _VMI, _GROUP, _OBJECT, NODE, HELD, WIDE_OF, BANDWIDTH, LOCAL)),
    "block": _View(
        BlockRow,
        (_OF_NODES, BLOCK, HELD, OF, _WATCHED, MOST),
    ),
    "node": _View(NodeRow, (_OF_NODES, HELD, OF, _RMIDS, MOST_NAME)),
}
_NAMES_OF_DATA = {"guest": "vmiName", "source": "object"}


async def run(args: Namespace, session: Session) -> int:
    """Show the table once, or renew it until Ctrl-C.

    Raises:
        InvalidInputError: the options contradict each other.
    """
    check_times(args)
    if args.vmi and args.by not in ("vmi", "group"):
        names = ", ".join(map(repr, args.vmi))
        raise InvalidInputError(f"--by {args.by} shows nodes, which belong to no VMI: leave {names} out")

    live = _live_reader(args, session) if args.live else None

    async def read() -> TopTable:
        return _table(await _read_rows(args, live or session), args, session)

    form = DataForm(VIEWS[args.by].kind, _NAMES_OF_DATA)
    hint = "" if session.everywhere else f"only namespace {session.namespace} is shown; -A shows all"
    return await show_top(
        live.asking(read) if live else read, args, session, TopProgram(f"cachemon top, by {args.by}", form, hint)
    )


def _live_reader(args: Namespace, session: Session) -> LiveReader:
    if args.once or args.watch or args.output not in ("", WIDE) or not session.out.isatty():
        raise InvalidInputError(
            "--live draws the table again and again: leave out --once, -w, -o but wide, and pipes"
        )
    args.interval = min(args.interval, LIVE_PERIOD_SECONDS)
    return LiveReader(session)


async def _read_rows(args: Namespace, session: Session | LiveReader) -> Sequence[UsageRow]:
    if args.by == "block":
        return block_rows(await session.nodes(), session.clock())
    if args.by == "node":
        return node_rows(await session.nodes(), session.clock())
    only = args.vmi[0] if len(args.vmi) == 1 else ""
    groups = group_rows(await session.groups(vmi=only), session.clock())
    if args.vmi:
        groups = [row for row in groups if row.guest in args.vmi]
    return [row for row in groups if row.group] if args.by == "group" else guest_rows(groups)


def _table(rows: Sequence[UsageRow], args: Namespace, session: Session) -> TopTable:
    session.trends.add(rows, args.interval)
    freshest = freshest_of(rows)
    columns = shown_columns(VIEWS[args.by].columns, args, session, session.trends, freshest)
    return build_table(
        rows,
        columns,
        args.sort_by,
        freshest,
        remarks=ahead_remarks(rows, _name),
        renewal=renewal_of(row.age for row in rows),
    )


def _name(row: Any) -> str:
    return str(getattr(row, "guest", row.node))
