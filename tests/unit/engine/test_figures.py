from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.agent.targets import BoundLayout
from cachemon.engine.figures import OCCUPANCY, TOTAL_TRAFFIC, BlockFigure, Figures, ShareFigure, Traffic
from cachemon.engine.layout import GroupState, NodeFacts
from cachemon.engine.rates import Accumulator
from cachemon.engine.reading_plan import compile_plan
from cachemon.model.counter_totals import Gap
from cachemon.model.groups import GroupKey
from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.model.readings import BlockShare, Missing, Reading
from cachemon.resctrl.mon_data import Sweep
from tests.unit.agent.builders import BLOCKS, FACTS, make_group, make_layout, make_object, make_target, mon_group

ROOT_GROUP = MonGroupName(ROOT, "")
OF_GROUPS = {"a": [0, 1], "b": [1, 2], "c": [3]}
A = GroupKey("uid-of-vm3", "a")


def layout_of(groups: Mapping[str, list[int]], node: NodeFacts = FACTS) -> BoundLayout:
    target = make_target(make_object())
    return make_layout(
        (target, [make_group(name, [mon_group(n) for n in mon_groups]) for name, mon_groups in groups.items()]),
        node=node,
    )


@dataclass
class Machine:
    """Samples of an accumulator, one second apart."""

    accumulator: Accumulator
    now: float = 0.0

    def sample(
        self,
        layout: BoundLayout,
        values: Mapping[int, Reading],
        *,
        root: Reading = 10**9,
        inodes: Mapping[int, int] | None = None,
        traffic: Mapping[int, Reading] | None = None,
    ) -> Figures:
        """Read the same value from every block and event, but for traffic that is named."""
        self.now += 1
        plan = compile_plan(layout)
        mon_groups = {mon_group(n): n for n in values}
        identities, readings = [], []
        for where, events in plan.directories.items():
            n = mon_groups.get(where)
            identities.append(1 if where == ROOT_GROUP else 0 if n is None else (inodes or {}).get(n, 50 + n))
            for event in events * len(plan.blocks):
                value = Missing.OFFLINE if n is None else values[n]
                moved = value if n is None else (traffic or {}).get(n, value)
                readings.append(root if where == ROOT_GROUP else value if event == OCCUPANCY else moved)
        missing = frozenset(reading for reading in readings if isinstance(reading, Missing))
        sweep = Sweep(identities, readings, missing, self.now)
        return self.accumulator.digest(plan, sweep, wall_time=1.8e9 + self.now)


def machine() -> Machine:
    return Machine(Accumulator(window_seconds=10))


READINGS = st.one_of(st.integers(0, 2**64 - 1), st.integers(0, 1000), st.sampled_from(Missing))


@given(st.fixed_dictionaries(dict.fromkeys(range(4), READINGS)))
def test_a_groups_occupancy_is_the_sum_of_its_cells_or_no_number(values: dict[int, Reading]) -> None:
    figures = machine().sample(layout_of(OF_GROUPS), values)
    for name, mon_groups in OF_GROUPS.items():
        parts = [values[n] for n in mon_groups]
        for figure in figures.groups[GroupKey("uid-of-vm3", name)]:
            if any(isinstance(part, Missing) for part in parts):
                assert isinstance(figure.occupancy, Missing)
            else:
                assert figure.occupancy == sum(int(part) for part in parts)


@given(st.fixed_dictionaries(dict.fromkeys(range(4), READINGS)))
def test_an_objects_occupancy_counts_each_cell_once(values: dict[int, Reading]) -> None:
    occupancy = machine().sample(layout_of(OF_GROUPS), values).objects["uid-of-vm3"]
    if any(isinstance(value, Missing) for value in values.values()):
        assert all(isinstance(reading, Missing) for reading in occupancy.values())
    else:
        assert set(occupancy.values()) == {sum(int(value) for value in values.values())}


@given(st.lists(st.fixed_dictionaries(dict.fromkeys(range(4), READINGS)), min_size=1, max_size=12), st.data())
def test_totals_never_fall_whatever_is_read_and_however_groups_change(
    samples: list[dict[int, Reading]], data: st.DataObject
) -> None:
    steady = machine()
    before: dict[Any, int] = {}
    for values in samples:
        groups = data.draw(st.sampled_from([OF_GROUPS, {"a": [0], "b": [1, 2]}, {"a": [0, 1, 2, 3], "b": [1]}]))
        figures = steady.sample(layout_of(groups), values)
        totals = {
            (key, figure.block.id, event): traffic
            for key, blocks in figures.groups.items()
            for figure in blocks
            for event, traffic in figure.traffic.items()
        }
        for key, traffic in totals.items():
            assert traffic.total_bytes >= before.get(key, 0)
            assert traffic.bytes_per_second is None or traffic.bytes_per_second >= 0
        before |= {key: traffic.total_bytes for key, traffic in totals.items() if key[0].group in ("a", "b")}


