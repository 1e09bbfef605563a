"""The page in the browser: how soon it shows a large fleet, and what an answer of the server costs it."""

from collections.abc import Callable, Iterator
from functools import partial
from statistics import median

from playwright.sync_api import Browser, Page

from cachemon.web.page_answer import json_answer
from cachemon.web.page_assets import read_assets
from cachemon.web.state_changes import ChangeLog
from tests.bench.measure import Bench, CannotRunError, Figure
from tests.web.browser import chromium, open_browser, open_tab
from tests.web.generated_fleet import GeneratedFleet
from tests.web.served_page import ServedPage, serve_page

NODES = 1_000
GROUPS = 10_000
_KIB = 1024

_SHOWN = """() => new Promise((resolve) => {
  const look = () => {
    if (document.querySelector(".row .segment")) setTimeout(() => resolve(performance.now()));
    else requestAnimationFrame(look);
  };
  look();
})"""
"""Milliseconds from the beginning of the navigation until the frame with the first bars is done."""

_REFRESHED = """() => new Promise((resolve) => {
  new PerformanceObserver((list, observer) => {
    const [refresh] = list.getEntriesByName("cachemon:refresh");
    if (!refresh) return;
    observer.disconnect();
    resolve();
  }).observe({ type: "measure" });
}).then(() => new Promise((resolve) => {
  requestAnimationFrame(() => setTimeout(resolve));
}))"""
"""Ends with the frame that shows the next answer."""


class PageThread:
    """The thread of a page that runs scripts, lays out and paints.

    Its processor time is that of the page, however busy the machine is.
    """

    def __init__(self, page: Page) -> None:
        self._session = page.context.new_cdp_session(page)
        self._session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def busy_ms(self) -> float:
        """Processor time so far."""
        metrics = {it["name"]: it["value"] for it in self._session.send("Performance.getMetrics")["metrics"]}
        return 1000 * float(metrics["TaskDuration"])


def first_paint_ms(browser: Browser, served: ServedPage, rounds: int) -> tuple[float, float]:
    """Median wall time, and processor time of the page, until rows show in a browser that has nothing of the page."""
    wall, busy = [], []
    for _ in range(rounds):
        with open_tab(browser) as tab:
            thread = PageThread(tab.page)
            tab.page.goto(served.address, wait_until="commit")
            wall.append(float(tab.page.evaluate(_SHOWN)))
            busy.append(thread.busy_ms())
    return median(wall), median(busy)


def refresh_ms(page: Page, served: ServedPage, advance: Callable[[], None], rounds: int) -> float:
    """Median processor time of the page from one answer of the server to the frame that shows the next one."""
    thread = PageThread(page)
    times = []
    for _ in range(rounds):
        before = thread.busy_ms()
        served.call(advance)
        page.evaluate(_REFRESHED)
        times.append(thread.busy_ms() - before)
    return median(times)


def sent_kib(fleet: GeneratedFleet) -> tuple[float, float]:
    """All that a page gets until it has every row, and its other views: as it is, and compressed."""
    state = json_answer(ChangeLog().answer(fleet.state(), None))
    assets = read_assets().values()
    plain = len(state.body) + sum(len(asset.content) for asset in assets)
    compressed = len(state.compressed) + sum(len(asset.compressed) for asset in assets)
    return plain / _KIB, compressed / _KIB


def run(divisor: int) -> Iterator[Figure]:
    """All six."""
    if chromium() is None:
        raise CannotRunError("there is no chromium: apt-get install chromium")
    fleet = GeneratedFleet(max(NODES // divisor, 20), max(GROUPS // divisor, 200))
    rounds = max(2, 9 // divisor)
    with serve_page(fleet) as served, open_browser() as browser:
        wall, busy = first_paint_ms(browser, served, rounds)
        yield Figure("web.first_paint_ms", wall, "ms")
        yield Figure("web.first_paint_busy_ms", busy, "ms")
        with open_tab(browser) as tab:
            tab.page.goto(served.address)
            tab.page.evaluate(_SHOWN)
            yield Figure("web.refresh_ms", refresh_ms(tab.page, served, fleet.advance, rounds), "ms")
            every = partial(fleet.advance, all_nodes=True)
            yield Figure("web.refresh_all_ms", refresh_ms(tab.page, served, every, rounds), "ms")
    plain, compressed = sent_kib(fleet)
    yield Figure("web.kib", plain, "KiB")
    yield Figure("web.compressed_kib", compressed, "KiB")


BENCH = Bench(
    "web",
    f"the page in Chromium, {NODES} nodes / {GROUPS} groups: until rows show, and the processor time of that; "
    "processor time of an answer in which each 30th node is new, and every node; all that is sent",
    run,
)
