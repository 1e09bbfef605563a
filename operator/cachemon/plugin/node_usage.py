"""How full nodes and their cache blocks are: rows for `nodes` and `top`, from CacheMonitorNodes. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cachemon.commands.usage_rows import Identity, UsageRow, sum_known
from cachemon.model.age import Age, age_of
from cachemon.model.api import DEFAULT_STATUS_PERIOD_SECONDS
from cachemon.model.clocks import read_at
from cachemon.model.reasons import Reason
from cachemon.model.times import read_time
from cachemon.plugin.usage import condition_of, missing_reading, why_stale


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockRow(UsageRow):
    """One cache block of a node.

    Attributes:
        node, id: which.
        monitored: bytes that monitored VMs hold of it, None where there is no number.
        largest: the VMI that holds most of it, `NAMESPACE/VMI`, and its bytes; None without a monitored VMI.
    """

    node: str
    id: int
    monitored: int | None
    largest: tuple[str, int] | None

    @property
    def identity(self) -> Identity:
        """As it is shown."""
        return (self.node, self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRow(UsageRow):
    """One node.

    Attributes:
        node: its name.
        ready: `True`, `False`, or `Unknown` when its agent is silent.
        rmids: in use and in total, or None.
        largest: as of BlockRow, over all blocks.
    """

    node: str
    ready: str
    rmids: tuple[int, int] | None
    largest: tuple[str, int] | None

    @property
    def identity(self) -> Identity:
        """As it is shown."""
        return (self.node,)


def block_rows(nodes: Iterable[Mapping[str, Any]], now: float) -> list[BlockRow]:
    """Every cache block of some CacheMonitorNodes; `now` as in `node_rows`."""
    return [
        _block_row(node, block, silent=why_silent(node, now), age=node_age(node, now))
        for node in nodes
        for block in _blocks(node)
    ]


def _blocks(node: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = node.get("status", {}).get("cacheBlocks", [])
    return found


def _block_row(node: Mapping[str, Any], block: Mapping[str, Any], *, silent: str, age: Age | None) -> BlockRow:
    return BlockRow(
        node=node["metadata"]["name"],
        id=block["id"],
        occupancy=None if silent else block.get("occupancyBytes"),
        capacity=block.get("capacityBytes"),
        monitored=None if silent else block.get("monitoredBytes"),
        reason=silent or missing_reading([block]),
        age=age,
        observed=_observed(node),
        largest=None if silent else _largest(block),
    )


def _largest(status: Mapping[str, Any]) -> tuple[str, int] | None:
    """The first VMI of a node's list, or of a cache block's."""
    found = next(iter(status.get("heaviestVMIs", ())), None)
    return (f"{found['namespace']}/{found['name']}", found["occupancyBytes"]) if found else None


def node_rows(nodes: Iterable[Mapping[str, Any]], now: float) -> list[NodeRow]:
    """Some CacheMonitorNodes.

    Args:
        nodes: as the API server hands them out.
        now: seconds since the epoch: figures of an agent that is silent for three of its periods are left out.
    """
    return [_node_row(node, now) for node in nodes]


def _node_row(node: Mapping[str, Any], now: float) -> NodeRow:
    ready = condition_of(node)
    silent = why_silent(node, now)
    blocks = [] if silent else _blocks(node)
    rmids = node.get("status", {}).get("rmids")
    status = "Unknown" if silent else ready.get("status", "Unknown")
    reason = missing_reading(blocks) if status == "True" else ready.get("reason", "")
    return NodeRow(
        node=node["metadata"]["name"],
        ready=status,
        reason=silent or reason,
        occupancy=sum_known(block.get("occupancyBytes") for block in blocks),
        capacity=sum_known(block.get("capacityBytes") for block in _blocks(node)),
        rmids=None if silent or not rmids else (rmids["ours"] + rmids["others"], rmids["total"]),
        age=node_age(node, now),
        observed=_observed(node),
        largest=None if silent else _largest(node.get("status", {})),
    )


def node_age(node: Mapping[str, Any], now: float) -> Age | None:
    """How old the figures of a CacheMonitorNode are; None where there are none."""
    status = node.get("status", {})
    period = status.get("statusPeriodSeconds", DEFAULT_STATUS_PERIOD_SECONDS)
    return age_of(status.get("observedTime", ""), period, now, taken=read_at(node))


def _observed(node: Mapping[str, Any]) -> float | None:
    return read_time(node.get("status", {}).get("observedTime"))


def why_silent(node: Mapping[str, Any], now: float) -> str:
    """Why the last status of a node's agent does not hold now; empty when it does."""
    age = node_age(node, now)
    return Reason.AGENT_NOT_REPORTING if age is None else why_stale(condition_of(node), age)
