"""What the guest runs: the tests of the given modules, one after the other, each reported as it ends."""

import importlib
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.kernel.init import RESCTRL, Report
from tests.integration.kernel.machine import Machine, checks_of, home_by_proc
from tests.integration.resctrl.busy_threads import BusyThreads

_SYSFS = Path("/sys")
_LONGEST_LINE = 400


def main(orders: Mapping[str, Any], report: Report) -> None:
    """Run every test of `orders["suites"]`."""
    for name in orders["suites"]:
        for test, check in checks_of(importlib.import_module(name)).items():
            began = time.monotonic()
            print(f"{test} ...", flush=True)
            with real_machine(moving=orders["moving"]) as machine:
                problem = ""
                try:
                    check(machine)
                except Exception as error:  # noqa: BLE001 -- a failed test is what is reported
                    problem = _traceback(error)
            report({"test": test, "seconds": time.monotonic() - began, "problem": problem})
    report({"done": True})


def _traceback(error: Exception) -> str:
    """The traceback with the local variables, as far as a person reads them."""
    inner = error.__traceback__.tb_next if error.__traceback__ else None
    formatted = traceback.TracebackException(type(error), error, inner, capture_locals=True)
    return "\n".join(line[:_LONGEST_LINE] for line in "".join(formatted.format()).splitlines())


@contextmanager
def real_machine(*, moving: bool) -> Iterator[Machine]:
    """This machine; afterwards no group is left and every CPU is online."""
    with BusyThreads() as threads:
        yield Machine(RESCTRL, _SYSFS, threads, moving, take_block_offline, bring_blocks_back, home_by_proc)
    for control_group in [RESCTRL, *(path for path in RESCTRL.iterdir() if (path / "mon_groups").is_dir())]:
        for mon_group in (control_group / "mon_groups").iterdir():
            mon_group.rmdir()
        if control_group != RESCTRL:
            control_group.rmdir()
    bring_blocks_back()


def take_block_offline(block: int) -> None:
    """Take all CPUs of a cache block offline."""
    for cpu in _SYSFS.glob("devices/system/cpu/cpu[0-9]*"):
        if int((cpu / "cache/index3/id").read_text()) == block:
            (cpu / "online").write_text("0")


def bring_blocks_back() -> None:
    """Bring all CPUs online; CPU 0 always is, and has no switch."""
    for switch in _SYSFS.glob("devices/system/cpu/cpu[0-9]*/online"):
        if switch.read_text() == "0\n":
            switch.write_text("1")
