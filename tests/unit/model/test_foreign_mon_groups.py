from collections.abc import Iterable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.model.cells import split
from cachemon.model.foreign_mon_groups import foreign_candidates
from cachemon.model.groups import GroupKey
from cachemon.model.mon_groups import ROOT, MonGroupName, Observed
from cachemon.model.plan import Create, Move, Plan, Release, Remove, make_plan
from cachemon.model.threads import ThreadClass
from tests.unit.model.worlds import SimulatedKernel, World, make_qemu, make_ranked_group, worlds_and_kernels

THEIRS, MORE = MonGroupName(ROOT, "theirs"), MonGroupName(ROOT, "more")
FOUR = make_qemu(1, vcpus=range(4), classes=(ThreadClass.IO_THREAD,))
MAIN, VCPU_0, VCPU_1, VCPU_2, VCPU_3, IO = (thread.tid for thread in FOUR.threads)
STRANGER = 7
GROUPS = {
    "low": make_ranked_group("uid", "low", range(2)),
    "zero": make_ranked_group("uid", "zero", [0]),
    "all": make_ranked_group("uid", "all", range(4)),
    "qemu": make_ranked_group("uid", "qemu", range(4), threads=[ThreadClass.EMULATOR, ThreadClass.IO_THREAD]),
}


def plan_for(names: Iterable[str], theirs: Mapping[MonGroupName, set[int]], *, exclusive: bool = True) -> Plan:
    groups = [GROUPS[name] for name in names]
    observed = Observed({where: frozenset(tids) for where, tids in theirs.items()}, {}, 64)
    return make_plan(split(FOUR, groups), groups, observed, exclusive=theirs if exclusive else ())


def names(keys: Mapping[GroupKey, object]) -> set[str]:
    return {key.group for key in keys}


def held(plan: Plan) -> set[frozenset[int]]:
    """The content of our mon_groups."""
    return {frozenset(thread.tid for thread in part.threads) for part in plan.placed}


CASES = [
    # groups, what others' mon_groups hold, groups they are read for, groups without figure, our mon_groups
    (["low"], {THEIRS: {VCPU_0, VCPU_1}}, {"low"}, set(), set()),
    (["low"], {THEIRS: {VCPU_0}}, {"low"}, set(), {frozenset({VCPU_1})}),
    (["low"], {THEIRS: {VCPU_0}, MORE: {VCPU_1}}, {"low"}, set(), set()),
    (["low"], {THEIRS: {VCPU_0, VCPU_1, VCPU_2}}, set(), {"low"}, set()),
    (["low"], {THEIRS: {VCPU_0, VCPU_1, STRANGER}}, set(), {"low"}, set()),
    (["low"], {THEIRS: {VCPU_0, STRANGER}, MORE: {VCPU_1}}, set(), {"low"}, set()),
    (["low"], {THEIRS: {VCPU_2}}, set(), set(), {frozenset({VCPU_0, VCPU_1})}),
    (["low"], {THEIRS: {STRANGER}}, set(), set(), {frozenset({VCPU_0, VCPU_1})}),
    (["low"], {THEIRS: set()}, set(), set(), {frozenset({VCPU_0, VCPU_1})}),
    (["low", "zero"], {THEIRS: {VCPU_0, VCPU_1}}, {"low"}, {"zero"}, set()),
    (["low", "all"], {THEIRS: {VCPU_0, VCPU_1}}, {"low", "all"}, set(), {frozenset({VCPU_2, VCPU_3})}),
    (["low", "all"], {THEIRS: {VCPU_1, VCPU_2}}, {"all"}, {"low"}, {frozenset({VCPU_0, VCPU_3})}),
    (["qemu"], {THEIRS: {MAIN, VCPU_0, VCPU_1, VCPU_2, VCPU_3, IO}}, {"qemu"}, set(), set()),
    (["all"], {THEIRS: {MAIN, VCPU_0, VCPU_1, VCPU_2, VCPU_3, IO}}, set(), {"all"}, set()),
]


