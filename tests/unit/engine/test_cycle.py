import asyncio
import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

import pytest

from cachemon.engine.cycle import Cycle, Periods
from cachemon.engine.figures import Figures
from cachemon.engine.layout import GroupState, Layout, NodeFacts
from cachemon.engine.scan_pause import scan_pause
from cachemon.model.foreign_mon_groups import ForeignMonGroup, Holds, MonGroupContent
from cachemon.model.mon_groups import ROOT, MonGroupName
from tests.unit.agent.builders import make_group, make_layout, make_target
from tests.unit.eventually import eventually


def test_awaited_threads_are_scanned_for_often_and_less_so_the_longer_it_takes() -> None:
    assert scan_pause(2, None) == 2
    assert [scan_pause(2, waited) for waited in (0, 30, 120, 600, 86400)] == [0.05, 0.05, 0.2, 1, 2]
    assert scan_pause(0.02, 0) == 0.02


def test_the_time_of_a_scan_is_part_of_the_time_to_the_next_but_at_most_half_of_it() -> None:
    assert scan_pause(5, None, spent=0.5) == 4.5
    assert [scan_pause(5, 0, spent) for spent in (0.0, 0.02, 0.04, 3.0)] == pytest.approx([0.05, 0.03, 0.04, 0.05])


class Reconciler:
    """Its second pass has removed something, and takes its time to say so."""

    def __init__(self) -> None:
        self.has_removed = threading.Event()
        self.may_end = threading.Event()
        self.layouts: list[Layout[Any]] = [Layout(), Layout(node=NodeFacts(own_mon_groups=1))]

    def run(self, _targets: Sequence[Any]) -> Layout[Any]:
        if self.layouts[1:]:
            return self.layouts.pop(0)
        self.has_removed.set()
        self.may_end.wait()
        return self.layouts[0]

    def forget(self) -> None:
        """Nothing is remembered."""


class Sampler:
    """Finds gone what was removed: with the old layout, or where it `stays` gone with every layout."""

    def __init__(self, reconciler: Reconciler, *, stays: bool = False) -> None:
        self.reconciler = reconciler
        self.stays = stays
        self.gone = 0

    def sample(self, layout: Layout[Any]) -> Figures:
        new = layout.node.own_mon_groups == 1
        offline = self.reconciler.has_removed.is_set() and (self.stays or not new)
        self.gone += offline
        return Figures(wall_time=1.0, offline=offline)


class Claim:
    def __init__(self, *, is_ours: bool = True) -> None:
        self._is_ours = is_ours

    def hold(self) -> bool:
        return self._is_ours


async def play(sampler: Sampler) -> list[tuple[bool, int]]:
    """For each published sample whether it was offline, and the number of mon_groups of its layout."""
    published: list[tuple[bool, int]] = []

    def note() -> None:
        layout, figures = cycle.newest
        published.append((figures.offline, layout.node.own_mon_groups))

    reconciler, reads, claim = (cast("Any", part) for part in (sampler.reconciler, sampler, Claim()))
    cycle: Cycle[Any] = Cycle(reconciler, reads, claim, lambda: (), Periods(0.01, 60), on_figures=note)
    async with asyncio.TaskGroup() as tasks:
        loops = [tasks.create_task(cycle.reconcile()), tasks.create_task(cycle.sample())]
        await eventually("a sample", lambda: published)
        cycle.targets_changed()
        await eventually("samples of what has gone", lambda: sampler.gone >= 3)
        assert published[-1] == (False, 0)
        sampler.reconciler.may_end.set()
        await eventually("a sample of the new layout", lambda: published[-1][1] == 1)
        for loop in loops:
            loop.cancel()
    return published


def test_what_a_pass_removes_is_not_published_as_gone_before_the_pass_ends() -> None:
    published = asyncio.run(play(Sampler(Reconciler())))
    assert not any(offline for offline, _ in published)


def test_what_is_gone_although_a_pass_is_over_is_published() -> None:
    published = asyncio.run(play(Sampler(Reconciler(), stays=True)))
    assert published[-1] == (True, 1)


class LosesACounter:
    """At its third sample."""

    def __init__(self) -> None:
        self.samples = 0

    def sample(self, _layout: Layout[Any]) -> Figures:
        self.samples += 1
        return Figures(wall_time=1.0, lost_counter=self.samples == 3)


async def passes_after_a_lost_counter() -> int:
    reconciler = Reconciler()
    reconciler.may_end.set()
    made, sampler, claim = (cast("Any", part) for part in (reconciler, LosesACounter(), Claim()))
    cycle: Cycle[Any] = Cycle(made, sampler, claim, lambda: (), Periods(0.01, 60), on_figures=lambda: None)
    async with asyncio.TaskGroup() as tasks:
        loops = [tasks.create_task(cycle.reconcile()), tasks.create_task(cycle.sample())]
        await eventually("a pass after it", lambda: cycle.pulse.reconciles >= 2)
        for loop in loops:
            loop.cancel()
    return cycle.pulse.reconciles


def test_a_pass_follows_at_once_when_traffic_loses_its_counter() -> None:
    assert asyncio.run(passes_after_a_lost_counter()) == 2


class PassesInTurn:
    """Each pass has the next layout."""

    def __init__(self, *layouts: Layout[Any]) -> None:
        self.layouts = [*layouts]

    def run(self, _targets: Sequence[Any]) -> Layout[Any]:
        return self.layouts.pop(0) if self.layouts[1:] else self.layouts[0]


