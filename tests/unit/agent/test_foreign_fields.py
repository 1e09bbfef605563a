from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from cachemon.agent.foreign_fields import foreign_fields
from cachemon.agent.status_fields import group_status, signature
from cachemon.agent.targets import BoundTargetLayout
from cachemon.engine.figures import TOTAL_TRAFFIC, BlockFigure, Figures, Traffic
from cachemon.engine.foreign_watch import MOST_SHOWN
from cachemon.engine.layout import GroupLayout, GroupState
from cachemon.model.foreign_mon_groups import ForeignMonGroup, Holds, MonGroupContent
from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.model.readings import Missing
from tests.unit.agent.builders import BLOCKS, NOTHING_READ, make_group, make_layout, make_target
from tests.unit.agent.crd_schema import complaints, status_schema

SCHEMA = status_schema("cachemonitorgroups")
NOW = "2026-11-22T08:00:00Z"
THEIRS = MonGroupName(ROOT, "theirs")
NAMES = st.text(min_size=1, max_size=255)
CONTENT = MonGroupContent(17, frozenset([101, 102]), frozenset(["pod"]), 1)


def group_with(*mon_groups: MonGroupName, holds: Holds = Holds.GROUP_AND_OTHERS) -> GroupLayout:
    foreign = tuple(ForeignMonGroup(where, CONTENT, holds) for where in mon_groups)
    return replace(make_group("a", (), GroupState.DEGRADED), held_in=mon_groups, foreign=foreign)


def layout_of(*groups: GroupLayout) -> BoundTargetLayout:
    return make_layout((make_target(), groups)).targets[0]


def figures_of(*mon_groups: MonGroupName, rate: int | None = 900, occupancy: int | Missing = 500) -> Figures:
    blocks = tuple(BlockFigure(block, occupancy, {TOTAL_TRAFFIC: Traffic(10**9, rate)}) for block in BLOCKS)
    return replace(NOTHING_READ, foreign=dict.fromkeys(mon_groups, blocks))


@given(
    st.lists(st.builds(MonGroupName, st.just("") | NAMES, NAMES), max_size=MOST_SHOWN),
    st.sampled_from([*Holds]),
    st.none() | st.integers(0, 2**64),
    st.integers(0, 2**64) | st.sampled_from([*Missing]),
)
def test_whatever_others_call_their_mon_groups_the_status_keeps_to_the_schema(
    names: list[MonGroupName], holds: Holds, rate: int | None, occupancy: int | Missing
) -> None:
    layout = layout_of(group_with(*names, holds=holds))
    figures = figures_of(*names, rate=rate, occupancy=occupancy)
    status = group_status(layout, figures, NOW)
    assert list(complaints(SCHEMA, status)) == []
    assert len(status["groups"][0].get("foreignMonGroups", ())) == len(names)


def test_a_mon_group_has_its_own_figures_and_the_group_none() -> None:
    status = group_status(layout_of(group_with(THEIRS)), figures_of(THEIRS), NOW)
    (group,) = status["groups"]
    assert "cacheBlocks" not in group
    assert status["summary"] == {"groups": "0/1"}
    (shown,) = group["foreignMonGroups"]
    assert (shown["name"], shown["holds"], shown["threads"]) == ("/mon_groups/theirs", "GroupAndOthers", 2)
    assert [block["occupancyBytes"] for block in shown["cacheBlocks"]] == [500, 500]
    assert shown["cacheBlocks"][0]["memoryBandwidth"] == {"totalBytesPerSecond": 900}


def test_a_mon_group_without_figures_is_left_out() -> None:
    assert foreign_fields(group_with(THEIRS), NOTHING_READ) == []
    assert "foreignMonGroups" not in group_status(layout_of(group_with(THEIRS)), NOTHING_READ, NOW)["groups"][0]


def test_a_report_is_urgent_when_another_mon_group_is_shown_or_it_holds_others() -> None:
    marks = [
        signature(layout_of(group), figures_of(THEIRS)).state
        for group in (group_with(), group_with(THEIRS), group_with(THEIRS, holds=Holds.PART_AND_OTHERS))
    ]
    assert len(set(marks)) == 3


def test_a_report_is_urgent_when_the_first_rates_are_there() -> None:
    layout = layout_of(group_with(THEIRS))
    without, with_rates = (signature(layout, figures_of(THEIRS, rate=rate)) for rate in (None, 900))
    assert without.state == with_rates.state
    assert without.lacking != with_rates.lacking
    assert with_rates.lacking == ()


def test_more_threads_alone_make_no_report_urgent() -> None:
    layout = layout_of(group_with(THEIRS))
    (foreign,) = layout.groups[0].foreign
    more = replace(foreign, content=replace(CONTENT, tids=CONTENT.tids | {103}, version=2))
    grown = layout_of(replace(layout.groups[0], foreign=(more,)))
    assert signature(layout, figures_of(THEIRS)) == signature(grown, figures_of(THEIRS))
