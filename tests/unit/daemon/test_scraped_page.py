import asyncio
from collections.abc import Callable

from cachemon.daemon.metrics_formats import MetricsFormat
from cachemon.daemon.scraped_page import ScrapedPage
from tests.unit.eventually import eventually

TEXT, OPEN = MetricsFormat.TEXT, MetricsFormat.OPEN_METRICS


def test_a_format_is_rendered_while_somebody_asks_for_it_and_the_other_is_not() -> None:
    prepared: list[MetricsFormat] = []

    def prepare(wanted: MetricsFormat) -> Callable[[], bytes]:
        prepared.append(wanted)
        return wanted.name.encode

    async def story() -> None:
        page = ScrapedPage(prepare)
        running = asyncio.create_task(page.run())
        page.changed()
        assert (await page.newest(OPEN)).text == b"OPEN_METRICS"
        page.changed()
        await eventually("a page with the new figures", lambda: prepared == [OPEN, OPEN])
        assert (await page.newest(TEXT)).text == b"TEXT"
        assert prepared == [OPEN, OPEN, TEXT]
        running.cancel()

    asyncio.run(story())