@pytest.mark.parametrize(("wanted", "theirs", "read", "blocked", "ours"), CASES)
def test_a_foreign_mon_group_is_read_for_the_groups_that_all_of_its_threads_belong_to(
    wanted: list[str],
    theirs: dict[MonGroupName, set[int]],
    read: set[str],
    blocked: set[str],
    ours: set[frozenset[int]],
) -> None:
    plan = plan_for(wanted, theirs)
    assert (names(plan.counted), names(plan.foreign), held(plan)) == (read, blocked, ours)


@pytest.mark.parametrize(("wanted", "theirs", "read", "blocked", "ours"), CASES)
def test_a_foreign_mon_group_that_may_count_something_else_is_read_for_no_group(
    wanted: list[str],
    theirs: dict[MonGroupName, set[int]],
    read: set[str],
    blocked: set[str],
    ours: set[frozenset[int]],
) -> None:
    plan = plan_for(wanted, theirs, exclusive=False)
    assert not plan.counted
    assert names(plan.foreign) == read | blocked
    assert held(plan) <= ours


def test_the_groups_without_a_figure_name_the_mon_group_that_counts_something_else() -> None:
    plan = plan_for(["low"], {THEIRS: {VCPU_0, STRANGER}, MORE: {VCPU_1}})
    assert plan.foreign == {GroupKey("uid", "low"): THEIRS}


def test_only_mon_groups_that_may_count_for_a_group_are_worth_a_check() -> None:
    cells = split(FOUR, [GROUPS["low"]])
    others = {MORE: frozenset({VCPU_1, VCPU_2}), MonGroupName(ROOT, "far"): frozenset({STRANGER})}
    observed = Observed({THEIRS: frozenset({VCPU_0}), **others}, {}, 64)
    assert foreign_candidates(cells, observed) == (THEIRS,)


def test_a_group_that_reads_foreign_mon_groups_alone_needs_no_rmid() -> None:
    observed = Observed({THEIRS: frozenset({VCPU_0, VCPU_1})}, {}, num_rmids=2)
    groups = [GROUPS["low"]]
    plan = make_plan(split(FOUR, groups), groups, observed, exclusive=[THEIRS])
    assert (plan.waiting, plan.actions) == ({}, ())


@given(given_=worlds_and_kernels(), all_exclusive=st.booleans())
def test_the_mon_groups_of_a_group_hold_its_threads_and_no_others(
    given_: tuple[World, SimulatedKernel], *, all_exclusive: bool
) -> None:
    world, kernel = given_
    observed = kernel.observed()
    exclusive = [
        where
        for number, where in enumerate(sorted(observed.foreign_mon_groups))
        if observed.mon_groups[where] <= world.tids and (all_exclusive or number % 2)
    ]
    plan = make_plan(world.cells, world.groups, observed, exclusive=exclusive, known_threads=world.threads)
    before = {name: set(tids) for name, tids in kernel.mon_groups.items() if not name.is_ours}
    kernel.apply(plan.actions)
    assert {name: tids for name, tids in kernel.mon_groups.items() if not name.is_ours} == before
    for action in plan.actions:
        match action:
            case Create(where) | Remove(where) | Move(where):
                assert where.is_ours
            case Release(_, threads):
                assert not {thread.tid for thread in threads} & set().union(*before.values())
    for group in world.groups:
        if group.key in plan.waiting or group.key in plan.foreign:
            assert group.key not in plan.counted
            continue
        mon_groups = [where for part, where in plan.placed.items() if group.key in part.cell.members]
        mon_groups += plan.counted.get(group.key, ())
        assert len(set(mon_groups)) == len(mon_groups)
        counted = set().union(*(kernel.mon_groups[where] for where in mon_groups))
        wanted = {t.tid for cell in world.cells if group.key in cell.members for t in cell.threads}
        assert counted & world.tids == wanted
        assert all(kernel.mon_groups[where] <= world.tids for where in plan.counted.get(group.key, ()))
