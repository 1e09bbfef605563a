"""Who uses how much: rows for `top` and `nodes`, from the objects of the API. Pure.

A figure is a sum only if every part of it is there and none is in it twice; else there is a reason, or `at_least`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from cachemon.model.age import Age, age_of
from cachemon.model.api import DEFAULT_STATUS_PERIOD_SECONDS, READY, whole_period
from cachemon.model.clocks import written_at
from cachemon.model.errors import InvalidInputError
from cachemon.model.groups import parse_groups
from cachemon.model.readings import VALID
from cachemon.model.reasons import Reason

__all__ = [
    "BlockRow",
    "Filled",
    "GroupRow",
    "NodeRow",
    "VmiRow",
    "block_rows",
    "group_age",
    "group_rows",
    "node_rows",
    "vmi_rows",
]

_OMITTED = "Omitted"
"""The reason of a group whose figures are left out of a status that would be too large to store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What holds cache.

    Attributes:
        occupancy: bytes, None where there is no number that holds now.
        capacity: bytes of the caches that it is measured in; None where the kernel does not tell.
        age: of the figures, those that are not shown for it included; None where there are none.
    """

    occupancy: int | None
    capacity: int | None
    age: Age | None

    @property
    def share(self) -> float | None:
        """Occupancy as a part of the capacity, 0 to 1."""
        return self.occupancy / self.capacity if self.occupancy is not None and self.capacity else None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRow(Filled):
    """One monitoring group.

    Attributes:
        namespace, vmi, object, group, node: where it is.
        bandwidth: bytes per second, None where there is no number that holds now.
        reason: why a number is missing or not the whole group's; empty when all is well.
        threads: what it is of, as marks that can be compared.
    """

    namespace: str
    vmi: str
    object: str
    group: str
    node: str
    bandwidth: int | None
    reason: str
    threads: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class VmiRow(Filled):
    """One VMI: groups that share no thread, summed up.

    Attributes:
        namespace, vmi, node: where it is.
        bandwidth, reason: as in GroupRow.
        at_least: whether some of its threads are in overlapping groups only in part, so that it may be more.
    """

    namespace: str
    vmi: str
    node: str
    bandwidth: int | None
    reason: str
    at_least: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockRow(Filled):
    """One cache block of a node.

    Attributes:
        node, id: which.
        monitored: bytes that monitored VMs hold of it, None where there is no number.
        reason: why a number is missing.
        heaviest: who holds most of it, `NAMESPACE/VMI`, and how many bytes; None when nobody monitored does.
    """

    node: str
    id: int
    monitored: int | None
    reason: str
    heaviest: tuple[str, int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRow(Filled):
    """One node.

    Attributes:
        node: its name.
        ready: `True`, `False`, or `Unknown` when its agent is silent.
        reason: of that, or why a cache block has no number; empty when all is well.
        rmids: in use and in total, or None.
        heaviest: as of BlockRow, over all blocks.
    """

    node: str
    ready: str
    reason: str
    rmids: tuple[int, int] | None
    heaviest: tuple[str, int] | None


def _sum(values: Iterable[int | None]) -> int | None:
    """The sum, or None when there is none or a part is missing."""
    total = 0
    found = False
    for value in values:
        if value is None:
            return None
        total += value
        found = True
    return total if found else None


def _condition(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    conditions = obj.get("status", {}).get("conditions", ())
    return next((item for item in conditions if item["type"] == READY), {})


def group_age(obj: Mapping[str, Any], now: float) -> Age | None:
    """How old the figures of a CacheMonitorGroup are; None where there are none.

    Args:
        obj: as the API server hands it out.
        now: seconds since the epoch.
    """
    status = obj.get("status", {})
    period = max(whole_period(obj["spec"].get("statusPeriodSeconds")), status.get("statusPeriodSeconds", 0))
    return age_of(status.get("observedTime", ""), period, now, taken=written_at(obj))


def group_rows(objects: Iterable[Mapping[str, Any]], now: float) -> list[GroupRow]:
    """Every monitoring group of some CacheMonitorGroups; one row for an object that has no figures at all.

    Args:
        objects: as the API server hands them out.
        now: seconds since the epoch: figures that are old are not shown, whatever `Ready` says of them.
    """
    rows: list[GroupRow] = []
    for obj in objects:
        ready, age = _condition(obj), group_age(obj, now)
        distrusted = _why_not_believed(ready, age)
        groups = obj.get("status", {}).get("groups", [])
        without = _OMITTED if obj.get("status", {}).get("omitted") else ""
        if not groups:
            reason = ready.get("reason", "NoFiguresYet")
            rows.append(_group_row(obj, {"name": "", "state": ""}, reason=reason, age=None))
        for item in groups:
            blocks = item.get("cacheBlocks", ())
            problem = item.get("reason", "") or (_missing(blocks) if blocks else without)
            shown: Mapping[str, Any] = {} if distrusted else item
            rows.append(_group_row(obj, shown, reason=distrusted or problem, age=age, named=item))
        if without:
            there = {item["name"] for item in groups}
            missing = ({"name": name, "state": ""} for name in _wanted(obj) if name not in there)
            rows += [_group_row(obj, item, reason=without, age=age) for item in missing]
    return rows


def _why_not_believed(ready: Mapping[str, Any], age: Age | None) -> str:
    """Why figures are as good as none; empty when they hold. `Ready` may be as old as they are."""
    if ready.get("status") == "Unknown":
        return str(ready["reason"])
    return Reason.AGENT_NOT_REPORTING if age is not None and age.is_stale else ""


def _group_row(
    obj: Mapping[str, Any],
    item: Mapping[str, Any],
    *,
    reason: str,
    age: Age | None,
    named: Mapping[str, Any] | None = None,
) -> GroupRow:
    blocks = item.get("cacheBlocks", ())
    named = named or item
    return GroupRow(
        namespace=obj["metadata"].get("namespace", ""),
        vmi=obj["spec"]["vmiName"],
        object=obj["metadata"]["name"],
        group=named["name"],
        node=obj.get("status", {}).get("nodeName", ""),
        occupancy=_sum(block.get("occupancyBytes") if block["reading"] == VALID else None for block in blocks),
        bandwidth=_sum(block.get("memoryBandwidth", {}).get("totalBytesPerSecond") for block in blocks),
        capacity=_sum(block.get("capacityBytes") for block in blocks),
        reason=reason,
        age=age,
        threads=_threads(obj, named),
    )


def _wanted(obj: Mapping[str, Any]) -> list[str]:
    """The names of the spec's groups; none where they are not valid."""
    try:
        return [group.name for group in parse_groups(obj["spec"].get("groups"))]
    except InvalidInputError:
        return []


