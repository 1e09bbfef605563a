"""Nodes as the page shows them, from CacheMonitorNodes. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from cachemon.model.api import DEFAULT_STATUS_PERIOD_SECONDS
from cachemon.plugin.node_usage import BlockRow, block_rows, node_rows, why_silent
from cachemon.plugin.usage import condition_of, figures_time
from cachemon.plugin.verdict_objects import node_verdicts
from cachemon.web.page_state import BlockState, NodeState, RmidState
from cachemon.web.verdict_states import verdict_state


def node_state(node: Mapping[str, Any], now: float, namespace: str = "") -> NodeState:
    """A node.

    Args:
        node: as the API server hands it out.
        now: seconds since the epoch: figures of a silent agent do not hold.
        namespace: the only one whose verdicts are shown; empty for all.
    """
    (row,) = node_rows([node], now)
    status = node.get("status", {})
    silent = bool(why_silent(node, now))
    rmids = None if row.rmids is None else status["rmids"]
    verdicts = () if silent else sorted(node_verdicts([node], now), key=lambda it: it.rank)
    prefix = f"{namespace}/" if namespace else ""
    return NodeState(
        ready=row.ready,
        reason=row.reason,
        message=_message(node, silent=silent),
        observed=figures_time(node),
        period=status.get("statusPeriodSeconds", DEFAULT_STATUS_PERIOD_SECONDS),
        agent=status.get("agentVersion", ""),
        rmids=None if rmids is None else RmidState(ours=rmids["ours"], others=rmids["others"], total=rmids["total"]),
        interferenceRatio=None if silent else status.get("interferenceRatio"),
        blocks=[
            _block_state(block, item, silent=silent)
            for block, item in zip(block_rows([node], now), status.get("cacheBlocks", ()), strict=True)
        ],
        verdicts=[
            verdict_state(it)
            for it in verdicts
            if it.victim.name.startswith(prefix) or it.suspect.name.startswith(prefix)
        ],
    )


def _message(node: Mapping[str, Any], *, silent: bool) -> str:
    """What a person can do; empty when all is well, or when the agent wrote it before it fell silent."""
    ready = condition_of(node)
    is_old = silent and ready.get("status") != "Unknown"
    return "" if is_old or ready.get("status") == "True" else str(ready.get("message", ""))


def _block_state(row: BlockRow, item: Mapping[str, Any], *, silent: bool) -> BlockState:
    holders: Sequence[Mapping[str, Any]] = () if silent else item.get("heaviestVMIs", ())
    return BlockState(
        id=row.id,
        capacity=row.capacity,
        occupancy=row.occupancy,
        monitored=row.monitored,
        unattributed=None if silent else item.get("unattributedBytes"),
        reading=item["reading"],
        reason=row.reason,
        holders=[(f"{it['namespace']}/{it['name']}", it["occupancyBytes"]) for it in holders],
    )
