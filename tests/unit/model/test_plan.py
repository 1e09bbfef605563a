import re
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cachemon.model.cells import by_rank
from cachemon.model.groups import GroupKey
from cachemon.model.mon_groups import ROOT, MonGroupName, Observed
from cachemon.model.plan import Create, Move, Plan, Release, Remove, make_plan
from cachemon.model.rmids import Shortage
from cachemon.model.threads import Qemu, Thread, ThreadClass
from tests.unit.model.worlds import (
    SimulatedKernel,
    World,
    holders,
    make_qemu,
    make_ranked_group,
    pod_uid,
    worlds,
    worlds_and_kernels,
)

CLASSES: list[list[ThreadClass]] = [[], [ThreadClass.IO_THREAD]]


def moved(plan: Plan) -> set[int]:
    """TIDs that a plan writes anywhere."""
    return {thread.tid for action in plan.actions if isinstance(action, Move | Release) for thread in action.threads}


def assert_settled(world: World, kernel: SimulatedKernel, plan: Plan) -> None:
    """The kernel has what the plan promised: each part alone in its mon_group, and nothing else of ours."""
    for part, where in plan.placed.items():
        assert kernel.mon_groups[where] & world.tids == {thread.tid for thread in part.threads}
        assert where.control_group == part.control_group
    assert {name for name in kernel.mon_groups if name.is_ours} == set(plan.placed.values())


@given(worlds_and_kernels())
def test_a_plan_carried_out_leaves_nothing_to_do(given_: tuple[World, SimulatedKernel]) -> None:
    world, kernel = given_
    plan = world.plan(kernel)
    kernel.apply(plan.actions)
    assert_settled(world, kernel, plan)
    again = world.plan(kernel)
    assert again.actions == ()
    assert again.placed == plan.placed
    assert world.plan(kernel, held_for=holders(plan)).actions == ()


@given(worlds_and_kernels(), worlds())
def test_two_plans_in_a_row_equal_the_last(given_: tuple[World, SimulatedKernel], other: World) -> None:
    world, kernel = given_
    straight = kernel.copy()
    first = other.plan(kernel)
    kernel.apply(first.actions)
    last = world.plan(kernel, held_for=holders(first))
    kernel.apply(last.actions)
    assert_settled(world, kernel, last)
    direct = world.plan(straight)
    straight.apply(direct.actions)
    assert last.placed.keys() == direct.placed.keys()
    assert (last.waiting, last.foreign.keys()) == (direct.waiting, direct.foreign.keys())


@pytest.mark.pitfall(3)
@given(worlds_and_kernels())
def test_no_action_names_a_thread_or_group_that_is_not_ours(given_: tuple[World, SimulatedKernel]) -> None:
    world, kernel = given_
    foreign = {name: set(tids) for name, tids in kernel.mon_groups.items() if not name.is_ours}
    homes = dict(kernel.homes)
    outsiders = {tid: kernel.group_of(tid) for tid in kernel.homes if tid not in world.tids}
    plan = world.plan(kernel)
    for action in plan.actions:
        match action:
            case Create(where) | Remove(where):
                assert where.is_ours
            case Move(where, threads):
                assert where.is_ours
                assert all(homes[thread.tid] == where.control_group for thread in threads)
            case Release(control_group, threads):
                assert all(homes[thread.tid] == control_group for thread in threads)
    assert moved(plan) <= world.tids
    kernel.apply(plan.actions)
    assert {name: tids for name, tids in kernel.mon_groups.items() if not name.is_ours} == foreign
    assert kernel.homes == homes
    for tid, held_by in outsiders.items():
        assert kernel.group_of(tid) in (held_by, None)  # ours that held it may have been removed, no more


@pytest.mark.pitfall(4)
@given(worlds_and_kernels())
def test_threads_in_others_groups_are_left_and_reported(given_: tuple[World, SimulatedKernel]) -> None:
    world, kernel = given_
    plan = world.plan(kernel)
    taken = {tid for name, tids in kernel.mon_groups.items() if not name.is_ours for tid in tids}
    assert not moved(plan) & taken
    blocked = {key for cell in world.cells if cell.tids & taken for key in cell.members}
    assert plan.foreign.keys() == blocked
    assert not any(part.cell.tids & taken for part in plan.placed)


