"""Where each value of a sweep belongs: names stand in for the values, in the order in which files are read."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cachemon.engine.figures import OCCUPANCY, TOTAL_TRAFFIC
from cachemon.engine.reading_plan import CounterKey, ReadingPlan
from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.model.readings import CacheBlock

EVENTS = (OCCUPANCY, TOTAL_TRAFFIC, "mbm_local_bytes")


@st.composite
def plans(draw: st.DrawFn) -> ReadingPlan[CacheBlock]:
    return ReadingPlan(
        control_groups=(MonGroupName(ROOT, ""), MonGroupName("gold", ""))[: draw(st.integers(1, 2))],
        mon_groups=tuple(MonGroupName(ROOT, f"cachemon-{n}") for n in range(draw(st.integers(0, 4)))),
        blocks=tuple(CacheBlock(3, 8 * n, None, "") for n in range(draw(st.integers(1, 3)))),
        events=tuple(draw(st.lists(st.sampled_from(EVENTS), unique=True))),
        known=frozenset(),
        members={},
    )


def names_of_values(plan: ReadingPlan[CacheBlock]) -> list[CounterKey]:
    """What each value of a sweep is: by directory, then block, then event."""
    return [
        CounterKey(where, block.id, event)
        for where, events in plan.directories.items()
        for block in plan.blocks
        for event in events
    ]


@given(plans())
def test_traffic_has_the_value_of_each_counter_in_their_order(plan: ReadingPlan[CacheBlock]) -> None:
    assert list(plan.traffic(names_of_values(plan))) == plan.counters


@given(plans())
def test_a_counter_is_found_by_its_mon_group_block_and_event(plan: ReadingPlan[CacheBlock]) -> None:
    found = {
        plan.counter(group, block, event): CounterKey(name, where.id, of)
        for group, name in enumerate(plan.mon_groups)
        for block, where in enumerate(plan.blocks)
        for event, of in enumerate(plan.traffic_events)
    }
    assert [found[position] for position in range(len(found))] == plan.counters


@given(plans())
def test_each_counter_has_the_identity_of_its_mon_group(plan: ReadingPlan[CacheBlock]) -> None:
    identities = {where: number for number, where in enumerate(plan.directories)}
    assert plan.spread([*identities.values()]) == [identities[key.mon_group] for key in plan.counters]


@given(plans())
def test_control_groups_are_read_for_their_occupancy_alone_and_come_first(plan: ReadingPlan[CacheBlock]) -> None:
    names = names_of_values(plan)
    of_mon_groups = list(plan.of_mon_groups(names))
    assert of_mon_groups == [name for name in names if name.mon_group in plan.mon_groups]
    of_control_groups = names[: len(names) - len(of_mon_groups)]
    assert {name.event for name in of_control_groups} <= {OCCUPANCY}
    assert {name.mon_group for name in of_control_groups} == (
        {*plan.control_groups} if OCCUPANCY in plan.events else set()
    )


@given(plans())
def test_occupancies_are_those_of_mon_groups_by_block(plan: ReadingPlan[CacheBlock]) -> None:
    wanted: list[Any] = [CounterKey(name, block.id, OCCUPANCY) for name in plan.mon_groups for block in plan.blocks]
    names: list[Any] = names_of_values(plan)
    assert [*plan.occupancies(names)] == (wanted if OCCUPANCY in plan.events else [])
