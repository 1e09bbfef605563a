"""How each group of an object stands after a plan was carried out. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from cachemon.engine.layout import GroupLayout, GroupState, Target, TargetLayout, W, Wanted
from cachemon.engine.message_terms import Words
from cachemon.model.groups import ALL_VCPUS, GroupKey, MonitoringGroup
from cachemon.model.missing_threads import Presence, shortfall
from cachemon.model.mon_groups import MonGroupName
from cachemon.model.plan import Plan
from cachemon.model.reasons import Reason
from cachemon.model.threads import MOST_QEMUS, Obstacle, Qemu, each_once

__all__ = ["Carried", "RmidCount", "cells_by_group", "judge", "presences_of"]

_MOST_NAMED = 4


class RmidCount(NamedTuple):
    """Whose the machine's RMIDs are, and the most that we may take (None: as many as there are)."""

    total: int
    ours: int
    others: int
    budget: int | None

    def told(self, words: Words) -> str:
        """For people."""
        allowed = "" if self.budget is None else f", and the agent may take {self.budget} (--rmid-budget)"
        whose = f"{self.ours} are cachemon's and {self.others} are others'"
        return f"of the {words.machine}'s {self.total} RMIDs {whose}{allowed}"


@dataclass(frozen=True, slots=True)
class Carried:
    """A plan and what came of it.

    Attributes:
        plan: what was to be done.
        cells: see `cells_by_group`.
        failures: mon_groups that something went wrong with, and what.
        without_rmid: mon_groups that could not be made for want of RMIDs.
        rmids: whose they are.
        words: for messages.
        presences: the threads of every QEMU, by its PID.
        uncounted: groups whose traffic has no counter, and what is to be said of it.
        obstacles: by owner why its QEMU may have been overlooked.
    """

    plan: Plan
    cells: Mapping[GroupKey, tuple[MonGroupName, ...]]
    failures: Mapping[MonGroupName, str]
    without_rmid: frozenset[MonGroupName]
    rmids: RmidCount
    words: Words
    presences: Mapping[int, Presence]
    uncounted: Mapping[GroupKey, str] = field(default_factory=dict)
    obstacles: Mapping[str, Obstacle] = field(default_factory=dict)


def judge(target: Target[W], qemus: Sequence[Qemu], carried: Carried) -> TargetLayout[W]:
    """How each group of an object stands after a plan was carried out.

    Args:
        target: the object.
        qemus: its processes on this machine.
        carried: the plan for all objects of the machine, and what came of it.
    """
    return TargetLayout(
        target,
        tuple(_judge_group(target, group, qemus, carried) for group in target.object.groups),
        qemus=tuple(qemus),
        has_all_vcpus=any(_has_all_vcpus(carried.presences[qemu.pid], target.object.vcpu_count) for qemu in qemus),
    )


def presences_of(qemus: Iterable[Qemu]) -> Mapping[int, Presence]:
    """The threads of each QEMU, counted once for all groups; by its PID."""
    return {qemu.pid: Presence.of(qemu) for qemu in each_once(qemus)}


def _has_all_vcpus(presence: Presence, vcpu_count: int) -> bool:
    gap = shortfall(ALL_VCPUS, presence, vcpu_count)
    return gap is None or gap.reason == Reason.THREADS_NOT_IDENTIFIABLE


