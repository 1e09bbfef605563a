"""`cachemon host web` as a process, and what it serves."""

import json
import re
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cachemon.model.units import format_bytes
from lab.repository import SOURCES
from lab.server_process import ServerProcess
from lab.wait import until
from tests.integration.host.scene import Scene

_STOP_SECONDS = 10
_ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/\S+/")
_KEY = re.compile(r"  cpu\.cacheoccupancy\.(.+)\.(\d+)\.value=(\d+)")


@contextmanager
def host_page(scene: Scene, folder: Path, before: Sequence[str] = ()) -> Iterator[str]:
    """The address of the page, which is served while the block runs.

    Args:
        scene: the host.
        folder: for its log.
        before: what runs the program, as setpriv with its options.
    """
    place = f"--connect={scene.host.uri}", f"--socket={scene.agent.socket}"
    command = [*before, sys.executable, "-m", "cachemon.host.commands.main", "host", *place, "web", "--no-open"]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": SOURCES, "PYTHONUNBUFFERED": "1"}
    served = ServerProcess(command, folder / "page.log", environment)
    try:
        found = until("the address of the page", lambda: _ADDRESS.search(_log(served)))
        yield found[0]
        assert "Traceback" not in _log(served)
    finally:
        served.stop(_STOP_SECONDS)


def _log(served: ServerProcess) -> str:
    if served.exit_status is not None:
        raise RuntimeError(f"the page has ended: {served.log_tail()}")
    return served.log.read_text(errors="replace")


def ask(address: str, path: str, **parameters: str) -> Any:
    """The JSON at a path of the page."""
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items())
    with urllib.request.urlopen(f"{address}{path}?{query}", timeout=30) as answer:
        return json.load(answer)


def printed_occupancy(scene: Scene, domain: str) -> Mapping[tuple[str, int], int]:
    """What `domstats` prints: bytes by group and cache block."""
    done = scene.run("domstats", domain)
    assert done.code == 0, done
    found = (_KEY.fullmatch(line) for line in done.out.splitlines())
    return {(match[1], int(match[2])): int(match[3]) for match in found if match}


def shown(amount: int) -> str:
    """An amount as tables and the page print it."""
    return format_bytes(amount)
