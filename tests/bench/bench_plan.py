"""Deciding what to do: when nothing has changed, and as VMs become more."""

from collections.abc import Iterator

from cachemon.model.plan import Plan
from tests.bench.measure import Bench, Figure, seconds_of
from tests.unit.model.worlds import SimulatedKernel, World, holders, make_qemu, make_ranked_group

VMS = 100
VCPUS = 8
GROUPS = (("all", range(VCPUS)), ("low", range(4)), ("even", range(0, VCPUS, 2)), ("first", range(1)))


class Node:
    """VMs with four overlapping groups each, before and after their first plan."""

    def __init__(self, vms: int) -> None:
        qemus = tuple(make_qemu(number, range(VCPUS)) for number in range(1, vms + 1))
        groups = {q.pid: tuple(make_ranked_group(f"o{q.pid}", name, vcpus) for name, vcpus in GROUPS) for q in qemus}
        self.world = World(qemus, groups)
        self.empty = SimulatedKernel(num_rmids=10_000)
        first = self.world.plan(self.empty)
        self.settled = self.empty.copy()
        self.settled.apply(first.actions)
        self.held_for = holders(first)

    def plan_from_scratch(self) -> Plan:
        return self.world.plan(self.empty)

    def plan_again(self) -> Plan:
        return self.world.plan(self.settled, held_for=self.held_for)


def run(divisor: int) -> Iterator[Figure]:
    """Plan for VMS VMs with 4 groups each, and for a tenth of them."""
    many, few = Node(max(10, VMS // divisor)), Node(max(1, VMS // divisor // 10))
    rounds = max(2, 9 // divisor)
    again, scratch, small = seconds_of(many.plan_again, many.plan_from_scratch, few.plan_again, rounds=rounds)
    yield Figure("plan.unchanged_vs_scratch", again / scratch, "ratio")
    yield Figure("plan.ten_times_the_vms", again / small, "ratio")


BENCH = Bench(
    "plan",
    "time of one plan for 100 VMs x 4 overlapping groups with nothing to do: / the same VMs without any mon_group; "
    "/ a tenth of the VMs (10 is linear)",
    run,
)
