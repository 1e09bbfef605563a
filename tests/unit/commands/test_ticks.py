import asyncio

from hypothesis import given
from hypothesis import strategies as st

from cachemon.commands.ticks import ticks


class Time:
    """A clock that only sleep and work move."""

    def __init__(self) -> None:
        self.now = 0.0

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def seen(interval: float, duration: float | None, works: list[float]) -> tuple[list[float], float]:
    """When each tick came, of as many as there are times of work, and when all ended."""
    time = Time()

    async def play() -> list[float]:
        found: list[float] = []
        async for _ in ticks(interval, duration, lambda: time.now, time.sleep):
            found.append(time.now)
            if len(found) == len(works):
                break
            time.now += works[len(found) - 1]
        return found

    return asyncio.run(play()), time.now


def test_the_first_tick_comes_at_once_and_the_others_each_interval() -> None:
    assert seen(5, None, [0, 0, 0]) == ([0, 5, 10], 10)


def test_work_delays_no_tick_after_it() -> None:
    assert seen(5, None, [2, 4.5, 1, 0])[0] == [0, 5, 10, 15]


def test_ticks_that_work_has_swallowed_are_not_made_up_for() -> None:
    assert seen(5, None, [12, 0, 0])[0] == [0, 15, 20]


def test_it_ends_when_its_time_is_over_and_not_before() -> None:
    assert seen(4, 10, [0] * 9) == ([0, 4, 8], 10)
    assert seen(5, 10, [0] * 9) == ([0, 5], 10)


@given(st.integers(1, 20), st.integers(1, 100), st.lists(st.integers(0, 60), min_size=101, max_size=101))
def test_ticks_come_at_multiples_of_the_interval_before_the_end(
    interval: int, duration: int, works: list[int]
) -> None:
    found, _ = seen(interval, duration, [float(work) for work in works])
    assert found == sorted(set(found))
    assert all(at % interval == 0 for at in found)
    assert found[-1] < duration
