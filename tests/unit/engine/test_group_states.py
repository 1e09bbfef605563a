from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from cachemon.agent.kubevirt_terms import KUBEVIRT_TERMS
from cachemon.engine.group_states import PlanResult, RmidCount, judge, mon_groups_of_groups, threads_of_qemus
from cachemon.engine.layout import GroupLayout, GroupState, ranked_groups_of, unavailable_layout
from cachemon.model.cells import split
from cachemon.model.errors import ResctrlUnavailableError
from cachemon.model.groups import GroupKey
from cachemon.model.mon_groups import ROOT, MonGroupName, Observed
from cachemon.model.plan import make_plan
from cachemon.model.reasons import Reason
from cachemon.model.threads import Qemu, ThreadClass
from tests.unit.agent.builders import make_object, make_target
from tests.unit.model.worlds import make_qemu

GROUPS = [{"name": "low", "vcpus": "0-1"}, {"name": "all", "vcpus": "all"}]
FOUR = make_qemu(1, vcpus=range(4))
KEY = GroupKey("uid-of-vm3", "low")
COUNT = RmidCount(total=64, ours=2, others=5, budget=None)


@dataclass(frozen=True)
class Case:
    """How group `low` (vCPUs 0-1) stands next to a group of all."""

    state: GroupState
    reason: str | None
    message: str
    qemus: Sequence[Qemu] = (FOUR,)
    num_rmids: int = 64
    theirs: frozenset[int] = frozenset()
    failing: str = ""
    without_rmid: bool = False
    group: Mapping[str, object] = field(default_factory=lambda: GROUPS[0])
    mon_groups: int = 0
    uncounted: str = ""


CASES = {
    "all well": Case(GroupState.MONITORED, None, "", mon_groups=1),
    "no QEMU": Case(GroupState.WAITING, "QEMUNotFound", "no QEMU of guest tenant-a_vm3", qemus=()),
    "more QEMUs than a VMI can have": Case(
        GroupState.WAITING,
        "TooManyQEMUs",
        "look into the pod",
        qemus=[make_qemu(n, vcpus=(0, 1)) for n in range(1, 6)],
    ),
    "vCPU still missing": Case(GroupState.WAITING, "VCPUThreadMissing", "vCPU 1 ", qemus=(make_qemu(1, vcpus=(0,)),)),
    "vCPU that the VM has not": Case(
        GroupState.DEGRADED, "VCPUsNotInVM", "no vCPU 7", group={"name": "low", "vcpus": "0,7"}, mon_groups=1
    ),
    "no counter of traffic": Case(
        GroupState.DEGRADED, "NoBandwidthCounter", "no counter is left", uncounted="no counter is left", mon_groups=1
    ),
    "vCPU that the VM has not, and no counter of traffic": Case(
        GroupState.DEGRADED,
        "VCPUsNotInVM",
        "; no counter is left",
        uncounted="no counter is left",
        group={"name": "low", "vcpus": "0,7"},
        mon_groups=1,
    ),
    "threads in another's group": Case(
        GroupState.DEGRADED, "ThreadsInForeignGroup", "in /mon_groups/theirs", theirs=frozenset({101})
    ),
    "another's group holds exactly the group's threads": Case(
        GroupState.DEGRADED,
        "ThreadsInForeignGroup",
        "because other threads may have counted there too; exclude the VM's pod",
        theirs=frozenset({101, 102}),
    ),
    "another's group holds other threads": Case(
        GroupState.MONITORED, None, "", theirs=frozenset({103}), mon_groups=1
    ),
    "no RMID by our count": Case(
        GroupState.WAITING, "OutOfRMIDs", "needs 1 RMID, 0 are free; of the node's 64 RMIDs 2", num_rmids=1
    ),
    "no RMID by the kernel's": Case(
        GroupState.WAITING, "OutOfRMIDs", "no free RMID now for 1 of its 1", without_rmid=True
    ),
    "the kernel refused": Case(GroupState.DEGRADED, "ResctrlRefused", "EPERM", failing="EPERM"),
    "no such thread": Case(
        GroupState.WAITING, "NoSuchThread", "no IOThread", group={"name": "low", "threads": ["IOThread"]}
    ),
}