@given(worlds_and_kernels(), st.data())
def test_a_crash_after_any_action_is_repaired_by_the_next_plan(
    given_: tuple[World, SimulatedKernel], data: st.DataObject
) -> None:
    world, kernel = given_
    plan = world.plan(kernel)
    kernel.apply(plan.actions[: data.draw(st.integers(0, len(plan.actions)))])
    after_restart = world.plan(kernel)
    kernel.apply(after_restart.actions)
    assert_settled(world, kernel, after_restart)
    assert after_restart.placed.keys() == plan.placed.keys()


@given(worlds_and_kernels(), st.data())
def test_a_crash_between_two_threads_is_repaired_by_the_next_plan(
    given_: tuple[World, SimulatedKernel], data: st.DataObject
) -> None:
    world, kernel = given_
    plan = world.plan(kernel)
    moves = [number for number, action in enumerate(plan.actions) if isinstance(action, Move)]
    assume(moves)
    number = data.draw(st.sampled_from(moves))
    cut = plan.actions[number]
    assert isinstance(cut, Move)
    kernel.apply(
        [*plan.actions[:number], Move(cut.where, cut.threads[: data.draw(st.integers(0, len(cut.threads)))])]
    )
    after_restart = world.plan(kernel)
    kernel.apply(after_restart.actions)
    assert_settled(world, kernel, after_restart)


def settled(world: World, kernel: SimulatedKernel | None = None) -> tuple[SimulatedKernel, Plan]:
    kernel = kernel or SimulatedKernel()
    plan = world.plan(kernel)
    kernel.apply(plan.actions)
    return kernel, plan


@given(worlds(most_qemus=2), st.frozensets(st.integers(0, 7)), st.sampled_from(CLASSES), st.integers(0, 1))
def test_adding_a_group_moves_no_thread_whose_cell_stays(
    world: World, vcpus: frozenset[int], classes: list[ThreadClass], remembered: int
) -> None:
    kernel, plan = settled(world)
    more = make_ranked_group("new", "new", vcpus, threads=classes)
    pid = world.qemus[0].pid
    bigger = World(world.qemus, {**world.ranked_groups_of, pid: (*world.ranked_groups_of[pid], more)})
    after = bigger.plan(kernel, held_for=holders(plan) if remembered else None)
    before = {thread: cell.threads for cell in world.cells for thread in cell.threads}
    stays = {thread.tid for cell in bigger.cells for thread in cell.threads if before.get(thread) == cell.threads}
    assert not moved(after) & stays
    kernel.apply(after.actions)
    assert_settled(bigger, kernel, after)


@given(worlds(most_qemus=2), st.data())
def test_removing_a_group_moves_no_thread_whose_cell_stays(world: World, data: st.DataObject) -> None:
    assume(world.groups)
    kernel, plan = settled(world)
    gone = data.draw(st.sampled_from(world.groups))
    ranked_groups_of = {
        pid: tuple(w for w in groups if w is not gone) for pid, groups in world.ranked_groups_of.items()
    }
    smaller = World(world.qemus, ranked_groups_of)
    after = smaller.plan(kernel, held_for=holders(plan))
    before = {thread: cell.threads for cell in world.cells for thread in cell.threads}
    stays = {thread.tid for cell in smaller.cells for thread in cell.threads if before.get(thread) == cell.threads}
    assert not moved(after) & stays


@given(worlds(most_qemus=2), st.integers(1, 4))
def test_a_plugged_vcpu_moves_nobody_else_though_it_inherits_the_group_of_its_maker(
    world: World, plugged: int
) -> None:
    kernel, plan = settled(world)
    qemu = world.qemus[0]
    first = 1 + max((t.vcpu for t in qemu.threads if t.vcpu is not None), default=-1)
    new = [Thread(qemu.pid + 50 + n, 9000 + n, ThreadClass.VCPU, first + n) for n in range(plugged)]
    inherited = kernel.group_of(qemu.pid)
    for thread in new:
        if inherited:
            kernel.move(inherited, thread.tid)
    grown = Qemu(qemu.pid, qemu.start_time, qemu.owner_uid, qemu.guest_name, (*qemu.threads, *new), identifiable=True)
    after_world = World((grown, *world.qemus[1:]), world.ranked_groups_of)
    after = after_world.plan(kernel, held_for=holders(plan))
    assert moved(after) <= {thread.tid for thread in new}
    kernel.apply(after.actions)
    assert_settled(after_world, kernel, after)