def _threads(obj: Mapping[str, Any], item: Mapping[str, Any]) -> frozenset[str]:
    try:
        wanted = next((one for one in parse_groups(obj["spec"].get("groups")) if one.name == item["name"]), None)
    except InvalidInputError:
        wanted = None
    classes = wanted.threads if wanted else frozenset()
    return frozenset([*(f"vCPU {id_}" for id_ in item.get("vcpus", ())), *map(str, classes)])


def vmi_rows(groups: Iterable[GroupRow]) -> list[VmiRow]:
    """The groups by VMI. Of groups that overlap the larger one counts; `at_least` if that leaves threads out."""
    rows: list[VmiRow] = []
    ordered = sorted(groups, key=lambda row: (row.namespace, row.vmi))
    for (namespace, vmi), found in groupby(ordered, key=lambda row: (row.namespace, row.vmi)):
        members = list(found)
        counted = _disjoint(members)
        everything = frozenset().union(*(row.threads for row in members))
        covered = frozenset().union(*(row.threads for row in counted))
        reason = next((row.reason for row in members if row.reason), "")
        rows.append(
            VmiRow(
                namespace=namespace,
                vmi=vmi,
                node=next((row.node for row in members if row.node), ""),
                occupancy=_sum(row.occupancy for row in counted),
                bandwidth=_sum(row.bandwidth for row in counted),
                capacity=max((row.capacity for row in members if row.capacity is not None), default=None),
                reason=reason,
                age=max((row.age for row in members if row.age is not None), default=None),
                at_least=bool(counted) and (covered != everything or any(row.reason == _OMITTED for row in members)),
            )
        )
    return rows


