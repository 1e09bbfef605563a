"""Who may read, for how long an answer counts, and what a stranger's tokens cost."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from cachemon.daemon.authorization import LONGEST_TOKEN_BYTES, Authorizer
from cachemon.model.access import Access
from cachemon.model.errors import KubeForbiddenError, KubeUnreachableError

MINUTE = 60.0


class World:
    """An API server that knows some tokens, and a clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.tokens = {"good": Access.ALLOWED, "poor": Access.FORBIDDEN}
        self.asked: list[str] = []
        self.error: Exception | None = None
        self.hangs = False
        self.authorizer = Authorizer(self.may_get, lambda: self.now, review_seconds=0.01)

    async def may_get(self, token: str, path: str) -> Access:
        assert path == "/metrics"
        self.asked.append(token)
        if self.hangs:
            await asyncio.Event().wait()
        if self.error:
            raise self.error
        return self.tokens.get(token, Access.UNAUTHENTICATED)

    async def judge(self, token: str, peer: str = "scraper") -> Access | None:
        return await self.authorizer.judge(token, peer)


def run_story(story: Callable[[World], Awaitable[None]]) -> None:
    async def run() -> None:
        await story(World())

    asyncio.run(run())


def test_a_token_gets_what_the_api_server_says_and_none_gets_nothing() -> None:
    async def story(world: World) -> None:
        assert await world.judge("good") is Access.ALLOWED
        assert await world.judge("poor") is Access.FORBIDDEN
        assert await world.judge("bad") is Access.UNAUTHENTICATED
        assert await world.judge("") is Access.UNAUTHENTICATED
        assert await world.judge("x" * (LONGEST_TOKEN_BYTES + 1)) is Access.UNAUTHENTICATED
        assert world.asked == ["good", "poor", "bad"]

    run_story(story)


def test_an_allowed_token_is_asked_about_once_a_minute() -> None:
    async def story(world: World) -> None:
        for _ in range(13):
            assert await world.judge("good") is Access.ALLOWED
            world.now += 10
        assert len(world.asked) == 3

    run_story(story)


def test_a_token_that_is_taken_back_counts_for_a_minute_at_most() -> None:
    async def story(world: World) -> None:
        await world.judge("good")
        del world.tokens["good"]
        world.now += MINUTE
        assert await world.judge("good") is Access.UNAUTHENTICATED

    run_story(story)


def test_a_right_that_is_given_counts_soon() -> None:
    async def story(world: World) -> None:
        await world.judge("poor")
        world.tokens["poor"] = Access.ALLOWED
        assert await world.judge("poor") is Access.FORBIDDEN
        world.now += 5
        assert await world.judge("poor") is Access.ALLOWED

    run_story(story)


@pytest.mark.parametrize("how", ["refuses", "hangs", "forbids us"])
def test_a_scraper_is_answered_for_fifteen_minutes_without_an_api_server_and_a_stranger_is_not(how: str) -> None:
    async def story(world: World) -> None:
        assert await world.judge("good") is Access.ALLOWED
        world.hangs = how == "hangs"
        world.error = KubeForbiddenError("no") if how == "forbids us" else KubeUnreachableError("away")
        for _ in range(59):  # every 15 s
            world.now += 15
            assert await world.judge("good") is Access.ALLOWED
            assert await world.judge("new", "elsewhere") is None
        world.now += 15
        assert await world.judge("good") is None
        world.error, world.hangs = None, False
        assert await world.judge("good") is Access.ALLOWED

    run_story(story)


def test_an_api_server_that_hangs_makes_a_scrape_wait_now_and_then_and_not_each_time() -> None:
    async def story(world: World) -> None:
        await world.judge("good")
        world.hangs = True
        world.now += MINUTE
        for _ in range(10):
            await world.judge("good")
            world.now += 1
        assert len(world.asked) == 2

    run_story(story)


def test_random_tokens_cost_few_reviews_and_keep_no_known_scraper_out() -> None:
    async def story(world: World) -> None:
        await world.judge("good")
        for number in range(10_000):
            await world.judge(f"random{number}", f"10.0.{number % 250}.{number % 7}")
            world.now += 0.001
        reviews = len(world.asked)
        assert reviews <= 1 + 20 + 10 * 5 + 1  # at once, and five a second for ten seconds
        assert await world.judge("good") is Access.ALLOWED
        assert len(world.asked) == reviews
        world.tokens["renewed"] = Access.ALLOWED
        assert await world.judge("renewed") is Access.ALLOWED  # the same scraper with a new token

    run_story(story)


def test_one_address_can_not_use_up_the_reviews_of_others() -> None:
    async def story(world: World) -> None:
        for number in range(1000):
            await world.judge(f"random{number}", "10.0.0.1")
        assert len(world.asked) == 10
        assert await world.judge("good", "10.0.0.2") is Access.ALLOWED

    run_story(story)


def test_scrapes_at_the_same_time_share_a_review() -> None:
    async def story(world: World) -> None:
        assert set(await asyncio.gather(*(world.judge("good") for _ in range(20)))) == {Access.ALLOWED}
        assert world.asked == ["good"]

    run_story(story)


def test_no_log_line_has_a_token(caplog: pytest.LogCaptureFixture) -> None:
    async def story(world: World) -> None:
        world.error = KubeForbiddenError("no right")
        await world.judge("secret-token")

    run_story(story)
    assert "may we `create` tokenreviews" in caplog.text
    assert "secret-token" not in caplog.text
