"""The command `web` of both programs: it serves the page until Ctrl-C, and opens a browser on it."""

import argparse
import asyncio
import os
import sys
import webbrowser
from collections.abc import Awaitable, Callable, Mapping
from typing import TextIO

from cachemon.web.page_assets import read_assets
from cachemon.web.page_server import open_page
from cachemon.web.page_source import PageSource

_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME", "BROWSER")
"""Where one is set, a browser can start that is no program of the terminal."""

REMARK = "this address shows what you may see to whoever has it; Ctrl-C ends the page"


def has_display(environment: Mapping[str, str], platform: str = sys.platform) -> bool:
    """Whether a browser can open a window.

    Args:
        environment: of this process.
        platform: as of `sys.platform`.
    """
    return platform == "darwin" or any(environment.get(name) for name in _DISPLAYS)


async def serve_page(
    source: PageSource,
    renewing: Awaitable[object],
    args: argparse.Namespace,
    *,
    out: TextIO,
    remark: Callable[[str], None],
    open_browser: Callable[[str], bool] | None = None,
) -> int:
    """Serve the page for as long as its source is renewed.

    Args:
        source: of the figures.
        renewing: keeps the source up to date; the page ends with it.
        args: with the options of `add_page_options` (page_options.py).
        out: where the address goes.
        remark: prints what is no answer.
        open_browser: starts a browser at an address; None for the person's own, where there is a display.

    Returns:
        The exit code.

    Raises:
        InvalidInputError: the port can't be had, or the files of the page are missing.
    """
    if open_browser is None and has_display(os.environ):
        open_browser = webbrowser.open
    async with open_page(source, read_assets(), port=args.port) as addresses:
        print(addresses.lasting, file=out, flush=True)  # a program may read it from a pipe
        remark(REMARK)
        if (
            open_browser is not None
            and not args.no_open
            and not await asyncio.to_thread(open_browser, addresses.once)
        ):
            remark("no browser could be started: open the address in one")
        await renewing
    return 0