@pytest.mark.pitfall(13)
def test_vcpus_plugged_two_at_a_time_do_not_take_the_group_of_the_main_thread() -> None:
    groups = (
        make_ranked_group("o", "io", None, threads=[ThreadClass.EMULATOR]),
        make_ranked_group("o", "all", range(4)),
    )
    kernel, plan = settled(World((make_qemu(1, vcpus=(0,)),), {100: groups}))
    of_main, of_vcpu = kernel.group_of(100), kernel.group_of(101)
    assert of_main
    kernel.move(of_main, 102)
    kernel.move(of_main, 103)
    grown = World((make_qemu(1, vcpus=(0, 1, 2)),), {100: groups})
    kernel.apply(grown.plan(kernel, held_for=holders(plan)).actions)
    assert kernel.group_of(100) == of_main
    assert [kernel.group_of(tid) for tid in (101, 102, 103)] == [of_vcpu] * 3


@given(worlds())
def test_after_a_restart_every_group_is_adopted_as_it_is(world: World) -> None:
    kernel, plan = settled(world)
    adopted = world.plan(kernel)
    assert adopted.actions == ()
    assert adopted.placed == plan.placed


def test_groups_are_adopted_by_their_threads_whatever_they_are_called() -> None:
    world = World((make_qemu(1, vcpus=range(2)),), {100: (make_ranked_group("o", "g", (0, 1)),)})
    kernel = SimulatedKernel(mon_groups={MonGroupName(ROOT, "cachemon-of-an-older-version"): {101, 102}})
    plan = world.plan(kernel)
    assert plan.actions == ()
    assert set(plan.placed.values()) == {MonGroupName(ROOT, "cachemon-of-an-older-version")}


@pytest.mark.pitfall(7)
def test_orphans_are_removed_also_under_control_groups_and_others_are_not() -> None:
    world = World((), {})
    ours = [MonGroupName(ROOT, "cachemon-a-0"), MonGroupName("gold", "cachemon-b-0")]
    theirs = [MonGroupName(ROOT, "libvirt"), MonGroupName("gold", "pod_7")]
    kernel = SimulatedKernel(
        mon_groups={name: {5} if name is ours[0] else set() for name in ours + theirs}, control_groups={"gold"}
    )
    plan = world.plan(kernel)
    assert sorted(plan.actions, key=str) == sorted((Remove(name) for name in ours), key=str)


def test_threads_in_several_control_groups_get_a_mon_group_under_each() -> None:
    world = World((make_qemu(1, vcpus=range(3)),), {100: (make_ranked_group("o", "g", range(3)),)})
    kernel = SimulatedKernel(control_groups={"gold"}, homes={102: "gold"})
    kernel, plan = settled(world, kernel)
    assert_settled(world, kernel, plan)
    assert {where.control_group for where in plan.placed.values()} == {ROOT, "gold"}


@pytest.mark.pitfall(5)
def test_a_thread_whose_control_group_changed_is_followed() -> None:
    world = World((make_qemu(1, vcpus=range(2)),), {100: (make_ranked_group("o", "g", range(2)),)})
    kernel, plan = settled(world, SimulatedKernel(control_groups={"gold"}))
    for tid in (101, 102):
        kernel.leave(tid)
        kernel.homes[tid] = "gold"
    after = world.plan(kernel, held_for=holders(plan))
    kernel.apply(after.actions)
    assert_settled(world, kernel, after)
    assert [where.control_group for where in after.placed.values()] == ["gold"]


def test_a_thread_that_changed_its_control_group_while_it_was_observed_gets_no_mon_group_of_the_old_one() -> None:
    world = World((make_qemu(1, vcpus=(0,)),), {100: (make_ranked_group("o", "g", (0,)),)})
    kernel = SimulatedKernel(
        mon_groups={MonGroupName(ROOT, "cachemon-a"): {101}}, control_groups={"gold"}, homes={101: "gold"}
    )
    assert [where.control_group for where in world.plan(kernel).placed.values()] == ["gold"]