class SampledLayouts:
    def __init__(self) -> None:
        self.layouts: list[Layout[Any]] = []

    def sample(self, layout: Layout[Any]) -> Figures:
        self.layouts.append(layout)
        return Figures(wall_time=1.0)


def has_passed(cycle: Cycle[Any], before: int) -> bool:
    return cycle.pulse.reconciles > before


async def sampled_at_once(*layouts: Layout[Any]) -> list[Layout[Any]]:
    """The layouts that are sampled before the period ends, when one pass follows the other."""
    sampler = SampledLayouts()
    passes, reads, claim = (cast("Any", part) for part in (PassesInTurn(*layouts), sampler, Claim()))
    cycle: Cycle[Any] = Cycle(passes, reads, claim, lambda: (), Periods(600, 600), on_figures=lambda: None)
    async with asyncio.TaskGroup() as tasks:
        loops = [tasks.create_task(cycle.sample()), tasks.create_task(cycle.reconcile())]
        await eventually("a sample of the first layout", lambda: layouts[0] in sampler.layouts)
        for _ in layouts[1:]:
            passed = cycle.pulse.reconciles
            cycle.targets_changed()
            await eventually("the next pass", partial(has_passed, cycle, passed))
        await eventually("a sample of the last layout", lambda: layouts[-1] in sampler.layouts)
        for loop in loops:
            loop.cancel()
    return sampler.layouts


def test_a_group_with_other_mon_groups_is_sampled_at_once_and_a_change_of_other_programs_mon_groups_is_not() -> None:
    theirs = MonGroupName(ROOT, "theirs")
    content = MonGroupContent(17, frozenset([7]), frozenset(["pod"]), 1)
    held = replace(make_group("a", (), GroupState.DEGRADED), held_in=(theirs,))
    shown = replace(held, foreign=(ForeignMonGroup(theirs, content, Holds.PART_AND_OTHERS),))
    first, second, last = (make_layout((make_target(), [it])) for it in (held, shown, make_group("a", [theirs])))
    sampled = asyncio.run(sampled_at_once(first, second, last))
    assert first in sampled
    assert second not in sampled


class SticksAfterTheFirst:
    """Reads the counters once, and never ends to read them again until it may."""

    def __init__(self) -> None:
        self.may_end = threading.Event()
        self.samples = 0

    def sample(self, _layout: Layout[Any]) -> Figures:
        self.samples += 1
        if self.samples > 2:
            self.may_end.wait()
        return Figures(wall_time=1.0)


async def states_beside_a_stuck_sample(*layouts: Layout[Any]) -> list[Layout[Any]]:
    """The layouts that are given out before their samples, when one pass follows the other."""
    sampler, given = SticksAfterTheFirst(), list[Layout[Any]]()
    passes, reads, claim = (cast("Any", part) for part in (PassesInTurn(*layouts), sampler, Claim()))
    cycle: Cycle[Any] = Cycle(
        passes,
        reads,
        claim,
        lambda: (),
        Periods(0.01, 600),
        on_figures=lambda: None,
        on_layout=lambda: given.append(cycle.newest[0]),
    )
    async with asyncio.TaskGroup() as tasks:
        loops = [tasks.create_task(cycle.reconcile())]
        await eventually("the first pass", partial(has_passed, cycle, 0))
        loops.append(tasks.create_task(cycle.sample()))
        await eventually("a sample that sticks", lambda: sampler.samples > 2)
        for layout in layouts[1:]:
            cycle.targets_changed()
            await eventually("the state", partial(is_last, given, layout))
        for loop in loops:
            loop.cancel()
        sampler.may_end.set()
    return given


def is_last(given: list[Layout[Any]], layout: Layout[Any]) -> bool:
    return given[-1:] == [layout]


def test_states_do_not_wait_for_a_kernel_that_does_not_answer() -> None:
    first, second = (make_layout((make_target(), [make_group("a", [MonGroupName(ROOT, name)])])) for name in "xy")
    waiting = make_layout((make_target(), [make_group("a", (), GroupState.WAITING)]))
    assert asyncio.run(states_beside_a_stuck_sample(first, second, waiting, second)) == [second, waiting, second]


async def samples_of_a_second_agent() -> tuple[int, int]:
    """How many samples were counted, and how many had figures to give out, while another agent works."""
    counted: list[None] = []
    published: list[None] = []
    parts = (Reconciler(), Sampler(Reconciler()), Claim(is_ours=False))
    reconciler, sampler, claim = (cast("Any", part) for part in parts)
    cycle: Cycle[Any] = Cycle(
        reconciler,
        sampler,
        claim,
        lambda: (),
        Periods(0.01, 60),
        on_figures=lambda: published.append(None),
        on_sample=lambda: counted.append(None),
    )
    async with asyncio.TaskGroup() as tasks:
        loops = [tasks.create_task(cycle.reconcile()), tasks.create_task(cycle.sample())]
        await eventually("samples", lambda: len(counted) >= 3)
        for loop in loops:
            loop.cancel()
    return len(counted), len(published)


def test_an_agent_that_waits_for_another_counts_its_samples_and_gives_no_figures_out() -> None:
    counted, published = asyncio.run(samples_of_a_second_agent())
    assert counted >= 3
    assert published == 0
