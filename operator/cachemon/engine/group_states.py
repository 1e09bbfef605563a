"""The state of each group of an object after a plan was carried out. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from cachemon.engine.layout import GroupLayout, GroupState, Target, TargetLayout, W, Wanted
from cachemon.engine.message_terms import MessageTerms
from cachemon.model.groups import ALL_VCPUS, GroupKey, MonitoringGroup
from cachemon.model.missing_threads import QemuThreads, shortfall
from cachemon.model.mon_groups import MonGroupName
from cachemon.model.plan import Plan
from cachemon.model.reasons import Reason
from cachemon.model.threads import MOST_QEMUS, Obstacle, Qemu, each_once

_MOST_NAMED = 4


class RmidCount(NamedTuple):
    """Who has the machine's RMIDs, and how many we may take (None: all)."""

    total: int
    ours: int
    others: int
    budget: int | None

    def message(self, terms: MessageTerms) -> str:
        """For people."""
        allowed = "" if self.budget is None else f", and the agent may take {self.budget} (--rmid-budget)"
        whose = f"{self.ours} are cachemon's and {self.others} are others'"
        return f"of the {terms.machine}'s {self.total} RMIDs {whose}{allowed}"


@dataclass(frozen=True, slots=True)
class PlanResult:
    """A plan and its result.

    Attributes:
        plan: the plan.
        mon_groups: see `mon_groups_of_groups`.
        failures: a message for each mon_group that failed.
        without_rmid: mon_groups that no RMID was free for.
        rmids: who has them.
        terms: for messages.
        threads: the threads of every QEMU, by its PID.
        uncounted: a message for each group whose traffic has no counter.
        obstacles: by owner why the scan may have missed its QEMU.
    """

    plan: Plan
    mon_groups: Mapping[GroupKey, tuple[MonGroupName, ...]]
    failures: Mapping[MonGroupName, str]
    without_rmid: frozenset[MonGroupName]
    rmids: RmidCount
    terms: MessageTerms
    threads: Mapping[int, QemuThreads]
    uncounted: Mapping[GroupKey, str] = field(default_factory=dict)
    obstacles: Mapping[str, Obstacle] = field(default_factory=dict)


def judge(target: Target[W], qemus: Sequence[Qemu], result: PlanResult) -> TargetLayout[W]:
    """The state of each group of an object after a plan was carried out.

    Args:
        target: the object.
        qemus: its processes on this machine.
        result: the plan for all objects of the machine, and its result.
    """
    return TargetLayout(
        target,
        tuple(_judge_group(target, group, qemus, result) for group in target.object.groups),
        qemus=tuple(qemus),
        has_all_vcpus=any(_has_all_vcpus(result.threads[qemu.pid], target.object.vcpu_count) for qemu in qemus),
    )


def threads_of_qemus(qemus: Iterable[Qemu]) -> Mapping[int, QemuThreads]:
    """The threads of each QEMU by its PID, counted once for all groups."""
    return {qemu.pid: QemuThreads.of(qemu) for qemu in each_once(qemus)}


def _has_all_vcpus(threads: QemuThreads, vcpu_count: int) -> bool:
    gap = shortfall(ALL_VCPUS, threads, vcpu_count)
    return gap is None or gap.reason == Reason.THREADS_NOT_IDENTIFIABLE