def test_a_helper_that_inherited_a_group_is_released() -> None:
    world = World((make_qemu(1, vcpus=(0,)),), {100: (make_ranked_group("o", "g", (0,)),)})
    kernel, plan = settled(world)
    where = kernel.group_of(101)
    assert where
    kernel.move(where, 100)
    after = world.plan(kernel, held_for=holders(plan))
    assert [(action.control_group, [t.tid for t in action.threads]) for action in after.actions] == [(ROOT, [100])]  # type: ignore[union-attr]
    kernel.move(where, 4711)  # a thread of somebody else: not ours to write
    assert 4711 not in moved(world.plan(kernel, held_for=holders(plan)))


@given(worlds(), st.integers(1, 14), st.one_of(st.none(), st.integers(0, 14)))
def test_rmids_go_to_whole_groups_by_rank_and_the_limit_holds(
    world: World, num_rmids: int, budget: int | None
) -> None:
    kernel = SimulatedKernel(num_rmids, mon_groups={MonGroupName(ROOT, "theirs"): set()})
    limit = max(0, num_rmids - 2) if budget is None else min(max(0, num_rmids - 2), budget)
    plan = world.plan(kernel, budget=budget)
    assert len(plan.placed) <= limit
    kernel.apply(plan.actions)
    assert_settled(world, kernel, plan)
    admitted: set[GroupKey] = set()
    for group in by_rank(world.groups):
        if mon_groups_needed(world, admitted | {group.key}) <= limit:
            admitted.add(group.key)
    assert plan.waiting.keys() == {group.key for group in world.groups} - admitted
    assert len(plan.placed) == mon_groups_needed(world, admitted)


def mon_groups_needed(world: World, admitted: set[GroupKey]) -> int:
    """Counted thread by thread: distinct memberships among the admitted groups, of each QEMU."""
    return len(
        {
            (qemu.pid, frozenset(members))
            for qemu in world.qemus
            for thread in qemu.threads
            if (
                members := frozenset(
                    group.key
                    for group in world.ranked_groups_of[qemu.pid]
                    if group.key in admitted and group.group.wants(thread)
                )
            )
        }
    )


def test_a_group_that_waits_for_rmids_costs_a_better_one_nothing() -> None:
    better = make_ranked_group("better", "g", range(4), priority=5)
    worse = make_ranked_group("worse", "g", (0, 1))
    world = World((make_qemu(1, vcpus=range(4)),), {100: (better, worse)})
    plan = world.plan(SimulatedKernel(num_rmids=2))
    assert plan.waiting == {worse.key: Shortage(1, 0, None)}
    (part,) = plan.placed
    assert part.cell.members == {better.key}
    assert len(part.threads) == 4


def test_every_mon_group_of_others_that_holds_threads_of_a_group_is_named() -> None:
    both, one = make_ranked_group("both", "g", (0, 1)), make_ranked_group("one", "g", (1,))
    world = World((make_qemu(1, vcpus=range(3)),), {100: (both, one)})
    tids = {thread.vcpu: thread.tid for thread in world.threads}
    first, second = MonGroupName(ROOT, "first"), MonGroupName(ROOT, "second")
    plan = world.plan(SimulatedKernel(mon_groups={first: {tids[0]}, second: {tids[1]}}))
    assert plan.foreign == {both.key: (first, second), one.key: (second,)}


def test_what_the_best_group_needs_comes_first() -> None:
    best = make_ranked_group("best", "g", (0, 1), priority=5)
    middle, worst = make_ranked_group("middle", "g", (3,), priority=3), make_ranked_group("worst", "g", (1, 2))
    world = World((make_qemu(1, vcpus=range(4)),), {100: (worst, middle, best)})
    placed = [part.cell.members for part in world.plan(SimulatedKernel()).placed]
    assert placed == [{best.key}, {best.key, worst.key}, {middle.key}, {worst.key}]