def _disjoint(members: Sequence[GroupRow]) -> list[GroupRow]:
    counted: list[GroupRow] = []
    taken: frozenset[str] = frozenset()
    with_figures = [row for row in members if row.occupancy is not None]
    for row in sorted(with_figures, key=lambda row: (-len(row.threads), -(row.occupancy or 0), row.group)):
        if taken.isdisjoint(row.threads):
            counted.append(row)
            taken |= row.threads
    return counted


def block_rows(nodes: Iterable[Mapping[str, Any]], now: float) -> list[BlockRow]:
    """Every cache block of some CacheMonitorNodes; `now` as in `node_rows`."""
    return [
        _block_row(node["metadata"]["name"], block, silent=_why_silent(node, now), age=_node_age(node, now))
        for node in nodes
        for block in _blocks(node)
    ]


def _blocks(node: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = node.get("status", {}).get("cacheBlocks", [])
    return found


def _block_row(node: str, block: Mapping[str, Any], *, silent: str, age: Age | None) -> BlockRow:
    return BlockRow(
        node=node,
        id=block["id"],
        occupancy=None if silent else block.get("occupancyBytes"),
        capacity=block.get("capacityBytes"),
        monitored=None if silent else block.get("monitoredBytes"),
        reason=silent or _missing([block]),
        age=age,
        heaviest=None if silent else _heaviest(block),
    )


def _missing(blocks: Iterable[Mapping[str, Any]]) -> str:
    """Why a block has no number; empty where all have."""
    return next((block["reading"] for block in blocks if block["reading"] != VALID), "")


def _heaviest(status: Mapping[str, Any]) -> tuple[str, int] | None:
    """The first VMI of a node's list, or of a cache block's."""
    found = next(iter(status.get("heaviestVMIs", ())), None)
    return (f"{found['namespace']}/{found['name']}", found["occupancyBytes"]) if found else None


def node_rows(nodes: Iterable[Mapping[str, Any]], now: float) -> list[NodeRow]:
    """Some CacheMonitorNodes.

    Args:
        nodes: as the API server hands them out.
        now: seconds since the epoch: an agent that is silent for three of its periods is not believed.
    """
    return [_node_row(node, now) for node in nodes]


def _node_row(node: Mapping[str, Any], now: float) -> NodeRow:
    ready = _condition(node)
    silent = _why_silent(node, now)
    blocks = [] if silent else _blocks(node)
    rmids = node.get("status", {}).get("rmids")
    status = "Unknown" if silent else ready.get("status", "Unknown")
    reason = _missing(blocks) if status == "True" else ready.get("reason", "")
    return NodeRow(
        node=node["metadata"]["name"],
        ready=status,
        reason=silent or reason,
        occupancy=_sum(block.get("occupancyBytes") for block in blocks),
        capacity=_sum(block.get("capacityBytes") for block in _blocks(node)),
        rmids=None if silent or not rmids else (rmids["ours"] + rmids["others"], rmids["total"]),
        age=_node_age(node, now),
        heaviest=None if silent else _heaviest(node.get("status", {})),
    )


def _node_age(node: Mapping[str, Any], now: float) -> Age | None:
    status = node.get("status", {})
    period = status.get("statusPeriodSeconds", DEFAULT_STATUS_PERIOD_SECONDS)
    return age_of(status.get("observedTime", ""), period, now, taken=written_at(node))


def _why_silent(node: Mapping[str, Any], now: float) -> str:
    """Why what a node's agent said last does not hold now; empty when it does."""
    age = _node_age(node, now)
    return Reason.AGENT_NOT_REPORTING if age is None else _why_not_believed(_condition(node), age)