def test_totals_are_those_of_the_events_that_have_a_counter() -> None:
    traffic = {"counted": Traffic(5, None), "uncounted": Traffic(7, None)}
    of_block = BlockFigure(BLOCKS[0], None, traffic, uncounted={"uncounted"})
    of_share = ShareFigure(BlockShare(0, 1), None, traffic, uncounted={"uncounted"})
    assert [*of_block.totals] == [*of_share.totals] == [("counted", 5)]


def test_an_occupancy_that_is_missing_is_lacked_by_the_groups_of_its_mon_group_alone() -> None:
    steady, numbers = machine(), dict.fromkeys(range(4), 1000)
    for _ in range(3):
        figures = steady.sample(layout_of(OF_GROUPS), numbers)
    assert figures.lacking == frozenset()
    figures = steady.sample(layout_of(OF_GROUPS), {**numbers, 1: Missing.UNAVAILABLE}, traffic={1: 1000})
    assert figures.lacking == {GroupKey("uid-of-vm3", name) for name in ("a", "b")}


def gaps_of(steady: Machine) -> Mapping[Gap, int]:
    return {gap: number for gap, number in steady.accumulator.gaps.items() if number}


def total_of(figures: Figures, key: GroupKey = A) -> tuple[int, int | None]:
    return figures.groups[key][0].traffic[TOTAL_TRAFFIC]


def test_traffic_is_the_sum_of_the_cells_differences_and_rates_follow() -> None:
    steady, layout = machine(), layout_of({"a": [0, 1]})
    assert total_of(steady.sample(layout, {0: 1000, 1: 50})) == (0, None)
    assert total_of(steady.sample(layout, {0: 1600, 1: 150})) == (700, 700)
    figures = steady.sample(layout, {0: 1600, 1: 450})
    assert total_of(figures) == (1000, 500)
    assert figures.rates == {"uid-of-vm3": 1000}  # through both blocks
    assert gaps_of(steady) == {}


def test_a_cell_that_restarts_is_a_gap_and_the_rest_still_counts() -> None:
    steady, layout = machine(), layout_of({"a": [0, 1]})
    steady.sample(layout, {0: 1000, 1: 50})
    assert total_of(steady.sample(layout, {0: 1100, 1: 10})) == (100, None)
    assert total_of(steady.sample(layout, {0: 1100, 1: 30})) == (120, 20)
    assert gaps_of(steady) == {Gap.RESTARTED: len(BLOCKS) * 2}  # two counters in each block


def test_a_directory_made_anew_is_a_gap_though_its_counter_is_higher() -> None:
    steady, layout = machine(), layout_of({"a": [0]})
    steady.sample(layout, {0: 1000})
    assert total_of(steady.sample(layout, {0: 5000}, inodes={0: 999})) == (0, None)


def test_a_reading_without_a_number_ends_the_rate_until_two_more() -> None:
    steady, layout = machine(), layout_of({"a": [0]})
    steady.sample(layout, {0: 1000})
    steady.sample(layout, {0: 1500})
    assert total_of(steady.sample(layout, {0: Missing.UNAVAILABLE})) == (500, None)
    assert total_of(steady.sample(layout, {0: 9000})) == (500, None)
    assert total_of(steady.sample(layout, {0: 9300})) == (800, 300)


def test_a_total_without_a_counter_for_one_of_its_cells_is_uncounted_until_it_has_one() -> None:
    steady, layout = machine(), layout_of({"a": [0, 1], "b": [1]})
    steady.sample(layout, {0: 1000, 1: 50})
    figures = steady.sample(layout, {0: Missing.UNASSIGNED, 1: 60})
    assert TOTAL_TRAFFIC not in dict(figures.groups[A][0].totals)
    assert dict(figures.groups[GroupKey("uid-of-vm3", "b")][0].totals)[TOTAL_TRAFFIC] == 10
    assert A in figures.lacking
    assert dict(steady.sample(layout, {0: 0, 1: 70}).groups[A][0].totals)[TOTAL_TRAFFIC] == 20