def test_threads_that_an_unreadable_mon_group_of_others_may_hold_stay_where_they_are() -> None:
    sure, unsure = make_ranked_group("sure", "g", (1,)), make_ranked_group("unsure", "g", (0, 1))
    world = World((make_qemu(1, vcpus=range(2)),), {100: (sure, unsure)})
    theirs, ours = MonGroupName(ROOT, "theirs"), MonGroupName(ROOT, "cachemon-old")
    kernel = SimulatedKernel(mon_groups={theirs: set(), ours: set()})
    (first,) = (thread.tid for thread in world.threads if thread.vcpu == 0)
    observed = replace(kernel.observed(), unreadable=frozenset({theirs, ours}), unsure=frozenset({first}))
    plan = make_plan(world.cells, world.groups, observed, known_threads=world.threads, held_for={}, budget=None)
    assert plan.unsure == {unsure.key: (theirs,)}
    assert first not in moved(plan)
    assert [part.cell.members for part in plan.placed] == [{sure.key}]


@given(worlds_and_kernels(), st.data())
def test_own_groups_make_room_before_others_are_made_where_there_is_no_more(
    given_: tuple[World, SimulatedKernel], data: st.DataObject
) -> None:
    world, kernel = given_
    ours = sum(name.is_ours for name in kernel.mon_groups)
    kernel.num_rmids = 1 + len(kernel.control_groups) + len(kernel.mon_groups) + data.draw(st.integers(0, 3))
    budget = data.draw(st.one_of(st.none(), st.integers(0, 6)))
    homes = sorted({ROOT, *kernel.control_groups})
    kernel.rooms = data.draw(st.dictionaries(st.sampled_from(homes), st.integers(0, 4)))
    plan = world.plan(kernel, budget=budget, rooms=kernel.rooms)
    kernel.apply(plan.actions)
    assert_settled(world, kernel, plan)
    if budget is not None:
        assert kernel.most <= max(ours, budget)
    assert world.plan(kernel, budget=budget, rooms=kernel.rooms).actions == ()


@given(worlds_and_kernels())
def test_where_there_are_enough_rmids_groups_are_removed_last(given_: tuple[World, SimulatedKernel]) -> None:
    world, kernel = given_
    kinds = [isinstance(action, Remove) for action in world.plan(kernel).actions]
    assert kinds == sorted(kinds)


def test_the_emptiest_group_makes_room_and_the_threads_of_the_next_stay_where_they_are_until_then() -> None:
    new, old = make_ranked_group("new", "g", (0,)), MonGroupName(ROOT, "cachemon-old")
    world = World((make_qemu(1, vcpus=(0,)),), {100: (new,)})
    empty = MonGroupName(ROOT, "cachemon-zz-empty")
    kernel = SimulatedKernel(num_rmids=3, mon_groups={old: {4711}, empty: set()})
    plan = world.plan(kernel)
    (where,) = plan.placed.values()
    assert [type(action).__name__ for action in plan.actions] == ["Remove", "Create", "Move", "Remove"]
    assert plan.actions[0] == Remove(empty)
    assert plan.actions[1] == Create(where)


@pytest.mark.pitfall(1)
def test_a_namespace_full_of_old_groups_leaves_a_new_ones_first_group_its_rmid() -> None:
    greedy = {q * 100: (make_ranked_group(f"greedy{q}", "g", (0,), namespace="greedy"),) for q in range(1, 6)}
    modest = make_ranked_group("modest", "g", (0,), namespace="modest", created="2026-06-01T00:00:00Z")
    qemus = tuple(make_qemu(number, vcpus=(0,)) for number in range(1, 7))
    kernel = SimulatedKernel(num_rmids=4)  # three of them for groups
    before = World(qemus[:5], greedy).plan(kernel)
    assert {key.object_uid for key in before.waiting} == {"greedy4", "greedy5"}
    kernel.apply(before.actions)
    world = World(qemus, {**greedy, 600: (modest,)})
    plan = world.plan(kernel, held_for=holders(before))
    assert {key.object_uid for key in plan.waiting} == {"greedy3", "greedy4", "greedy5"}
    kernel.apply(plan.actions)
    assert world.plan(kernel, held_for=holders(plan)).actions == (), "it stays so"


