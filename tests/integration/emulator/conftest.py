import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lab.emulator import Emulator
from tests.integration.emulator.worker_process import Worker


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
