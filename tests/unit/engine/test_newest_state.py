import asyncio
from dataclasses import replace
from typing import Any

from cachemon.agent.targets import BoundLayout
from cachemon.engine.figures import Figures
from cachemon.engine.layout import Layout
from cachemon.engine.newest_state import FIGURES_WITHIN_SECONDS, NewestState
from tests.unit import virtual_time
from tests.unit.agent.builders import FACTS, make_group, make_layout, make_target, mon_group


def layout(number: int) -> BoundLayout:
    """One whose groups have mon_groups of their own."""
    return make_layout((make_target(), [make_group("a", [mon_group(number)])]))


OLD, NEW, NEWER = layout(1), layout(2), layout(3)
NEWS = replace(NEW, node=replace(FACTS, other_rmids=3))
"""Has the readings of NEW."""


class Stage:
    """Notes what is given out: the layout, whether all its groups were read, and whether a sample caused it."""

    def __init__(self) -> None:
        self.given: list[tuple[Layout[Any], bool, str]] = []
        self.state = NewestState[Any](lambda: self._note("sample"), lambda: self._note("layout"))
        self.times: list[float] = []

    def _note(self, cause: str) -> None:
        given, figures = self.state.given
        self.given.append((given, not figures.unread, cause))
        self.times.append(virtual_time.time())

    def sample(self, of: Layout[Any], number: float) -> None:
        self.state.take_sample(of, Figures(wall_time=number))

    def layout(self, new: Layout[Any], *, has_other_readings: bool = True) -> None:
        self.state.take_layout(new, has_other_readings=has_other_readings)


def test_nothing_is_given_out_before_the_first_sample() -> None:
    async def story() -> None:
        stage = Stage()
        stage.layout(OLD)
        await asyncio.sleep(100)
        assert stage.given == []
        assert stage.state.given == (Layout(), Figures())
        stage.sample(OLD, 1)
        assert stage.given == [(OLD, True, "sample")]

    virtual_time.run(story())


def test_a_state_whose_sample_ends_soon_is_given_out_once_with_its_figures() -> None:
    async def story() -> None:
        stage = Stage()
        stage.layout(OLD)
        stage.sample(OLD, 1)
        stage.layout(NEW)
        await asyncio.sleep(FIGURES_WITHIN_SECONDS / 2)
        stage.sample(NEW, 2)
        await asyncio.sleep(100)
        assert stage.given == [(OLD, True, "sample"), (NEW, True, "sample")]

    virtual_time.run(story())


def test_a_state_does_not_wait_for_a_sample_that_does_not_end() -> None:
    async def story() -> None:
        stage = Stage()
        stage.layout(OLD)
        stage.sample(OLD, 1)
        began = virtual_time.time()
        stage.layout(NEW)
        await asyncio.sleep(100)
        assert stage.given[1:] == [(NEW, False, "layout")]
        assert stage.times[1] - began <= FIGURES_WITHIN_SECONDS
        stage.sample(NEW, 2)
        assert stage.given[2:] == [(NEW, True, "sample")]

    virtual_time.run(story())


def test_a_sample_that_began_before_a_state_never_takes_it_back() -> None:
    async def story() -> None:
        stage = Stage()
        stage.layout(OLD)
        stage.sample(OLD, 1)
        stage.layout(NEW)
        stage.sample(OLD, 2)
        assert stage.given[-1] == (OLD, True, "sample"), "its own sample begins only now"
        await asyncio.sleep(100)
        assert stage.given[-1] == (NEW, False, "layout")
        stage.sample(OLD, 3)
        assert stage.given[-1] == (NEW, False, "sample")

    virtual_time.run(story())


def test_states_that_change_all_the_time_are_given_out_all_the_same() -> None:
    async def story() -> None:
        stage = Stage()
        stage.layout(OLD)
        stage.sample(OLD, 1)
        for number in range(100):
            stage.layout(layout(number + 10))
            await asyncio.sleep(0.05)
        assert len(stage.given) - 1 >= 100 * 0.05 / (FIGURES_WITHIN_SECONDS + 0.05) - 1

    virtual_time.run(story())


def test_news_with_the_same_readings_are_given_out_at_once_and_after_what_is_awaited() -> None:
    async def story() -> None:
        stage = Stage()
        stage.layout(NEW)
        stage.sample(NEW, 1)
        stage.layout(NEWS, has_other_readings=False)
        assert stage.given[1:] == [(NEWS, True, "layout")]
        stage.layout(NEWER)
        stage.sample(NEW, 2)
        assert stage.given[2:] == [(NEWS, True, "sample")]
        stage.sample(NEWER, 3)
        assert stage.given[3:] == [(NEWER, True, "sample")]
        await asyncio.sleep(100)
        assert len(stage.given) == 4

    virtual_time.run(story())


def test_the_sample_of_a_layout_serves_for_a_newer_one_with_the_same_readings() -> None:
    async def story() -> None:
        stage = Stage()
        stage.layout(OLD)
        stage.sample(OLD, 1)
        stage.layout(NEW)
        stage.layout(NEWS, has_other_readings=False)
        stage.sample(NEW, 2)
        await asyncio.sleep(100)
        assert stage.given[1:] == [(NEWS, True, "sample")]

    virtual_time.run(story())


def test_a_state_that_is_newer_than_the_first_sample_follows_it() -> None:
    async def story() -> None:
        stage = Stage()
        stage.layout(OLD)
        stage.layout(NEW)
        stage.sample(OLD, 1)
        assert stage.given == [(OLD, True, "sample")]
        await asyncio.sleep(100)
        assert stage.given[1:] == [(NEW, False, "layout")]

    virtual_time.run(story())
