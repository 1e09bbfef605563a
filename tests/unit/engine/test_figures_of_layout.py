from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.agent.targets import BoundLayout
from cachemon.engine.figures import BlockFigure, Figures, NodeBlockFigure
from cachemon.engine.figures_of_layout import figures_of
from cachemon.engine.layout import GroupLayout, GroupState
from cachemon.model.foreign_mon_groups import ForeignMonGroup, Holds, MonGroupContent
from cachemon.model.groups import GroupKey, parse_groups
from cachemon.model.mon_groups import ROOT, MonGroupName
from tests.unit.agent.builders import (
    BLOCKS,
    FACTS,
    make_group,
    make_layout,
    make_object,
    make_target,
    mon_group,
)


def two_vms(first: GroupLayout, second: GroupLayout) -> BoundLayout:
    return make_layout((make_target(make_object("vm1")), [first]), (make_target(make_object("vm2")), [second]))


def sampled(layout: BoundLayout, occupancy: int = 7) -> Figures:
    """Figures for all that has mon_groups."""
    of_block = (BlockFigure(BLOCKS[0], occupancy, {}),)
    read = [target for target in layout.targets if target.mon_groups]
    keys = [GroupKey(target.uid, group.group.name) for target in read for group in target.groups if group.mon_groups]
    return Figures(
        wall_time=1.8e9,
        groups=dict.fromkeys(keys, of_block),
        objects={target.uid: {0: occupancy} for target in read},
        rates={target.uid: 5 for target in read},
        guests={target.object.guest_name: of_block for target in read},
        node=(NodeBlockFigure(BLOCKS[0], 9, 7),),
        lacking=frozenset(keys),
    )


A, B = make_group("a", [mon_group(1)]), make_group("a", [mon_group(2)])
OF_VM1, OF_VM2 = GroupKey("uid-of-vm1", "a"), GroupKey("uid-of-vm2", "a")


def test_the_layout_of_the_sample_has_all_its_figures() -> None:
    layout = two_vms(A, B)
    figures = sampled(layout)
    assert figures_of(layout, layout, figures) is figures


@pytest.mark.parametrize(
    "changed",
    [
        replace(B, mon_groups=(mon_group(3),)),
        replace(B, vcpus=(0, 1, 2)),
        replace(B, mon_groups=(mon_group(2), mon_group(3))),
        replace(B, group=parse_groups([{"name": "a", "vcpus": "5"}])[0]),
    ],
    ids=["another mon_group", "another vCPU", "one mon_group more", "another list"],
)
def test_a_group_with_other_vcpus_or_mon_groups_has_no_figures_until_it_is_read_and_others_keep_theirs(
    changed: GroupLayout,
) -> None:
    before = two_vms(A, B)
    figures = figures_of(two_vms(A, changed), before, sampled(before))
    assert set(figures.groups) == {OF_VM1}
    assert set(figures.objects) == set(figures.rates) == {"uid-of-vm1"}
    assert set(figures.guests) == {"tenant-a_vm1"}
    assert figures.unread == {OF_VM2}
    assert figures.lacking == {OF_VM1}
    assert figures.groups[OF_VM1] == sampled(before).groups[OF_VM1]
    assert OF_VM2 not in figures.groups
    with pytest.raises(KeyError):
        figures.groups[OF_VM2]


def test_a_group_whose_state_alone_has_changed_keeps_its_figures() -> None:
    before = two_vms(A, B)
    degraded = make_group("a", [mon_group(2)], GroupState.DEGRADED)
    figures = figures_of(two_vms(A, degraded), before, sampled(before))
    assert set(figures.groups) == {OF_VM1, OF_VM2}
    assert not figures.unread


def test_a_group_that_waits_has_no_figures_and_waits_for_none() -> None:
    before = two_vms(A, B)
    figures = figures_of(two_vms(A, make_group("a", [], GroupState.WAITING)), before, sampled(before))
    assert set(figures.groups) == {OF_VM1}
    assert not figures.unread


def test_an_object_is_no_sum_of_some_of_its_groups() -> None:
    target = make_target(make_object("vm1"))
    before = make_layout((target, [A]))
    after = make_layout((target, [A, make_group("b", [mon_group(2)])]))
    figures = figures_of(after, before, sampled(before))
    assert set(figures.groups) == {OF_VM1}
    assert not figures.objects
    assert not figures.guests


def test_two_objects_of_a_guest_share_its_sum_and_lose_it_together() -> None:
    other = make_object("vm1-b")
    other["spec"]["vmiName"] = "vm1"
    targets = make_target(make_object("vm1")), make_target(other)
    before = make_layout((targets[0], [A]), (targets[1], [B]))
    after = make_layout((targets[0], [A]), (targets[1], [replace(B, vcpus=(0,))]))
    figures = figures_of(after, before, sampled(before))
    assert set(figures.objects) == {"uid-of-vm1"}
    assert not figures.guests


def test_cache_blocks_that_changed_have_no_figures_of_the_node() -> None:
    before = two_vms(A, B)
    assert figures_of(make_layout(), before, sampled(before)).node
    fewer = make_layout(node=replace(FACTS, blocks=BLOCKS[:1]))
    assert figures_of(fewer, before, sampled(before)).node == ()


def test_another_programs_mon_group_keeps_its_figures_while_its_threads_are_the_same() -> None:
    theirs = MonGroupName(ROOT, "theirs")

    def beside(version: int) -> BoundLayout:
        content = MonGroupContent(17, frozenset([7]), frozenset(["pod"]), version)
        shown = ForeignMonGroup(theirs, content, Holds.PART_AND_OTHERS)
        return two_vms(A, replace(B, mon_groups=(), foreign=(shown,)))

    before = beside(1)
    figures = replace(sampled(before), foreign={theirs: (BlockFigure(BLOCKS[0], 7, {}),)})
    assert theirs in figures_of(beside(1), before, figures).foreign
    assert theirs not in figures_of(beside(2), before, figures).foreign


GROUPS = st.builds(
    lambda numbers, vcpus: replace(make_group("a", map(mon_group, numbers)), vcpus=vcpus),
    st.lists(st.integers(0, 2), unique=True, max_size=2),
    st.sampled_from([(0, 1), (0,)]),
)


@given(st.lists(GROUPS, min_size=2, max_size=2), st.lists(GROUPS, min_size=2, max_size=2))
def test_a_group_has_a_figure_exactly_where_that_is_of_the_same_mon_groups_and_vcpus(
    then: list[GroupLayout], now: list[GroupLayout]
) -> None:
    before, after = two_vms(*then), two_vms(*now)
    figures = figures_of(after, before, sampled(before))
    for key, was, has in zip((OF_VM1, OF_VM2), then, now, strict=True):
        assert (key in figures.groups) == (was == has and bool(has.mon_groups))
        assert (key in figures.unread) == (was != has and bool(has.mon_groups))
