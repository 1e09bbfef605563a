import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lab.emulator import Emulator

WORKER = Path(__file__).with_name("worker.py")


class Worker:
    """A process whose threads do what a test says."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.pid = self.process.pid
        self._ask("ready")

    def thread(self) -> int:
        return int(self._ask("thread"))

    def fork(self) -> int:
        return int(self._ask("fork"))

    def burn(self, tid: int) -> None:
        self._ask(f"burn {tid}")

    def stop(self) -> None:
        self.process.communicate()

    def _ask(self, line: str) -> str:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that other users may enter."""
    path = Path(tempfile.mkdtemp(prefix="cachemon-emulator-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def mount(place: Path) -> Iterator[Callable[..., Emulator]]:
    """Start emulators that end with the test."""
    if os.geteuid() != 0 or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("mounting needs root and /dev/fuse")
    with ExitStack() as stack:

        def start(**options: object) -> Emulator:
            return stack.enter_context(Emulator(place, **options))  # type: ignore[arg-type]

        yield start


@pytest.fixture
def emulator(mount: Callable[..., Emulator]) -> Emulator:
    """An emulator as it is by default."""
    return mount()


@pytest.fixture
def worker() -> Iterator[Worker]:
    process = Worker()
    yield process
    process.stop()
