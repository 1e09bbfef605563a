"""Chromium for tests of the page, and what a tab did that it may not do."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, sync_playwright

_REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) => {
  console.error(`securitypolicyviolation: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});
"""


def chromium() -> str | None:
    """Path of Debian's Chromium; None where there is none."""
    return shutil.which("chromium")


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start Chromium.

    Raises:
        FileNotFoundError: there is none.
    """
    path = chromium()
    if path is None:
        raise FileNotFoundError("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        try:
            yield browser
        finally:
            browser.close()


@dataclass(frozen=True, slots=True)
class Tab:
    """A tab of the browser.

    Attributes:
        page: Playwright's.
        problems: errors of scripts, on the console, and of the Content-Security-Policy.
        hosts: where its requests went, with their ports.
    """

    page: Page
    problems: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)


@contextmanager
def open_tab(
    browser: Browser, *, width: int = 1280, height: int = 800, dark: bool = False, reduced_motion: bool = True
) -> Iterator[Tab]:
    """A tab in a context of its own: nothing is kept from others."""
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce" if reduced_motion else "no-preference",
    )
    context.add_init_script(_REPORT_VIOLATIONS)
    tab = Tab(context.new_page())
    tab.page.on("console", lambda message: tab.problems.append(message.text) if message.type == "error" else None)
    tab.page.on("pageerror", lambda error: tab.problems.append(str(error)))
    tab.page.on("request", lambda request: tab.hosts.add(urlsplit(request.url).netloc))
    try:
        yield tab
    finally:
        context.close()


def wait_until_drawn(page: Page) -> None:
    """The head shows before the rows do: wait for a row, or for what stands where there is none."""
    page.locator(".row, main h2").first.wait_for(state="attached")
