"""Who uses how much: rows for `top`, from CacheMonitorGroups. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from cachemon.commands.usage_rows import OMITTED, GroupRow, sum_known
from cachemon.model.age import Age, age_of
from cachemon.model.api import READY, VMIS, whole_period
from cachemon.model.clocks import read_at
from cachemon.model.errors import InvalidInputError
from cachemon.model.groups import parse_groups
from cachemon.model.kept_groups import Keeper
from cachemon.model.readings import VALID
from cachemon.model.reasons import Reason
from cachemon.model.stamps import POLICY_LABEL
from cachemon.model.times import read_time

_NOT_READ = "NoFiguresYet"


def condition_of(obj: Mapping[str, Any], kind: str = READY) -> Mapping[str, Any]:
    """A condition of an object; empty where it has none."""
    conditions = obj.get("status", {}).get("conditions", ())
    return next((item for item in conditions if item["type"] == kind), {})


def keeper_of(obj: Mapping[str, Any]) -> Keeper:
    """Who keeps the groups of an object: a policy, the VMI that owns it, or nobody but its configuration."""
    metadata = obj["metadata"]
    if POLICY_LABEL in metadata.get("labels", {}):
        return Keeper.POLICY
    return Keeper.LIVE if owners_of(obj) else Keeper.CONFIG


def owners_of(obj: Mapping[str, Any]) -> list[str]:
    """UIDs of the VMIs that own an object."""
    return [owner["uid"] for owner in obj["metadata"].get("ownerReferences", ()) if owner["kind"] == VMIS.kind]


def group_age(obj: Mapping[str, Any], now: float) -> Age | None:
    """How old the figures of a CacheMonitorGroup are; None where there are none.

    Args:
        obj: as the API server hands it out.
        now: seconds since the epoch.
    """
    status = obj.get("status", {})
    period = max(whole_period(obj["spec"].get("statusPeriodSeconds")), status.get("statusPeriodSeconds", 0))
    return age_of(status.get("observedTime", ""), period, now, taken=read_at(obj))


def figures_time(obj: Mapping[str, Any]) -> float | None:
    """When the figures of a group or node are from, as `group_age` measures it; None where there are none."""
    observed_time = obj.get("status", {}).get("observedTime", "")
    taken = read_at(obj) if observed_time else None
    return read_time(observed_time) if taken is None else taken


def group_rows(objects: Iterable[Mapping[str, Any]], now: float) -> list[GroupRow]:
    """Every monitoring group of some CacheMonitorGroups; one row for an object that has no figures at all.

    Args:
        objects: as the API server hands them out.
        now: seconds since the epoch: stale figures are not shown, even where `Ready` is True.
    """
    rows: list[GroupRow] = []
    for obj in objects:
        ready, age = condition_of(obj), group_age(obj, now)
        distrusted = why_stale(ready, age)
        groups = obj.get("status", {}).get("groups", [])
        without = OMITTED if obj.get("status", {}).get("omitted") else ""
        if not groups:
            reason = ready.get("reason", _NOT_READ)
            rows.append(_group_row(obj, {"name": "", "state": ""}, reason=reason, age=None))
        for item in groups:
            blocks = item.get("cacheBlocks", ())
            problem = item.get("reason", "") or (missing_reading(blocks) if blocks else without or _NOT_READ)
            shown: Mapping[str, Any] = {} if distrusted else item
            rows.append(_group_row(obj, shown, reason=distrusted or problem, age=age, named=item))
        if without:
            there = {item["name"] for item in groups}
            missing = ({"name": name, "state": ""} for name in _wanted(obj) if name not in there)
            rows += [_group_row(obj, item, reason=without, age=age) for item in missing]
    return rows


def valid_occupancy(block: Mapping[str, Any]) -> int | None:
    """Bytes of a cache block of a status; None where its reading is not Valid."""
    return block.get("occupancyBytes") if block["reading"] == VALID else None


def why_stale(ready: Mapping[str, Any], age: Age | None) -> str:
    """Why figures do not hold now; empty when they do. `Ready` may be as old as they are."""
    if ready.get("status") == "Unknown":
        return str(ready["reason"])
    return Reason.AGENT_NOT_REPORTING if age is not None and age.is_stale else ""


def current_objects(objects: Iterable[Mapping[str, Any]], now: float) -> list[Mapping[str, Any]]:
    """The CacheMonitorGroups whose figures hold now."""
    ages = ((obj, group_age(obj, now)) for obj in objects)
    return [obj for obj, age in ages if age is not None and not why_stale(condition_of(obj), age)]


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
        guest=obj["spec"]["vmiName"],
        source=obj["metadata"]["name"],
        group=named["name"],
        node=obj.get("status", {}).get("nodeName", ""),
        occupancy=sum_known(map(valid_occupancy, blocks)),
        bandwidth=sum_known(block.get("memoryBandwidth", {}).get("totalBytesPerSecond") for block in blocks),
        local=sum_known(block.get("memoryBandwidth", {}).get("localBytesPerSecond") for block in blocks),
        capacity=sum_known(block.get("capacityBytes") for block in blocks),
        reason=reason,
        age=age,
        observed=None if age is None else read_time(obj["status"].get("observedTime")),
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


def missing_reading(blocks: Iterable[Mapping[str, Any]]) -> str:
    """Why a block has no number; empty where all have."""
    return next((block["reading"] for block in blocks if block["reading"] != VALID), "")