def test_a_control_group_without_room_keeps_its_groups_waiting_and_no_others() -> None:
    both, gold = make_ranked_group("both", "g", (0, 1), priority=5), make_ranked_group("gold", "g", (1,))
    root = make_ranked_group("root", "g", (2,))
    world = World((make_qemu(1, vcpus=range(3)),), {100: (both, gold, root)})
    kernel = SimulatedKernel(control_groups={"gold"}, homes={102: "gold"})
    plan = world.plan(kernel, rooms={"gold": 0})
    assert plan.waiting == {both.key: Shortage(1, 0, "gold"), gold.key: Shortage(1, 0, "gold")}
    assert [part.cell.members for part in plan.placed] == [{root.key}]


def test_mkdirs_come_in_order_of_rank() -> None:
    late = make_ranked_group("late", "g", (0,), created="2026-03-01T00:00:00Z")
    early = make_ranked_group("early", "g", (1,), created="2026-01-01T00:00:00Z")
    important = make_ranked_group("important", "g", (2,), priority=9, created="2026-05-01T00:00:00Z")
    world = World((make_qemu(1, vcpus=range(3)),), {100: (late, early, important)})
    placed = world.plan(SimulatedKernel()).placed
    assert [next(iter(part.cell.members)).object_uid for part in placed] == ["important", "early", "late"]


@pytest.mark.pitfall(9)
@pytest.mark.pitfall(8)
@given(worlds())
def test_names_carry_the_pod_and_collide_with_nobodys(world: World) -> None:
    _, plan = settled(world)
    names = list(plan.placed.values())
    assert len(set(names)) == len(names)
    for part, where in plan.placed.items():
        assert where.name.startswith(f"cachemon-{part.cell.owner_uid}-")
        assert len(where.name) < 64


OTHERS_NAMES = (
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",  # nri-resctrl-mon removes such, every 30 s
    "pod_.*",  # unvariance, at its start
    "pqos-.*",  # libpqos
    "cadvisor.*",
    "koordlet-.*",
    "dra-.*",
    "container-.*",
    "pcm[0-9]+",
    "(vcpus|emulator|iothread)_.*|qemu-.*",  # libvirt
)


@pytest.mark.pitfall(3)
@given(worlds())
def test_no_name_is_one_that_another_program_takes_for_its_own(world: World) -> None:
    _, plan = settled(world)
    for where in plan.placed.values():
        assert where.is_ours
        assert not any(re.fullmatch(pattern, where.name) for pattern in OTHERS_NAMES)


def test_a_new_name_avoids_every_name_there_is() -> None:
    world = World((make_qemu(1, vcpus=(0,)),), {100: (make_ranked_group("o", "g", (0,)),)})
    kernel = SimulatedKernel(mon_groups={MonGroupName(ROOT, f"cachemon-{pod_uid(1)}-0"): {4711}})
    assert list(world.plan(kernel).placed.values()) == [MonGroupName(ROOT, f"cachemon-{pod_uid(1)}-1")]


@pytest.mark.pitfall(3)
def test_only_names_with_our_prefix_are_ours() -> None:
    observed = Observed(
        {MonGroupName(ROOT, "cachemon-a"): frozenset(), MonGroupName(ROOT, "cachemonitor"): frozenset()}, {}, 10
    )
    assert observed.foreign_mon_groups == (MonGroupName(ROOT, "cachemonitor"),)
    assert not MonGroupName("cachemon-a", "").is_ours


def test_every_control_group_and_every_foreign_mon_group_costs_an_rmid() -> None:
    nobody: frozenset[int] = frozenset()
    mon_groups = {MonGroupName(ROOT, "x"): nobody, MonGroupName("c", "cachemon-1"): nobody}
    observed = Observed(mon_groups, {"c": nobody}, 10)
    assert observed.rmids_for_us(None) == 7
    assert observed.rmids_for_us(3) == 3
    assert Observed({}, {}, 1).rmids_for_us(None) == 0


def test_a_waiting_group_is_named_by_object_and_group() -> None:
    groups = (make_ranked_group("o", "a", (0,)), make_ranked_group("o", "b", (1,)))
    world = World((make_qemu(1, vcpus=range(2)),), {100: groups})
    assert world.plan(SimulatedKernel(num_rmids=2)).waiting == {GroupKey("o", "b"): Shortage(1, 0, None)}
