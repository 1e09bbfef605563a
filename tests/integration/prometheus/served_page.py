"""A page of metrics that is served as programs serve theirs: by HTTPS, for who has the token."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.ports import free_ports
from lab.repository import REPOSITORY
from lab.server_process import ServerProcess

TOKEN = "good"  # what the serving process takes

_SERVE = """
import asyncio, sys
from tests.unit.daemon import serving_process
serving_process.PAGE = sys.argv.pop().encode()
asyncio.run(serving_process.main(*sys.argv[1:]))
"""


@contextmanager
def served(page: str, log: Path, tls: Path | None = None) -> Iterator[int]:
    """Serve a page while the block runs.

    Args:
        page: in the text format.
        log: the file for what the process prints.
        tls: the folder of its certificate; without it the process makes one.

    Yields:
        The port.
    """
    port, health_port = free_ports(2)
    folder = [str(tls)] if tls else []
    process = ServerProcess(
        [sys.executable, "-c", _SERVE, str(port), str(health_port), *folder, page],
        log,
        {"PYTHONPATH": f"{REPOSITORY}:{REPOSITORY}/operator", "PATH": "/usr/bin:/bin"},
    )
    try:
        yield port
    finally:
        process.stop(10)
