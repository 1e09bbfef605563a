import asyncio
import gzip
import threading
from collections.abc import Callable

from cachemon.daemon.rendered_page import RenderedPage
from tests.unit.eventually import eventually


class World:
    """Figures that are a number, and a clock."""

    def __init__(self, fresh_seconds: float = float("inf")) -> None:
        self.now = 100.0
        self.figure = 1
        self.prepared: list[int] = []
        self.rendered: list[int] = []
        self.failed: list[int] = []
        self.rendering_seconds = 0.0
        self.error: Exception | None = None
        self.held = threading.Event()
        self.held.set()
        self.page = RenderedPage(self.prepare, fresh_seconds=fresh_seconds, clock=lambda: self.now)

    def prepare(self) -> Callable[[], bytes]:
        figure = self.figure
        self.prepared.append(figure)
        return lambda: self.render(figure)

    def render(self, figure: int) -> bytes:
        assert threading.current_thread() is not threading.main_thread()
        self.held.wait(10)
        if self.error:
            self.failed.append(figure)
            raise self.error
        self.rendered.append(figure)
        self.now += self.rendering_seconds
        return str(figure).encode()

    def sample(self) -> None:
        self.figure += 1
        self.page.changed()

    async def text(self) -> str:
        return (await self.page.newest()).text.decode()

    async def has_prepared(self, figure: int) -> None:
        await eventually(f"the rendering of {figure}", lambda: figure in self.prepared)


def test_a_page_is_rendered_once_a_sample_for_all_who_ask_and_only_when_somebody_asks() -> None:
    world = World()

    async def story() -> None:
        world.sample()
        assert await asyncio.gather(*(world.text() for _ in range(5))) == ["2"] * 5
        world.sample()
        world.sample()
        assert [await world.text() for _ in range(5)] == ["4"] * 5
        assert world.rendered == [2, 4]

    asyncio.run(story())


def test_a_scrape_waits_for_the_figures_of_now() -> None:
    world = World()

    async def story() -> None:
        assert await world.text() == "1"
        world.held.clear()
        world.sample()
        asking = asyncio.create_task(world.text())
        await world.has_prepared(2)
        assert not asking.done()
        world.held.set()
        assert await asking == "2"

    asyncio.run(story())


def test_a_sample_during_a_rendering_is_in_the_next_page() -> None:
    world = World()

    async def story() -> None:
        world.held.clear()
        asking = asyncio.create_task(world.text())
        await world.has_prepared(1)
        world.sample()
        world.held.set()
        assert await asking == "1"
        assert await world.text() == "2"

    asyncio.run(story())


def test_a_page_that_takes_long_to_render_is_given_again_for_four_times_as_long() -> None:
    world = World()
    world.rendering_seconds = 2.0

    async def story() -> None:
        assert await world.text() == "1"
        world.sample()
        assert await world.text() == "1"
        world.now += 7.9
        assert await world.text() == "1"
        world.now += 0.1
        assert await world.text() == "2"

    asyncio.run(story())


def test_who_hangs_up_ends_no_rendering_that_others_wait_for() -> None:
    world = World()

    async def story() -> None:
        world.held.clear()
        first, second = (asyncio.create_task(world.text()) for _ in range(2))
        await world.has_prepared(1)
        first.cancel()
        world.held.set()
        assert await second == "1"
        assert world.rendered == [1]

    asyncio.run(story())


def test_a_page_is_rendered_again_when_it_is_old_though_nothing_has_changed() -> None:
    world = World(fresh_seconds=1.0)

    async def story() -> None:
        assert await world.text() == "1"
        world.figure = 2
        assert await world.text() == "1"
        world.now += 1
        assert await world.text() == "2"

    asyncio.run(story())


def test_a_failure_to_render_is_tried_again() -> None:
    world = World()
    world.error = RuntimeError("odd")

    async def story() -> None:
        asking = asyncio.create_task(world.text())
        await eventually("a failure", lambda: world.failed)
        world.error = None
        assert await asking == "1"

    asyncio.run(story())


def test_the_compressed_page_is_the_same() -> None:
    world = World()

    async def story() -> None:
        page = await world.page.newest()
        assert gzip.decompress(page.compressed) == page.text

    asyncio.run(story())
