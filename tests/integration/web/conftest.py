from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.web.browser import chromium, open_browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For each module anew: Playwright runs an event loop in this thread, where other tests want one of their own."""
    if chromium() is None:
        pytest.skip("there is no chromium: apt-get install chromium")
    expect.set_options(timeout=60_000)  # machines are busy
    with open_browser() as found:
        yield found
