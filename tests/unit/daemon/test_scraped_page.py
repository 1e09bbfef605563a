import asyncio
from collections.abc import Callable

from cachemon.daemon.metrics_formats import MetricsFormat
from cachemon.daemon.scraped_page import ScrapedPage

TEXT, OPEN = MetricsFormat.TEXT, MetricsFormat.OPEN_METRICS


def test_a_format_is_rendered_when_somebody_asks_for_it_and_the_other_is_not() -> None:
    prepared: list[MetricsFormat] = []

    def prepare(wanted: MetricsFormat) -> Callable[[], bytes]:
        prepared.append(wanted)
        return wanted.name.encode

    async def story() -> None:
        page = ScrapedPage(prepare)
        page.changed()
        assert (await page.newest(OPEN)).text == b"OPEN_METRICS"
        assert (await page.newest(TEXT)).text == b"TEXT"
        assert prepared == [OPEN, TEXT]

    asyncio.run(story())
