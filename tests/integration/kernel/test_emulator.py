"""The engine's tests on the emulator: what passes on a real kernel passes there as well."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cachemon.resctrl.tree_writer import ResctrlTree
from lab.emulator import Emulator
from tests.integration.kernel import allocation, engine, hotplug, rmids
from tests.integration.kernel.machine import Check, Machine, checks_of, home_by_tasks_files
from tests.integration.resctrl.busy_threads import BusyThreads

BLOCKS = {0: 32 << 20, 1: 32 << 20}
OPTIONS: dict[str, dict[str, Any]] = {"6.1": {"profile": "6.1"}, "7.3": {}, "allocation": {"closids": 4}}
SUITES = {
    "6.1": (engine, hotplug, rmids),
    "7.3": (engine, hotplug, rmids),
    "allocation": (engine, hotplug, rmids, allocation),
}


@pytest.fixture
def machine(mode: str) -> Iterator[Machine]:
    if os.geteuid() != 0 or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("mounting needs root and /dev/fuse")
    with ExitStack() as stack:
        place = Path(tempfile.mkdtemp(prefix="cachemon-resctrl-"))
        stack.callback(shutil.rmtree, place, ignore_errors=True)
        emulator = stack.enter_context(Emulator(place, blocks=BLOCKS, rmids=24, **OPTIONS[mode]))
        switch = emulator.control.set_block_online
        yield Machine(
            root=emulator.mountpoint,
            sysfs=emulator.sysfs,
            threads=stack.enter_context(BusyThreads()),
            moving=True,
            take_block_offline=partial(switch, online=False),
            bring_blocks_back=partial(_all_online, switch),
            home_of=partial(home_by_tasks_files, ResctrlTree(emulator.mountpoint)),
        )


def _all_online(switch: Callable[..., None]) -> None:
    for block in BLOCKS:
        switch(block, online=True)


@pytest.mark.parametrize(
    ("mode", "check"),
    [
        pytest.param(mode, check, id=f"{mode}-{name}")
        for mode, suites in SUITES.items()
        for name, check in checks_of(*suites).items()
    ],
)
def test_on_the_emulator(machine: Machine, check: Check) -> None:
    check(machine)
