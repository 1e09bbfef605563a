"""The guests of one test run: booted when the first test asks, as many at a time as there is room for."""

import os
import time
from collections.abc import Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Self

from lab.kernel.guest import ALLOCATION, ASSIGNED, CLUSTERED, MONITORING, STARVED, Guest, Mode
from lab.kernel.packages import Kernel
from lab.wait import GaveUpError, until
from tests.integration.kernel import (
    allocation,
    assigned,
    clustered,
    engine,
    hotplug,
    kernel_only,
    moving,
    rmids,
    starved,
)
from tests.integration.kernel.machine import checks_of

SUITES: Mapping[Mode, tuple[ModuleType, ...]] = {
    MONITORING: (engine, hotplug, kernel_only, moving, rmids),
    ALLOCATION: (engine, allocation, rmids),
    STARVED: (starved,),
    CLUSTERED: (clustered,),
    ASSIGNED: (assigned,),
}
"""What is run in which guest. Taking a CPU offline crashes Linux 7.3.4 with the `isolcpus=` of ALLOCATION."""

NEEDS_MOVING_COUNTERS = frozenset(checks_of(moving))
"""Tests that are run only in guests with the module."""

_PROGRAM = "tests.integration.kernel.inside"
_WITH_MODULE = frozenset({MONITORING, ALLOCATION, STARVED})
"""Modes whose registers are those that rdtmove knows: not AMD's, and no RMID twice in one package."""
_MOST_SECONDS = 400


@dataclass(frozen=True, slots=True)
class Results:
    """The results of one guest.

    Attributes:
        problems: by the name of each test that ended: empty, or its traceback.
        log_tail: the end of the guest's console.
        seconds: from power-on to power-off.
    """

    problems: Mapping[str, str]
    log_tail: str
    seconds: float

    def check(self, test: str) -> None:
        """Fail as the test failed in the guest."""
        assert test in self.problems, f"the guest ended before the end of {test}\n{self.log_tail}"
        problem = self.problems[test]
        assert not problem, f"in the guest:\n{problem}"


class Fleet:
    """Guests by mode.

    Args:
        kernel: what they boot.
        folder: for their files.
        modes: those that will be asked for.
        module: kernel module that makes counters move, or None.
    """

    def __init__(self, kernel: Kernel, folder: Path, modes: Collection[Mode], module: Path | None) -> None:
        self._kernel = kernel
        self._folder = folder
        self._module = module
        self._guests: list[Guest] = []
        # one processor is for the guest that runs an agent, and for what it talks to
        self._pool = ThreadPoolExecutor(max(1, (os.cpu_count() or 1) - 1), "guest")
        self._results: dict[Mode, Future[Results]] = {mode: self._pool.submit(self._run, mode) for mode in modes}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        for guest in self._guests:
            guest.stop()
        self._pool.shutdown()

    def results(self, mode: Mode) -> Results:
        """The results of the guest of this mode; waits for them."""
        return self._results[mode].result()

    def _run(self, mode: Mode) -> Results:
        folder = self._folder / mode.name
        folder.mkdir()
        began = time.monotonic()
        module = self._module if mode in _WITH_MODULE else None
        orders: dict[str, Any] = {
            "suites": [suite.__name__ for suite in SUITES[mode] if module or suite is not moving],
            "moving": module is not None,
        }
        guest = Guest(self._kernel, mode, _PROGRAM, folder, orders=orders, module=module)
        self._guests.append(guest)
        problem = ""
        try:
            until(f"guest {mode.name} to end", lambda: not guest.running, seconds=_MOST_SECONDS)
        except GaveUpError as error:
            problem = f"{error}\n"
            guest.stop()
        reports = [report for report in guest.reports() if "test" in report]
        problems = {report["test"]: report["problem"] for report in reports}
        (folder / "initrd.cpio").unlink(missing_ok=True)
        return Results(problems, problem + guest.log_tail(), time.monotonic() - began)


def every_test() -> list[tuple[Mode, str]]:
    """(mode, name of the test) in the order in which they are run."""
    return [(mode, name) for mode, modules in SUITES.items() for name in checks_of(*modules)]
