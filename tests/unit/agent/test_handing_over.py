from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from cachemon.agent.kubevirt_terms import KUBEVIRT_TERMS
from cachemon.agent.targets import BoundTarget, BoundTargetLayout, is_handing_over
from cachemon.engine.group_states import PlanResult, RmidCount, judge, mon_groups_of_groups, threads_of_qemus
from cachemon.engine.layout import ranked_groups_of
from cachemon.model.cells import split
from cachemon.model.mon_groups import Observed
from cachemon.model.plan import make_plan
from cachemon.model.threads import Qemu, ThreadClass
from tests.unit.agent.builders import make_object, make_target
from tests.unit.model.worlds import make_qemu

GROUPS = [{"name": "low", "vcpus": "0-1"}, {"name": "all", "vcpus": "all"}]
COUNT = RmidCount(total=64, ours=2, others=5, budget=None)
MIGRATING = [
    {"nodeName": "node01", "podUID": "source", "role": "Active"},
    {"nodeName": "node02", "podUID": "target", "role": "MigrationTarget"},
]
IO = (ThreadClass.IO_THREAD,)


def stands_as(target: BoundTarget, qemus: Sequence[Qemu]) -> BoundTargetLayout:
    groups = ranked_groups_of([target])
    plan = make_plan([cell for qemu in qemus for cell in split(qemu, groups)], groups, Observed({}, {}, 64))
    return judge(
        target,
        qemus,
        PlanResult(plan, mon_groups_of_groups(plan), {}, frozenset(), COUNT, KUBEVIRT_TERMS, threads_of_qemus(qemus)),
    )


@pytest.mark.parametrize(
    ("qemus", "left"),
    [
        ((make_qemu(1, vcpus=range(4), classes=IO),), False),
        ((), True),
        ((make_qemu(1, vcpus=(), classes=IO),), True),
        ((make_qemu(1, vcpus=(1, 2, 3), classes=IO),), True),
        ((make_qemu(1, vcpus=(3,), classes=IO), make_qemu(2, vcpus=range(4))), False),
        ((replace(make_qemu(1, vcpus=()), identifiable=False),), False),
    ],
    ids=["all there", "gone", "no vCPU left", "one vCPU ended", "another QEMU is whole", "names no threads"],
)
@pytest.mark.parametrize("groups", [GROUPS, [{"name": "io", "threads": ["IOThread"]}]], ids=["vCPUs", "I/O"])
def test_while_a_migration_ends_the_guest_has_left_as_soon_as_one_vcpu_thread_is_gone(
    qemus: Sequence[Qemu], groups: Sequence[Mapping[str, object]], *, left: bool
) -> None:
    for placements, handing_over in ((MIGRATING, left), (MIGRATING[:1], False)):
        target = make_target(make_object(spec={"groups": groups}, status={"placements": placements}))
        assert is_handing_over(stands_as(target, qemus)) is handing_over
