"""`nodes`: how full the caches of the nodes are, and whether their agents report."""

from argparse import Namespace
from shlex import quote
from typing import Any

from cachemon.commands.output import NO_VALUE, bar, is_data, render_objects, render_table
from cachemon.model.api import NODES, PROGRAM_LABEL, ObjectName
from cachemon.model.errors import InvalidInputError, KubeNotFoundError
from cachemon.model.fitted_text import LONGEST_COLUMN, fit_items, fit_text
from cachemon.model.units import format_bytes
from cachemon.plugin.node_usage import NodeRow, node_rows
from cachemon.plugin.session import Session

_HEADERS = ("NAME", "READY", "CACHE", "FILL", "RMIDS", "MOST", "REPORTED")
_WIDE = ("REASON", "BLOCKS", "EVENTS", "VERSION")


async def run(args: Namespace, session: Session) -> int:
    """Print the named nodes, or all.

    Raises:
        InvalidInputError: an agent has never reported from a node, or from none at all.
    """
    nodes = [await _one(name, session) for name in args.node] or await session.nodes()
    if args.output == "name" or is_data(args.output):
        session.say(render_objects(nodes, args.output))
        return 0
    if not nodes:
        raise InvalidInputError(
            f"no node has reported: no agent runs. See `kubectl get daemonset -A -l {PROGRAM_LABEL}=agent`"
        )
    rows = node_rows(sorted(nodes, key=lambda node: str(node["metadata"]["name"])), session.clock())
    by_name = {node["metadata"]["name"]: node for node in nodes}
    wide = args.output == "wide"
    lines = [(*_cells(row), *(_wide_cells(row, by_name[row.node]) if wide else ())) for row in rows]
    session.say(render_table((*_HEADERS, *(_WIDE if wide else ())), lines, headings=not args.no_headers))
    for row in rows:
        if row.ready != "True":
            session.remark(f"{row.node}: {row.reason}; see `kubectl cachemon diagnose {quote(row.node)}`")
        elif row.age is not None and row.age.is_ahead:
            session.remark(f"{row.node}: {row.age.problem}")
    return 0


async def _one(name: str, session: Session) -> dict[str, Any]:
    try:
        return await session.api.get(NODES, ObjectName("", name))
    except KubeNotFoundError as err:
        raise InvalidInputError(
            f"no agent has ever reported from a node `{name}`; see `kubectl cachemon diagnose {quote(name)}`"
        ) from err


def _cells(row: NodeRow) -> tuple[str, ...]:
    cache = NO_VALUE
    if row.occupancy is not None:
        cache = format_bytes(row.occupancy) + (f"/{format_bytes(row.capacity)}" if row.capacity else "")
    return (
        row.node,
        row.ready,
        cache,
        NO_VALUE if row.share is None else bar(row.share),
        "/".join(map(str, row.rmids)) if row.rmids else NO_VALUE,
        fit_text(row.largest[0], LONGEST_COLUMN) if row.largest else NO_VALUE,
        NO_VALUE if row.age is None else row.age.label,
    )


def _wide_cells(row: NodeRow, node: dict[str, Any]) -> tuple[str, ...]:
    status = node.get("status", {})
    summary = status.get("summary", {})
    blocks, events = (fit_items(summary.get(name, "").split(","), LONGEST_COLUMN) for name in ("blocks", "events"))
    return row.reason, blocks, events, status.get("agentVersion", "")
