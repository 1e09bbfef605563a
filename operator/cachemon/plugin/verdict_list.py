"""`verdicts`: which VMs disturb which, worst first."""

from argparse import Namespace
from collections.abc import Iterable, Sequence
from shlex import quote
from typing import Any

from cachemon.commands.output import NO_VALUE, is_data, render_data, render_table
from cachemon.commands.verdict_record import VerdictRecord
from cachemon.model.age import format_age
from cachemon.model.api import NODES, ObjectName
from cachemon.model.errors import InvalidInputError, KubeForbiddenError, KubeNotFoundError
from cachemon.model.fitted_text import LONGEST_COLUMN, fit_text
from cachemon.model.units import format_bytes
from cachemon.plugin.session import Session
from cachemon.plugin.verdict_objects import group_verdicts, node_verdicts

_HEADERS = ("VICTIM", "LEVEL", "SLOWER", "RESOURCE", "SUSPECT", "NODE", "SINCE", "AGE")
_WIDE = ("BLOCK", "LOST", "SHARE")

NOT_INSTALLED = (
    "the cluster has no objects of cachemon: its CRDs are missing. See `kubectl get crd` for what is installed"
)


async def run(args: Namespace, session: Session) -> int:
    """Print the verdicts that are open, and with --ended also those that are not.

    Raises:
        InvalidInputError: an agent has never reported from the node, or cachemon is not installed.
    """
    try:
        nodes = await _nodes(args.node, session)
    except KubeForbiddenError:
        nodes = None
    if nodes is None:
        found: Iterable[VerdictRecord] = group_verdicts(await _groups(args.node, session), session.clock())
        session.remark(_AS_A_TENANT)
    else:
        scope = "" if args.node and not getattr(args, "namespace", None) else session.scope
        found = _within(node_verdicts(nodes, session.clock()), scope)
    rows = sorted((it for it in found if it.is_open or args.ended), key=lambda it: it.rank)
    if is_data(args.output):
        session.say(render_data([row.as_data() for row in rows], args.output))
        return 0
    wide = args.output == "wide"
    lines = [
        (
            *_cells(row, session.clock()),
            *(_wide_cells(row) if wide else ()),
            *((row.term.outcome,) if args.ended else ()),
        )
        for row in rows
    ]
    headers = (*_HEADERS, *(_WIDE if wide else ()), *(("OUTCOME",) if args.ended else ()))
    if rows:
        session.say(render_table(headers, lines, headings=not args.no_headers))
    session.out.flush()  # remarks come after the table, also where both streams are one file
    for remark in _remarks(rows, nodes, args, session):
        session.remark(remark)
    return 0


_AS_A_TENANT = (
    "you may not read CacheMonitorNodes: verdicts are those that CacheMonitorGroups show, where VMs of other "
    "namespaces have no name"
)


async def _nodes(name: str | None, session: Session) -> list[dict[str, Any]]:
    try:
        return [await session.api.get(NODES, ObjectName("", name))] if name else await session.nodes()
    except KubeNotFoundError as err:
        if not name:
            raise InvalidInputError(NOT_INSTALLED) from err
        raise InvalidInputError(
            f"no agent has ever reported from a node `{name}`; see `kubectl cachemon diagnose {quote(name)}`"
        ) from err


async def _groups(node: str | None, session: Session) -> list[dict[str, Any]]:
    """Those in scope: a tenant may list no others."""
    return [obj for obj in await session.groups() if not node or obj.get("status", {}).get("nodeName") == node]


def _within(records: Iterable[VerdictRecord], namespace: str) -> list[VerdictRecord]:
    """Verdicts that concern a VM of a namespace; all when it is empty."""
    prefix = f"{namespace}/" if namespace else ""
    return [it for it in records if it.victim.name.startswith(prefix) or it.suspect.name.startswith(prefix)]


def _cells(record: VerdictRecord, now: float) -> tuple[str, ...]:
    measures, term = record.measures, record.term
    return (
        fit_text(record.victim.label, LONGEST_COLUMN),
        record.level,
        _percent(measures.slowdown_percent),
        record.resource,
        fit_text(record.suspect.label, LONGEST_COLUMN),
        record.place.machine,
        NO_VALUE if term.since is None else format_age(max(0.0, now - term.since)),
        NO_VALUE if record.age is None else record.age.label,
    )


def _wide_cells(record: VerdictRecord) -> tuple[str, ...]:
    measures = record.measures
    return (
        NO_VALUE if record.place.block is None else str(record.place.block),
        NO_VALUE if measures.bytes_lost is None else format_bytes(measures.bytes_lost),
        _percent(measures.share_percent),
    )


def _percent(value: int | None) -> str:
    return NO_VALUE if value is None else f"{value}%"


def _remarks(
    rows: Sequence[VerdictRecord], nodes: Sequence[dict[str, Any]] | None, args: Namespace, session: Session
) -> Iterable[str]:
    worst = next((row for row in rows if row.is_open), None)
    if worst is not None:
        namespace, _, name = worst.victim.name.partition("/")
        yield f"see `kubectl cachemon why {quote(name)} -n {quote(namespace)}` for the first, and what to do"
        return
    if args.node:
        where = f"on node {args.node}"
    else:
        where = "in any namespace" if session.everywhere else f"in namespace {session.namespace}; -A shows all"
    yield f"no verdict is open {where}"
    if nodes is not None and not any("interferenceRatio" in node.get("status", {}) for node in nodes):
        yield "no VM is judged there now: `kubectl cachemon why VMI` names the reason"
