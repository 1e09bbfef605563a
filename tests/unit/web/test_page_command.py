import argparse
import asyncio
import io
from urllib.request import urlopen

import pytest

from cachemon.web.page_command import REMARK, has_display, serve_page
from cachemon.web.page_options import add_page_options
from tests.unit.web.fixed_source import FixedSource


def options(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_page_options(parser)
    return parser.parse_args(arguments)


class Browser:
    """Stands in for a person's."""

    def __init__(self, *, starts: bool = True) -> None:
        self.starts = starts
        self.pages: list[bytes] = []

    def open(self, address: str) -> bool:
        if self.starts:
            with urlopen(address) as answer:
                assert answer.url != address  # the one with the token, to which it was led
                self.pages.append(answer.read())
        return self.starts


def serve(browser: Browser, *arguments: str) -> tuple[list[str], list[str]]:
    """What the command prints, on both streams."""
    out = io.StringIO()
    err: list[str] = []

    async def run() -> None:
        source = FixedSource()
        renewing = asyncio.Event()
        renewing.set()
        code = await serve_page(
            source,
            renewing.wait(),
            options(*arguments),
            out=out,
            remark=err.append,
            open_browser=browser.open,
        )
        assert code == 0

    asyncio.run(run())
    return out.getvalue().splitlines(), err


def test_a_browser_is_opened_and_the_address_printed() -> None:
    browser = Browser()
    out, err = serve(browser)
    assert b"<!doctype html>" in browser.pages[0].lower()
    assert out[0].startswith("http://127.0.0.1:")
    assert err == [REMARK]


def test_no_browser_is_opened_where_none_is_wanted() -> None:
    browser = Browser()
    serve(browser, "--no-open")
    assert browser.pages == []


def test_a_browser_that_does_not_start_is_a_remark() -> None:
    _, err = serve(Browser(starts=False))
    assert err == [REMARK, "no browser could be started: open the address in one"]


@pytest.mark.parametrize(
    ("environment", "platform", "has_one"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ""}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({"WSL_DISTRO_NAME": "Debian"}, "linux", True),
        ({"BROWSER": "firefox"}, "linux", True),
        ({}, "darwin", True),
    ],
)
def test_without_a_display_no_browser_can_open(environment: dict[str, str], platform: str, *, has_one: bool) -> None:
    assert has_display(environment, platform) == has_one


def test_the_port_is_free_or_chosen() -> None:
    assert options().port == 0
    assert options("--port", "8080").port == 8080


@pytest.mark.parametrize("port", ["-1", "65536", "http", "٣"])
def test_what_is_no_port_is_refused(port: str) -> None:
    with pytest.raises(argparse.ArgumentError, match=r"must be a number from 0 to 65535"):
        options(f"--port={port}")