def _judge_group(
    target: Target[Wanted], group: MonitoringGroup, qemus: Sequence[Qemu], result: PlanResult
) -> GroupLayout:
    key = GroupKey(target.object.uid, group.name)
    of_qemus = [result.threads[qemu.pid] for qemu in qemus]
    threads = sum(each.count_of(group) for each in of_qemus)
    vcpus = _united([each.vcpus_of(group) for each in of_qemus])

    def in_state(
        state: GroupState, reason: Reason | None, message: str, mon_groups: tuple[MonGroupName, ...] = ()
    ) -> GroupLayout:
        return GroupLayout(group, state, reason, message, vcpus, threads, mon_groups)

    if not qemus:
        return in_state(GroupState.WAITING, *_no_qemu(target, result))
    if len(qemus) > MOST_QEMUS:
        return in_state(
            GroupState.WAITING,
            Reason.TOO_MANY_QEMUS,
            f"more than {MOST_QEMUS} processes that belong to it call themselves QEMU of guest "
            f"{target.object.guest_name}; it is unknown which one runs it: {result.terms.too_many_qemus}",
        )
    gaps = [gap for each in of_qemus if (gap := shortfall(group, each, target.object.vcpu_count))]
    if waiting := next((gap for gap in gaps if gap.waiting), None):
        return in_state(GroupState.WAITING, waiting.reason, waiting.message)
    if held := _held_by_others(key, result.plan, result.terms):
        return replace(in_state(GroupState.DEGRADED, *held), held_in=result.plan.foreign.get(key, ()))
    mon_groups = result.mon_groups.get(key, ())
    if lack := _lack_of_rmids(key, mon_groups, result):
        return in_state(GroupState.WAITING, Reason.OUT_OF_RMIDS, lack)
    if problem := next((result.failures[name] for name in mon_groups if name in result.failures), None):
        return in_state(GroupState.DEGRADED, Reason.RESCTRL_REFUSED, problem)
    uncounted = result.uncounted.get(key, "")
    if gaps:
        message = "; ".join(filter(None, (gaps[0].message, uncounted)))
        return in_state(GroupState.DEGRADED, gaps[0].reason, message, mon_groups)
    if uncounted:
        return in_state(GroupState.DEGRADED, Reason.NO_BANDWIDTH_COUNTER, uncounted, mon_groups)
    return in_state(GroupState.MONITORED, None, "", mon_groups)


def _united(each: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    return each[0] if len(each) == 1 else tuple(sorted(set().union(*each)))


def _lack_of_rmids(key: GroupKey, mon_groups: Sequence[MonGroupName], result: PlanResult) -> str:
    """The numbers of a group that waits for RMIDs; empty when it has them."""
    terms = result.terms
    count = result.rmids.message(terms)
    if shortage := result.plan.waiting.get(key):
        place = "" if shortage.control_group is None else f" in control group {shortage.control_group or 'default'}"
        return (
            f"needs {shortage.needs} {'RMID' if shortage.needs == 1 else 'RMIDs'}{place}, "
            f"{max(0, shortage.free)} {'is' if shortage.free == 1 else 'are'} free; {count}; {terms.shortage_advice}"
        )
    refused = result.without_rmid.intersection(mon_groups)
    if refused:
        return (
            f"the kernel has no free RMID now for {len(refused)} of its {len(mon_groups)} mon_groups; {count}, "
            "freed ones come back when their cache lines have gone; it is tried again"
        )
    return ""


def _held_by_others(key: GroupKey, plan: Plan, terms: MessageTerms) -> Obstacle | None:
    if foreign := plan.foreign.get(key):
        return Obstacle(
            Reason.THREADS_IN_FOREIGN_GROUP,
            f"another program holds threads of this group in {_named(foreign)}; cachemon leaves them there "
            f"and can't measure the group, because other threads may have counted there too; {terms.foreign_advice}",
        )
    if suspects := plan.unsure.get(key):
        return Obstacle(
            Reason.FOREIGN_GROUP_UNREADABLE,
            f"groups of another program can't be read and may hold threads of this one: {_named(suspects)}; no "
            "thread is taken from them; make their tasks files readable, or remove them",
        )
    return None


def _named(names: Sequence[MonGroupName]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(where.path for where in names[:_MOST_NAMED]) + more


def _no_qemu(target: Target[Wanted], result: PlanResult) -> Obstacle:
    terms = result.terms
    where = f"{terms.search} {', '.join(target.owner_uids) or terms.no_owner}"
    message = f"no QEMU of guest {target.object.guest_name} on this {terms.machine} ({where})"
    for uid in target.owner_uids:
        if obstacle := result.obstacles.get(uid):
            return Obstacle(obstacle.reason, f"{message}: {obstacle.message}")
    return Obstacle(Reason.QEMU_NOT_FOUND, message)


def mon_groups_of_groups(plan: Plan) -> Mapping[GroupKey, tuple[MonGroupName, ...]]:
    """The mon_groups whose sum is a group's figure, for every group that was admitted."""
    found: defaultdict[GroupKey, list[MonGroupName]] = defaultdict(list)
    for part, where in plan.placed.items():
        for key in part.cell.members:
            found[key].append(where)
    return {key: tuple(mon_groups) for key, mon_groups in found.items()}
