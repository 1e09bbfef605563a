"""`python -m tests.unit.daemon.serving_process PORT HEALTH_PORT [TLS_FOLDER]`: serves a page of 1 MB by HTTPS."""

import asyncio
import sys
from pathlib import Path

from cachemon.daemon.metrics_formats import MetricsFormat
from cachemon.daemon.scraped_page import ScrapedPage
from cachemon.daemon.serving import Serving, serve_program
from cachemon.daemon.settings import Address
from cachemon.model.access import Access

PAGE = b"# a page\n" * 110_000


async def judge(token: str, peer: str) -> Access | None:
    assert peer.startswith("127.0.")
    return Access.ALLOWED if token == "good" else Access.UNAUTHENTICATED


async def main(port: str, health_port: str, folder: str = "") -> None:
    tls = Path(folder) if folder else None
    serving = Serving(Address("0.0.0.0", int(port)), Address("127.0.0.1", int(health_port)), tls)
    page = ScrapedPage(lambda wanted: lambda: PAGE + (b"# EOF\n" if wanted is MetricsFormat.OPEN_METRICS else b""))
    async with asyncio.TaskGroup() as tasks:
        serve_program(serving, page, lambda: "", judge, tasks)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
