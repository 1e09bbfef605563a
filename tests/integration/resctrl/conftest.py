import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from cachemon.resctrl.tree_writer import ResctrlTree
from lab.emulator import Emulator, limbo
from tests.integration.resctrl.busy_threads import BusyThreads


def start(stack: ExitStack, **options: object) -> Emulator:
    """Mount one that ends with the stack."""
    if os.geteuid() != 0 or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("mounting needs root and /dev/fuse")
    place = Path(tempfile.mkdtemp(prefix="cachemon-resctrl-"))
    stack.callback(shutil.rmtree, place, ignore_errors=True)
    return stack.enter_context(Emulator(place, **options))  # type: ignore[arg-type]


@pytest.fixture
def mount() -> Iterator[Callable[..., Emulator]]:
    """Start emulators that end with the test."""
    with ExitStack() as stack:
        yield lambda **options: start(stack, **options)


@pytest.fixture(scope="session")
def shared_emulator() -> Iterator[Emulator]:
    """A mount takes half a second, so most tests share one. Its freed RMIDs stay in limbo for a while."""
    with ExitStack() as stack:
        yield start(stack, blocks={0: 32 << 20, 1: 32 << 20}, rmids=512)


@pytest.fixture
def emulator(shared_emulator: Emulator) -> Iterator[Emulator]:
    """Two cache blocks, monitoring only, no groups."""
    yield shared_emulator
    for group in (shared_emulator.mountpoint / "mon_groups").iterdir():
        group.rmdir()
    for block in (0, 1):
        shared_emulator.control.set_block_online(block, online=True)
    shared_emulator.control.thaw()


@pytest.fixture
def short_of_rmids(mount: Callable[..., Emulator]) -> ResctrlTree:
    """Eight RMIDs: seven groups."""
    return ResctrlTree(mount(blocks={0: 32 << 20, 1: 32 << 20}, rmids=8, more=[limbo()]).mountpoint)


@pytest.fixture
def tree(emulator: Emulator) -> ResctrlTree:
    return ResctrlTree(emulator.mountpoint)


@pytest.fixture
def threads() -> Iterator[BusyThreads]:
    """Threads of this process that wait until they are asked to work."""
    with BusyThreads() as busy:
        yield busy
