import asyncio

from cachemon.controller.api_availability import ApiAvailability, OutagePauses
from cachemon.controller.object_backoff import ObjectBackoff
from cachemon.model.api import ObjectName
from cachemon.model.errors import KubeError, KubeUnreachableError
from tests.unit import virtual_time

A, B = ObjectName("a", "x"), ObjectName("b", "x")


class Lists:
    def __init__(self) -> None:
        self.made: list[float] = []
        self.errors: list[KubeError] = []

    async def __call__(self) -> None:
        self.made.append(virtual_time.time())
        if self.errors:
            raise self.errors.pop(0)


def test_an_outage_costs_one_list_however_often_writes_fail_in_it() -> None:
    lists = Lists()

    async def story() -> None:
        server = ApiAvailability(lists, OutagePauses(), virtual_time.time)
        while virtual_time.time() < 29:
            server.unreachable()
            await server.wait()
        assert len(lists.made) == 1

    virtual_time.run(story())


def test_lists_are_made_ever_less_often_while_the_server_comes_and_goes_and_at_once_after_a_calm() -> None:
    lists = Lists()

    async def story() -> None:
        server = ApiAvailability(lists, OutagePauses(), virtual_time.time)
        while virtual_time.time() < 1000:
            server.unreachable()
            await server.wait()
            server.succeeded()
            await asyncio.sleep(1)
        assert len(lists.made) <= 6
        await asyncio.sleep(700)
        known = len(lists.made)
        server.unreachable()
        await server.wait()
        assert len(lists.made) == known + 1

    virtual_time.run(story())


def test_a_server_that_can_not_be_listed_stays_away_and_is_asked_with_growing_pauses() -> None:
    lists = Lists()
    lists.errors = [KubeUnreachableError("no route")] * 5

    async def story() -> None:
        server = ApiAvailability(lists, OutagePauses(), virtual_time.time)
        server.unreachable()
        assert not server.is_open
        await server.wait()
        assert server.is_open

    virtual_time.run(story())
    pauses = [later - earlier for earlier, later in zip(lists.made, lists.made[1:], strict=False)]
    assert [round(pause / 2**power) for power, pause in enumerate(pauses)] == [1] * 4 + [1]


def test_failures_of_one_namespace_never_mean_that_the_server_is_away_and_of_several_they_do() -> None:
    async def story() -> None:
        server = ApiAvailability(Lists(), OutagePauses(), virtual_time.time)
        for number in range(1000):
            server.failed(ObjectName("a", str(number)))
            assert server.is_open
        server.failed(B)
        assert not server.is_open

    virtual_time.run(story())


def test_backoff_grow_to_minutes_and_begin_anew_after_a_success() -> None:
    backoff = ObjectBackoff(5, 160)
    for wanted in (5, 10, 20, 40, 80, 160, 160, 160):
        assert wanted * 0.8 <= backoff.next_seconds(A) <= wanted * 1.2
    assert backoff.reset(A)
    assert not backoff.reset(A)
    assert backoff.next_seconds(A) <= 6
    for _ in range(5000):
        assert backoff.next_seconds(B) <= 192


def test_the_same_failure_is_news_once() -> None:
    backoff = ObjectBackoff(5, 160)
    backoff.next_seconds(A)
    assert [backoff.is_new_failure(A, text) for text in ("x", "x", "y", "y", "x")] == [True, False, True, False, True]
    assert backoff.is_new_failure(B, "x")
