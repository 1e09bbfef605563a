"""VMs as the page shows them, from their CacheMonitorGroups. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cachemon.commands.usage_rows import GroupRow, disjoint_rows, guest_rows, sum_known
from cachemon.model.api import DEFAULT_STATUS_PERIOD_SECONDS, UNDISTURBED
from cachemon.model.vcpus import VcpuSet
from cachemon.plugin.usage import (
    condition_of,
    current_objects,
    figures_time,
    group_age,
    group_rows,
    valid_occupancy,
    why_stale,
)
from cachemon.plugin.verdict_objects import group_verdicts
from cachemon.web.page_state import (
    GroupBlockState,
    GroupState,
    UndisturbedState,
    VmBlockState,
    VmState,
)
from cachemon.web.verdict_states import verdict_state

_TRUST = ("Unknown", "False", "True")
"""Status of Ready, least first."""


def vm_state(objects: Sequence[Mapping[str, Any]], now: float, *, shows_verdicts: bool) -> VmState:
    """A VM, without the places where it ran.

    Args:
        objects: its CacheMonitorGroups as the API server hands them out, by name; at least one.
        now: seconds since the epoch: figures of a silent agent do not hold.
        shows_verdicts: whether the verdicts in its own objects are wanted, as those of nodes can't be read.
    """
    rows = group_rows(objects, now)
    (whole,) = guest_rows(rows)
    groups = {(row.source, row.group): _group_state(row, *_item_of(row, objects), now) for row in rows if row.group}
    least = min((_readiness(obj, now) for obj in objects), key=lambda it: _TRUST.index(it[0]))
    ages = [age for obj in objects if (age := group_age(obj, now)) is not None]
    times = [time for obj in objects if (time := figures_time(obj)) is not None]
    verdicts = group_verdicts(current_objects(objects, now), now) if shows_verdicts else ()
    return VmState(
        node=whole.node,
        ready=least[0],
        reason=least[1] or whole.reason,
        message=least[2],
        observed=min(times, default=None),
        period=max((age.period_seconds for age in ages), default=DEFAULT_STATUS_PERIOD_SECONDS),
        occupancy=whole.occupancy,
        atLeast=whole.at_least,
        bandwidth=whole.bandwidth,
        blocks=_sums(groups, disjoint_rows(rows)),
        groups=list(groups.values()),
        undisturbed=_undisturbed(current_objects(objects, now)),
        places=(),
        verdicts=[verdict_state(it) for it in verdicts],
    )


def _item_of(row: GroupRow, objects: Iterable[Mapping[str, Any]]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The object of a row, and the item of its status; an empty one for a group that the status leaves out."""
    obj = next(it for it in objects if it["metadata"]["name"] == row.source)
    return obj, next((it for it in obj.get("status", {}).get("groups", ()) if it["name"] == row.group), {})


def _group_state(row: GroupRow, obj: Mapping[str, Any], item: Mapping[str, Any], now: float) -> GroupState:
    holds = not why_stale(condition_of(obj), group_age(obj, now))
    return GroupState(
        object=row.source,
        name=row.group,
        vcpus=_threads(row, item),
        state=item.get("state", ""),
        reason=row.reason,
        message=item.get("message", ""),
        blocks=[_block_state(block, holds=holds) for block in item.get("cacheBlocks", ())],
    )


def _threads(row: GroupRow, item: Mapping[str, Any]) -> str:
    """The threads of a group for people: `0-3`, `IOThread`, `0-3, Emulator`."""
    vcpus = str(VcpuSet.of(item["vcpus"])) if item.get("vcpus") else ""
    others = sorted(it for it in row.threads if not it.startswith("vCPU "))
    return ", ".join(filter(None, (vcpus, *others)))


def _block_state(block: Mapping[str, Any], *, holds: bool) -> GroupBlockState:
    rates = block.get("memoryBandwidth", {}) if holds else {}
    return GroupBlockState(
        id=block["id"],
        reading=block["reading"],
        occupancy=valid_occupancy(block) if holds else None,
        capacity=block.get("capacityBytes"),
        bandwidth=rates.get("totalBytesPerSecond"),
        localBandwidth=rates.get("localBytesPerSecond"),
    )


def _sums(groups: Mapping[tuple[str, str], GroupState], counted: Iterable[GroupRow]) -> list[VmBlockState]:
    """The sums of each block, over the same groups as the sum of the VM."""
    counted_blocks = [block for row in counted for block in groups[row.source, row.group]["blocks"]]
    found = []
    for id_ in sorted({block["id"] for group in groups.values() for block in group["blocks"]}):
        of_block = [block for block in counted_blocks if block["id"] == id_]
        every = [block for group in groups.values() for block in group["blocks"] if block["id"] == id_]
        found.append(
            VmBlockState(
                id=id_,
                occupancy=sum_known(block["occupancy"] for block in of_block),
                capacity=max((it["capacity"] for it in every if it["capacity"] is not None), default=None),
                bandwidth=sum_known(block["bandwidth"] for block in of_block),
            )
        )
    return found


def _readiness(obj: Mapping[str, Any], now: float) -> tuple[str, str, str]:
    """Status, reason and message of an object's Ready, which may be as old as its figures."""
    ready, age = condition_of(obj), group_age(obj, now)
    if (stale := why_stale(ready, age)) and ready.get("status") != "Unknown":
        return "Unknown", stale, ""
    status = ready.get("status", "Unknown")
    if status == "True":
        return status, "", ""
    return status, ready.get("reason", ""), ready.get("message", "")


def _undisturbed(objects: Iterable[Mapping[str, Any]]) -> UndisturbedState | None:
    condition = next((it for obj in objects if (it := condition_of(obj, UNDISTURBED))), None)
    if condition is None:
        return None
    return UndisturbedState(
        status=condition["status"], reason=condition.get("reason", ""), message=condition.get("message", "")
    )