def test_a_new_group_is_not_credited_with_what_its_cell_moved_before() -> None:
    steady = machine()
    steady.sample(layout_of({"a": [0]}), {0: 1000})
    steady.sample(layout_of({"a": [0]}), {0: 2000})
    split = layout_of({"a": [0, 1], "b": [1]})
    steady.sample(split, {0: 3000, 1: 70})
    same_cell = layout_of({"a": [0, 1], "b": [1], "c": [0]})
    figures = steady.sample(same_cell, {0: 4000, 1: 90})
    assert total_of(figures, GroupKey("uid-of-vm3", "c")) == (0, None)
    assert total_of(figures, GroupKey("uid-of-vm3", "b")) == (20, 20)
    assert total_of(steady.sample(same_cell, {0: 4100, 1: 90}), GroupKey("uid-of-vm3", "c")) == (100, 100)


def test_a_mon_group_that_now_holds_other_threads_brings_its_new_group_nothing_of_the_past() -> None:
    steady = machine()
    before, after = layout_of({"a": [0], "b": [1]}), layout_of({"a": [1], "b": [0]})
    steady.sample(before, {0: 1000, 1: 1000})
    figures = steady.sample(after, {0: 9000, 1: 1100})
    assert total_of(figures) == (0, None)
    assert total_of(figures, GroupKey("uid-of-vm3", "b")) == (0, None)


def test_a_group_that_waits_for_a_while_keeps_its_total() -> None:
    steady, layout = machine(), layout_of({"a": [0]})
    steady.sample(layout, {0: 1000})
    steady.sample(layout, {0: 1500})
    waiting = make_layout((make_target(), [make_group("a", [], GroupState.WAITING)]))
    assert steady.sample(waiting, {}).groups == {}
    assert total_of(steady.sample(layout, {0: 8000})) == (500, None)
    assert total_of(steady.sample(layout, {0: 8001})) == (501, 1)


def test_a_group_that_is_gone_and_comes_back_begins_at_nothing_and_its_gaps_stay_counted() -> None:
    steady, layout = machine(), layout_of({"a": [0]})
    steady.sample(layout, {0: 1000})
    steady.sample(layout, {0: 10})
    gaps = gaps_of(steady)
    assert gaps == {Gap.RESTARTED: len(BLOCKS) * 2}
    steady.sample(make_layout(), {})
    assert gaps_of(steady) == gaps
    assert total_of(steady.sample(layout, {0: 5})) == (0, None)


def test_a_cell_that_was_not_read_at_all_has_gone() -> None:
    figures = machine().sample(layout_of({"a": [0, 1]}), {0: 5})
    assert {figure.occupancy for figure in figures.groups[A]} == {Missing.OFFLINE}


def test_a_gone_counter_makes_the_sample_offline() -> None:
    layout = layout_of({"a": [0]})
    assert not machine().sample(layout, {0: 5}).offline
    assert not machine().sample(layout, {0: Missing.UNAVAILABLE}).offline
    assert machine().sample(layout, {0: Missing.OFFLINE}).offline
    assert machine().sample(layout, {0: 5}, inodes={0: 0}).offline


def test_a_sample_names_a_counter_that_was_lost_since_the_one_before() -> None:
    steady, layout = machine(), layout_of({"a": [0]})
    readings: list[Reading] = [Missing.UNASSIGNED, 5, Missing.UNASSIGNED, Missing.UNASSIGNED, 0, Missing.ERROR]
    lost = [steady.sample(layout, {0: reading}).lost_counter for reading in readings]
    assert lost == [False, False, True, False, False, False]


def test_the_node_is_the_control_groups_alone_and_never_less_than_the_monitored_part() -> None:
    layout = layout_of({"a": [0, 1]})
    figures = machine().sample(layout, {0: 100, 1: 200}, root=1000)
    assert [(f.occupancy, f.monitored) for f in figures.node] == [(1000, 300)] * 2
    figures = machine().sample(layout, {0: 100, 1: 200}, root=250)
    assert [(f.occupancy, f.monitored) for f in figures.node] == [(300, 300)] * 2
    figures = machine().sample(layout, {0: Missing.ERROR, 1: 200}, root=250)
    assert [(f.occupancy, f.monitored) for f in figures.node] == [(250, Missing.ERROR)] * 2