def _judge_group(
    target: Target[Wanted], group: MonitoringGroup, qemus: Sequence[Qemu], carried: Carried
) -> GroupLayout:
    key = GroupKey(target.object.uid, group.name)
    there = [carried.presences[qemu.pid] for qemu in qemus]
    threads = sum(presence.threads_of(group) for presence in there)
    vcpus = _united([presence.vcpus_of(group) for presence in there])

    def stands(
        state: GroupState, reason: Reason | None, message: str, cells: tuple[MonGroupName, ...] = ()
    ) -> GroupLayout:
        return GroupLayout(group, state, reason, message, vcpus, threads, cells)

    if not qemus:
        return stands(GroupState.WAITING, *_no_qemu(target, carried))
    if len(qemus) > MOST_QEMUS:
        return stands(
            GroupState.WAITING,
            Reason.TOO_MANY_QEMUS,
            f"more than {MOST_QEMUS} processes that belong to it call themselves QEMU of guest "
            f"{target.object.guest_name}; it can't be told which one runs it: {carried.words.too_many}",
        )
    gaps = [gap for presence in there if (gap := shortfall(group, presence, target.object.vcpu_count))]
    if waiting := next((gap for gap in gaps if gap.waiting), None):
        return stands(GroupState.WAITING, waiting.reason, waiting.message)
    if held := _held_by_others(key, carried.plan):
        return stands(GroupState.DEGRADED, *held)
    cells = carried.cells.get(key, ())
    if lack := _lack_of_rmids(key, cells, carried):
        return stands(GroupState.WAITING, Reason.OUT_OF_RMIDS, lack)
    if problem := next((carried.failures[cell] for cell in cells if cell in carried.failures), None):
        return stands(GroupState.DEGRADED, Reason.RESCTRL_REFUSED, problem)
    if gaps:
        return stands(GroupState.DEGRADED, gaps[0].reason, gaps[0].message, cells)
    if uncounted := carried.uncounted.get(key):
        return stands(GroupState.DEGRADED, Reason.NO_BANDWIDTH_COUNTER, uncounted, cells)
    return stands(GroupState.MONITORED, None, "", cells)


def _united(each: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    return each[0] if len(each) == 1 else tuple(sorted(set().union(*each)))


def _lack_of_rmids(key: GroupKey, cells: Sequence[MonGroupName], carried: Carried) -> str:
    """What a group waits for, in numbers; empty when it has its RMIDs."""
    told = carried.rmids.told(carried.words)
    if shortage := carried.plan.waiting.get(key):
        place = "" if shortage.control_group is None else f" in control group {shortage.control_group or 'default'}"
        return (
            f"needs {shortage.needs} {'RMID' if shortage.needs == 1 else 'RMIDs'}{place}, "
            f"{max(0, shortage.free)} {'is' if shortage.free == 1 else 'are'} free; {told}; {carried.words.relief}"
        )
    refused = carried.without_rmid.intersection(cells)
    if refused:
        return (
            f"the kernel has no free RMID now for {len(refused)} of its {len(cells)} mon_groups; {told}, "
            "freed ones come back when their cache lines have gone; it is tried again"
        )
    return ""


def _held_by_others(key: GroupKey, plan: Plan) -> Obstacle | None:
    if foreign := plan.foreign.get(key):
        return Obstacle(
            Reason.THREADS_IN_FOREIGN_GROUP,
            f"another program holds threads of this group in mon_group {foreign.name}; they are left there",
        )
    if suspects := plan.unsure.get(key):
        named = ", ".join(where.path for where in suspects[:_MOST_NAMED])
        more = f" and {len(suspects) - _MOST_NAMED} more" if len(suspects) > _MOST_NAMED else ""
        return Obstacle(
            Reason.FOREIGN_GROUP_UNREADABLE,
            f"groups of another program can't be read and may hold threads of this one: {named}{more}; no thread is "
            "taken from them; make their tasks files readable, or remove them",
        )
    return None


def _no_qemu(target: Target[Wanted], carried: Carried) -> Obstacle:
    words = carried.words
    where = f"{words.sought} {', '.join(target.owner_uids) or words.nowhere}"
    message = f"no QEMU of guest {target.object.guest_name} on this {words.machine} ({where})"
    for uid in target.owner_uids:
        if obstacle := carried.obstacles.get(uid):
            return Obstacle(obstacle.reason, f"{message}: {obstacle.message}")
    return Obstacle(Reason.QEMU_NOT_FOUND, message)


def cells_by_group(plan: Plan) -> Mapping[GroupKey, tuple[MonGroupName, ...]]:
    """The mon_groups whose sum is a group's figure, for every group that was admitted."""
    found: defaultdict[GroupKey, list[MonGroupName]] = defaultdict(list)
    for part, where in plan.placed.items():
        for key in part.cell.members:
            found[key].append(where)
    return {key: tuple(cells) for key, cells in found.items()}
