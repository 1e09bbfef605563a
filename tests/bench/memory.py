"""Memory of programs as a pod's limit sees it: what they take, at their most, and an end where they take too much."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import yaml

from lab.repository import REPOSITORY
from tests.bench.background import Background

_POLL_SECONDS = 0.02
_UNITS = {"Mi": 1, "Gi": 1024}


def pod_limit_mib(program: str) -> int:
    """MiB that the chart's values allow a program's pod.

    Args:
        program: `agent` or `operator`.
    """
    values = yaml.safe_load((REPOSITORY / "charts/cachemon/values.yaml").read_text())
    text: str = values[program]["resources"]["limits"]["memory"]
    return int(text[:-2]) * _UNITS[text[-2:]]


def rss_mib(pid: int) -> float:
    """Resident memory of a process in MiB; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")), 0.0)


class MemoryWatch(Background):
    """Watches a process as its pod's memory cgroup would; it is killed beyond the limit.

    Without it a program that takes all memory would take that of the machine.

    Args:
        pid: of the process, a child of this one that nobody has waited for; None while it has not started.
        limit_mib: where it ends.

    Attributes:
        peak_mib: the most that was seen.
        killed: whether it went beyond the limit.
    """

    def __init__(self, pid: Callable[[], int | None], limit_mib: float) -> None:
        super().__init__("memory watch")
        self._pid = pid
        self._limit = limit_mib
        self.peak_mib = 0.0
        self.killed = False

    def mean_mib(self, seconds: float) -> float:
        """Mean of what it takes during the next seconds."""
        end, seen = time.monotonic() + seconds, [self._now_mib()]
        while time.monotonic() < end and not self.killed:
            time.sleep(_POLL_SECONDS * 5)
            seen.append(self._now_mib())
        return sum(seen) / len(seen)

    def _now_mib(self) -> float:
        pid = self._pid()
        return rss_mib(pid) if pid else 0.0

    def work(self) -> None:
        """Look at its memory, and kill it beyond the limit."""
        while not self.over.wait(_POLL_SECONDS):
            self.peak_mib = max(self.peak_mib, now := self._now_mib())
            if now > self._limit and (pid := self._pid()):
                self.killed = True
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                return
