"""`top`: who holds the caches, largest first; a table once, or live."""

from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from cachemon.commands.output import NO_VALUE, bar, is_data, render_data, render_table
from cachemon.model.age import Age
from cachemon.model.errors import CachemonError, InvalidInputError
from cachemon.model.fitted_text import LONGEST_COLUMN, fit_text
from cachemon.model.units import format_bytes, format_rate
from cachemon.plugin.node_usage import BlockRow, NodeRow, block_rows, node_rows
from cachemon.plugin.session import Session
from cachemon.plugin.top_table import TopRow, TopTable
from cachemon.plugin.usage import GroupRow, UsageRow, VmiRow, group_rows, vmi_rows

_PLAIN_WIDTH = 79
_OBJECT_FIELDS_LEFT_OUT = ("threads",)


async def run(args: Namespace, session: Session) -> int:
    """Show the table once, or renew it until Ctrl-C.

    Raises:
        InvalidInputError: the options contradict each other.
    """
    if args.interval <= 0:
        raise InvalidInputError(f"--interval {args.interval:g} must be above 0: type a number of seconds, such as 5")
    if args.vmi and args.by not in ("vmi", "group"):
        raise InvalidInputError(f"--by {args.by} shows nodes, which belong to no VMI: leave {args.vmi!r} out")

    async def read() -> TopTable:
        return await _read_table(args, session)

    if is_data(args.output):
        session.say(render_data(list((await read()).data), args.output))
        return 0
    if args.once or not session.out.isatty():
        table = await read()
        session.say(render_plain(table, headings=not args.no_headers))
        for remark in table.remarks:
            session.remark(remark)
        if not table.rows and not session.everywhere:
            session.remark(f"only namespace {session.namespace} is shown; -A shows all")
        return 0
    from cachemon.plugin.top_live import show_live  # noqa: PLC0415  rich is an extra, and takes its time

    await show_live(keep_table(read), title=f"cachemon top, by {args.by}", interval_seconds=args.interval)
    return 0


def keep_table(read: Callable[[], Any]) -> Callable[[], Any]:
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


async def _read_table(args: Namespace, session: Session) -> TopTable:
    if args.by in ("block", "node"):
        nodes = await session.nodes()
        if args.by == "block":
            return _table(
                block_rows(nodes, session.clock()),
                _block_cells,
                ("NODE", "BLOCK", "HELD", "OF", "WATCHED", "MOST", "AGE"),
                args,
            )
        rows = node_rows(nodes, session.clock())
        return _table(rows, _node_cells, ("NODE", "HELD", "OF", "RMIDS", "MOST", "AGE"), args)
    groups = group_rows(await session.groups(vmi=args.vmi or ""), session.clock())
    if args.by == "group":
        headers = ("NAMESPACE", "VMI", "GROUP", "NODE", "HELD", "BANDWIDTH", "AGE")
        return _table([row for row in groups if row.group], _group_cells, headers, args)
    return _table(vmi_rows(groups), _vmi_cells, ("NAMESPACE", "VMI", "NODE", "HELD", "BANDWIDTH", "AGE"), args)


def _table(
    rows: Sequence[Any], cells: Callable[[Any], tuple[str, ...]], headers: tuple[str, ...], args: Namespace
) -> TopTable:
    ordered = sorted(rows, key=_SORT_KEYS[args.sort_by])
    return TopTable(
        headers,
        tuple(TopRow((*cells(row), _age(row.age)), row.share, row.reason) for row in ordered),
        tuple(_as_data(row) for row in ordered),
        tuple(_remarks(ordered)),
    )


def _remarks(rows: Iterable[Any]) -> Iterator[str]:
    """VMIs and nodes whose figures have a time in the future, each once."""
    ahead = {getattr(row, "vmi", row.node): row.age for row in rows if row.age is not None and row.age.is_ahead}
    return (f"{name}: {age.problem}" for name, age in ahead.items())


def _by_occupancy(row: UsageRow) -> tuple[Any, ...]:
    return (row.occupancy is None, -(row.occupancy or 0), _identity(row))


def _by_bandwidth(row: UsageRow) -> tuple[Any, ...]:
    rate = getattr(row, "bandwidth", None)
    return (rate is None, -(rate or 0), *_by_occupancy(row))


def _by_share(row: UsageRow) -> tuple[Any, ...]:
    return (row.share is None, -(row.share or 0.0), _identity(row))


def _identity(row: UsageRow) -> tuple[Any, ...]:
    return tuple(
        getattr(row, name) for name in ("namespace", "vmi", "object", "group", "node", "id") if hasattr(row, name)
    )


_SORT_KEYS = {"occupancy": _by_occupancy, "bandwidth": _by_bandwidth, "share": _by_share, "name": _identity}


def _bytes(value: int | None) -> str:
    return NO_VALUE if value is None else format_bytes(value)


def _age(age: Age | None) -> str:
    return NO_VALUE if age is None else age.label


def _rate(value: int | None) -> str:
    return NO_VALUE if value is None else format_rate(value)


def _vmi_cells(row: VmiRow) -> tuple[str, ...]:
    held = f">{_bytes(row.occupancy)}" if row.at_least and row.occupancy is not None else _bytes(row.occupancy)
    return row.namespace, row.vmi, row.node, held, _rate(row.bandwidth)


def _group_cells(row: GroupRow) -> tuple[str, ...]:
    return row.namespace, row.vmi, row.group, row.node, _bytes(row.occupancy), _rate(row.bandwidth)


def _block_cells(row: BlockRow) -> tuple[str, ...]:
    most = f"{fit_text(row.largest[0], LONGEST_COLUMN)} {format_bytes(row.largest[1])}" if row.largest else NO_VALUE
    return row.node, str(row.id), _bytes(row.occupancy), _bytes(row.capacity), _bytes(row.monitored), most


def _node_cells(row: NodeRow) -> tuple[str, ...]:
    rmids = "/".join(map(str, row.rmids)) if row.rmids else NO_VALUE
    return row.node, _bytes(row.occupancy), _bytes(row.capacity), rmids, row.largest[0] if row.largest else NO_VALUE


def _as_data(row: Any) -> dict[str, Any]:
    """The row's fields in the API's spelling; what has no value is left out."""
    data: dict[str, Any] = {}
    for name in row.__dataclass_fields__:
        value = getattr(row, name)
        if value is None or value == "" or name in _OBJECT_FIELDS_LEFT_OUT:
            continue
        if isinstance(value, Age):
            value = round(value.seconds)
        data[_DATA_NAMES.get(name, name)] = list(value) if isinstance(value, tuple) else value
    return data


_DATA_NAMES = {
    "occupancy": "occupancyBytes",
    "capacity": "capacityBytes",
    "largest": "heaviest",
    "monitored": "monitoredBytes",
    "bandwidth": "totalBytesPerSecond",
    "vmi": "vmiName",
    "node": "nodeName",
    "at_least": "atLeast",
    "age": "ageSeconds",
}


def render_plain(table: TopTable, *, headings: bool) -> str:
    """The table in 79 columns; wider cells are cut."""
    if not table.rows:
        return "nothing is monitored here"
    rows = [(*row.cells, _last(row)) for row in table.rows]
    return render_table((*table.headers, "CACHE"), rows, headings=headings, width=_PLAIN_WIDTH)


def _last(row: TopRow) -> str:
    """The bar, or why there is none; a reason after a bar says why the number is not all."""
    shown = "" if row.share is None else f"{bar(row.share, 5)}{row.share:4.0%}"
    return " ".join(part for part in (shown, row.reason) if part)