def stand(case: Case) -> tuple[GroupLayout, ...]:
    target = make_target(make_object(spec={"groups": [case.group, GROUPS[1]]}))
    groups = ranked_groups_of([target])
    cells = [cell for qemu in case.qemus for cell in split(qemu, groups)]
    theirs = {MonGroupName(ROOT, "theirs"): case.theirs} if case.theirs else {}
    observed = Observed(theirs, {}, case.num_rmids)
    plan = make_plan(cells, groups, observed)
    mon_groups_of = mon_groups_of_groups(plan)
    mon_groups_of_low = mon_groups_of.get(KEY, ())
    failures = dict.fromkeys(mon_groups_of_low, case.failing) if case.failing else {}
    without_rmid = frozenset(mon_groups_of_low) if case.without_rmid else frozenset[MonGroupName]()
    threads = threads_of_qemus(case.qemus)
    uncounted = {KEY: case.uncounted} if case.uncounted else {}
    result = PlanResult(plan, mon_groups_of, failures, without_rmid, COUNT, KUBEVIRT_TERMS, threads, uncounted)
    return judge(target, case.qemus, result).groups


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_group_stands_as_its_threads_and_the_kernel_allow(case: Case) -> None:
    group = stand(case)[0]
    assert (group.state, group.reason) == (case.state, case.reason)
    assert case.message in group.message
    assert len(group.mon_groups) == case.mon_groups


def test_a_group_lists_the_vcpus_that_have_threads() -> None:
    low, everything = stand(CASES["vCPU that the VM has not"])
    assert (low.vcpus, low.threads) == ((0,), 1)
    assert (everything.vcpus, everything.threads) == ((0, 1, 2, 3), 4)


def test_one_group_in_trouble_leaves_the_other_monitored() -> None:
    low, everything = stand(CASES["no such thread"])
    assert low.state is GroupState.WAITING
    assert everything.state is GroupState.MONITORED
    assert len(everything.mon_groups) == 1


def test_overlapping_groups_share_a_cell() -> None:
    low, everything = stand(CASES["all well"])
    assert set(low.mon_groups) < set(everything.mon_groups)


def test_threads_of_two_processes_in_two_pods_count_together() -> None:
    group = stand(Case(GroupState.MONITORED, None, "", qemus=(FOUR, make_qemu(2, vcpus=range(4)))))[0]
    assert (group.threads, len(group.mon_groups)) == (4, 2)


def test_threads_of_two_control_groups_are_two_mon_groups() -> None:
    target = make_target(make_object(spec={"groups": GROUPS[:1]}))
    groups = ranked_groups_of([target])
    observed = Observed({}, {"gold": frozenset({102})}, 64)
    cells = split(FOUR, groups)
    plan = make_plan(cells, groups, observed)
    result = PlanResult(
        plan, mon_groups_of_groups(plan), {}, frozenset(), COUNT, KUBEVIRT_TERMS, threads_of_qemus((FOUR,))
    )
    (group,) = judge(target, (FOUR,), result).groups
    assert {cell.control_group for cell in group.mon_groups} == {ROOT, "gold"}


def test_ranked_groups_carry_rank_and_name() -> None:
    target = make_target(make_object(spec={"groups": GROUPS, "priority": 7}))
    assert [(group.key.group, group.priority, group.created) for group in ranked_groups_of([target])] == [
        ("low", 7, "2026-11-22T08:00:00Z"),
        ("all", 7, "2026-11-22T08:00:00Z"),
    ]


def test_without_resctrl_every_group_waits_for_the_reason() -> None:
    err = ResctrlUnavailableError(Reason.RESCTRL_NOT_MOUNTED, "mount it")
    layout = unavailable_layout([make_target(make_object(spec={"groups": GROUPS}))], err)
    assert layout.node.unavailable is err
    assert not layout.mon_groups
    assert [(g.state, g.reason, g.message) for g in layout.targets[0].groups] == [
        (GroupState.WAITING, "ResctrlNotMounted", "mount it")
    ] * 2


def test_a_group_of_helper_threads_names_no_vcpus() -> None:
    qemu = make_qemu(1, vcpus=range(2), classes=(ThreadClass.IO_THREAD,))
    group = stand(
        Case(GroupState.MONITORED, None, "", qemus=(qemu,), group={"name": "low", "threads": ["IOThread"]})
    )[0]
    assert (group.vcpus, group.threads, len(group.mon_groups)) == ((), 1, 1)
