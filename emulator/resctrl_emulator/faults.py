"""Injected errors, delays and file contents, and a count of system calls."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from resctrl_emulator.status import refuse

OPERATIONS = ("getattr", "opendir", "readdir", "mkdir", "rmdir", "rename", "open", "read", "write")
"""The operations that can fail. FUSE calls getattr for every name on the path to a file."""
ANY = "*"


@dataclass(slots=True)
class Fault:
    """An injected fault.

    Attributes:
        operation: of `OPERATIONS`, or `*`.
        path: from the root of the file system, with the wildcards of fnmatch (`*` also crosses `/`).
        errno: the error; None for a delay alone.
        delay_seconds: the delay.
        skip: number of matching calls to leave alone first.
        times: how often it applies; None for always.
        hits: how often it has applied.
    """

    operation: str
    path: str
    errno: int | None
    delay_seconds: float = 0.0
    skip: int = 0
    times: int | None = None
    hits: int = 0

    def matches(self, operation: str, path: str) -> bool:
        """Whether the fault applies to a call."""
        return self.operation in {ANY, operation} and fnmatchcase(path, self.path)


class Faults:
    """Applies faults to every system call that reaches the file system.

    A delay also delays every other call, as the kernel's reads hold rdtgroup_mutex while they wait for a CPU of their
    domain (since 6.9 a work item there). The control socket answers meanwhile.

    Args:
        sleep: waits for a number of seconds.

    Attributes:
        calls: number of calls by operation.
        contents: content of files by path that replaces their own.
    """

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep = sleep
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self.calls: Counter[str] = Counter()
        self.contents: dict[str, bytes] = {}

    def add(self, fault: Fault) -> None:
        """Inject a fault."""
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Remove all faults, and count calls from zero."""
        with self._lock:
            self._faults.clear()
            self.calls.clear()
            self.contents.clear()

    def added(self) -> list[Fault]:
        """Return the faults added since the last `clear`, including those that no longer apply."""
        with self._lock:
            return list(self._faults)

    def meet(self, operation: str, path: Callable[[], str]) -> None:
        """Count a call, and apply the faults that match it.

        Args:
            operation: of `OPERATIONS`.
            path: returns the path; called only if there is any fault.

        Raises:
            OSError: the error of the first fault that has one.
        """
        self.calls[operation] += 1
        if not self._faults:
            return
        number, delay = self._hit(operation, str(PurePosixPath(path())))
        if delay:
            self._sleep(delay)
        if number is not None:
            refuse(number)

    def _hit(self, operation: str, path: str) -> tuple[int | None, float]:
        delay = 0.0
        with self._lock:
            for fault in self._faults:
                if not fault.matches(operation, path):
                    continue
                if fault.skip:
                    fault.skip -= 1
                elif fault.times is None or fault.hits < fault.times:
                    fault.hits += 1
                    delay += fault.delay_seconds
                    if fault.errno is not None:
                        return fault.errno, delay
        return None, delay
