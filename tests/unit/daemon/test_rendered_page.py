import asyncio
import gzip
import threading
from collections.abc import Awaitable, Callable

from cachemon.daemon.rendered_page import RenderedPage
from tests.unit.eventually import eventually


class World:
    """Figures that are a number, and a clock."""

    def __init__(self, fresh_seconds: float = float("inf")) -> None:
        self.now = 100.0
        self.figure = 1
        self.rendered: list[int] = []
        self.error: Exception | None = None
        self.held = threading.Event()
        self.held.set()
        self.page = RenderedPage(self.prepare, fresh_seconds=fresh_seconds, clock=lambda: self.now)

    def prepare(self) -> Callable[[], bytes]:
        figure = self.figure
        return lambda: self.render(figure)

    def render(self, figure: int) -> bytes:
        assert threading.current_thread() is not threading.main_thread()
        self.held.wait(10)
        if self.error:
            raise self.error
        self.rendered.append(figure)
        return str(figure).encode()

    def sample(self) -> None:
        self.figure += 1
        self.page.changed()

    @property
    def given(self) -> bytes:
        """What a scrape would get now."""
        assert self.page._page
        return self.page._page.text

    async def text(self) -> str:
        return (await self.page.newest()).text.decode()

    async def has_rendered(self, number: int) -> None:
        await eventually(f"page {number}", lambda: len(self.rendered) >= number)


def run_story(world: World, story: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        running = asyncio.create_task(world.page.run())
        await story()
        running.cancel()

    asyncio.run(run())


def test_a_page_is_rendered_once_a_sample_for_all_who_ask_and_only_while_somebody_asks() -> None:
    world = World()

    async def story() -> None:
        world.sample()
        assert await asyncio.gather(*(world.text() for _ in range(5))) == ["2"] * 5
        world.sample()
        await world.has_rendered(2)
        assert [await world.text() for _ in range(5)] == ["3"] * 5
        assert world.rendered == [2, 3]
        world.now += 301
        world.sample()
        assert await world.text() == "4"
        assert world.rendered == [2, 3, 4]

    run_story(world, story)


def test_a_scrape_gets_the_page_before_while_the_next_is_rendered() -> None:
    world = World()

    async def story() -> None:
        assert await world.text() == "1"
        world.held.clear()
        world.sample()
        await asyncio.sleep(0)
        assert await world.text() == "1"
        world.held.set()
        await world.has_rendered(2)
        await eventually("the new page", lambda: world.given == b"2")

    run_story(world, story)


def test_a_page_that_nobody_keeps_new_is_rendered_again_when_it_is_old() -> None:
    world = World(fresh_seconds=1.0)

    async def story() -> None:
        assert await world.text() == "1"
        world.figure = 2
        assert await world.text() == "1"
        world.now += 1
        assert await world.text() == "2"

    run_story(world, story)


def test_a_failure_to_render_is_tried_again() -> None:
    world = World()
    world.error = RuntimeError("odd")

    async def story() -> None:
        asking = asyncio.create_task(world.text())
        await asyncio.sleep(0.01)
        world.error = None
        assert await asking == "1"

    run_story(world, story)


def test_the_compressed_page_is_the_same() -> None:
    world = World()

    async def story() -> None:
        page = await world.page.newest()
        assert gzip.decompress(page.compressed) == page.text

    run_story(world, story)
