"""Opens the view of a node or a VM of the story in a tab."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page, expect

from tests.web.browser import open_tab
from tests.web.detail_source import Story
from tests.web.served_page import ServedPage, serve_page

_COUNT_DRAWINGS = """
window.drawn = 0;
const clear = CanvasRenderingContext2D.prototype.clearRect;
CanvasRenderingContext2D.prototype.clearRect = function (...area) {
  window.drawn += 1;
  return clear.apply(this, area);
};
"""


@contextmanager
def opened(
    browser: Browser, story: Story, address: str = "#/node/node01", **options: Any
) -> Iterator[tuple[Page, ServedPage]]:
    """A view with its charts drawn; at the end nothing may have failed, or been blocked.

    Args:
        browser: Chromium.
        story: what the server knows.
        address: of the view, from the `#` on.
        options: of `open_tab`.
    """
    with serve_page(story) as served, open_tab(browser, **options) as tab:
        tab.page.add_init_script(_COUNT_DRAWINGS)
        tab.page.goto(served.address + address)
        expect(tab.page.locator(".uplot canvas").first).to_be_visible()
        expect(tab.page.locator(".marker").first).to_be_visible()
        yield tab.page, served
        assert tab.problems == []