@pytest.mark.pitfall(23)
def test_more_than_the_cache_holds_is_reported_as_read() -> None:
    too_much = (BLOCKS[0].capacity_bytes or 0) * 3
    figures = machine().sample(layout_of({"a": [0], "b": [1]}), {0: too_much, 1: too_much}, root=too_much)
    assert [figure.occupancy for figure in figures.groups[A]] == [too_much] * 2
    assert [(f.occupancy, f.monitored) for f in figures.node] == [(2 * too_much, 2 * too_much)] * 2


@pytest.mark.pitfall(24)
def test_a_control_groups_counter_is_never_added_to_those_of_its_mon_groups() -> None:
    figures = machine().sample(layout_of({"a": [0]}), {0: 100}, root=150)
    assert [(f.occupancy, f.monitored) for f in figures.node] == [(150, 100)] * 2


@pytest.mark.pitfall(25)
def test_occupancy_that_lags_behind_moved_threads_is_reported_as_read() -> None:
    steady = machine()
    steady.sample(layout_of({"a": [0]}), {0: 1000})
    moved = steady.sample(layout_of({"a": [1], "b": [0]}), {0: 900, 1: 4})
    assert [figure.occupancy for figure in moved.groups[A]] == [4] * 2
    assert [figure.occupancy for figure in moved.groups[GroupKey("uid-of-vm3", "b")]] == [900] * 2


def test_a_group_with_other_cells_is_a_gap_of_its_counters_and_no_other_groups() -> None:
    steady = machine()
    steady.sample(layout_of({"a": [0], "b": [1]}), {0: 1000, 1: 1000})
    steady.sample(layout_of({"a": [0, 2], "b": [1]}), {0: 1100, 1: 1100, 2: 5})
    assert gaps_of(steady) == {Gap.REGROUPED: len(BLOCKS) * 2}


@pytest.mark.pitfall(21)
def test_an_implausible_rate_is_no_rate_of_its_group_and_the_rest_of_the_group_still_counts() -> None:
    steady, layout = machine(), layout_of({"a": [0, 1], "b": [1]})
    steady.sample(layout, {0: 1000, 1: 50})
    figures = steady.sample(layout, {0: 2**63, 1: 150})
    assert total_of(figures) == (100, None)
    assert total_of(figures, GroupKey("uid-of-vm3", "b")) == (100, 100)
    assert gaps_of(steady) == {Gap.IMPLAUSIBLE: len(BLOCKS) * 2}


def test_figures_of_a_sample_stay_what_they_are_when_sampling_goes_on() -> None:
    steady, layout = machine(), layout_of({"a": [0]})
    steady.sample(layout, {0: 1000})
    second = steady.sample(layout, {0: 1500})
    steady.sample(layout_of({"b": [0]}), {0: 99_000})
    assert total_of(second) == (500, 500)


def test_what_the_kernel_does_not_count_has_no_figure() -> None:
    only_occupancy = NodeFacts(num_rmids=64, events=(OCCUPANCY,), blocks=BLOCKS)
    figures = machine().sample(layout_of({"a": [0]}, only_occupancy), {0: 5})
    assert all(not figure.traffic for figure in figures.groups[A])
    assert figures.rates == {"uid-of-vm3": None}
    only_traffic = NodeFacts(num_rmids=64, events=(TOTAL_TRAFFIC,), blocks=BLOCKS)
    figures = machine().sample(layout_of({"a": [0]}, only_traffic), {0: 5})
    assert [figure.occupancy for figure in figures.groups[A]] == [None, None]
    assert (figures.node, figures.objects) == ((), {"uid-of-vm3": {}})


@given(st.lists(st.tuples(st.integers(0, 3), READINGS), max_size=12))
def test_a_group_that_is_not_reported_to_lack_a_figure_has_every_one(changes: list[tuple[int, Reading]]) -> None:
    node, values = machine(), dict.fromkeys(range(4), 1000)
    layouts = layout_of(OF_GROUPS), layout_of(OF_GROUPS | {"a": [0, 3]})
    for step, (which, reading) in enumerate([*changes, *[(0, 10**6)] * 3]):
        read: dict[int, Reading] = {**values, which: reading}
        figures = node.sample(layouts[step > len(changes) // 2], read)
        for key, blocks in figures.groups.items():
            lacks = any(
                isinstance(block.occupancy, Missing) or None in [t.bytes_per_second for t in block.traffic.values()]
                for block in blocks
            )
            assert (key in figures.lacking) == lacks
    assert not figures.lacking
