"""Errors and delays that a test puts in the way of system calls, and a count of the calls."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from resctrl_emulator.status import refuse

__all__ = ["OPERATIONS", "Fault", "Faults"]

OPERATIONS = ("getattr", "opendir", "readdir", "mkdir", "rmdir", "rename", "open", "read", "write")
"""What can fail. FUSE asks getattr for every name that it looks up on the way to a file."""
ANY = "*"


@dataclass(slots=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        operation: of `OPERATIONS`, or `*`.
        path: from the root of the file system, with the wildcards of fnmatch (`*` also crosses `/`).
        errno: the error; None lets the call go on.
        delay_seconds: how long it takes longer.
        skip: so many matching calls go unharmed first.
        times: it happens so often, None is for ever.
        hits: how often it has happened.
    """

    operation: str
    path: str
    errno: int | None
    delay_seconds: float = 0.0
    skip: int = 0
    times: int | None = None
    hits: int = 0

    def matches(self, operation: str, path: str) -> bool:
        """Whether a call is meant."""
        return self.operation in {ANY, operation} and fnmatchcase(path, self.path)


class Faults:
    """Asked before every system call that reaches the file system.

    A delay holds up every other call, as the kernel's reads hold rdtgroup_mutex while they wait for a CPU of their
    domain (since 6.9 a work item there). The control socket answers meanwhile.

    Args:
        sleep: how time goes by.

    Attributes:
        calls: how many there were of each operation.
        contents: by path what a file says instead of what it has to say: as other kernels write it, or as garbage.
    """

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep = sleep
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self.calls: Counter[str] = Counter()
        self.contents: dict[str, bytes] = {}

    def add(self, fault: Fault) -> None:
        """Let something go wrong from now on."""
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Let nothing go wrong any more, and count calls from zero."""
        with self._lock:
            self._faults.clear()
            self.calls.clear()
            self.contents.clear()

    def added(self) -> list[Fault]:
        """Those that were added since the last `clear`, spent ones too."""
        with self._lock:
            return list(self._faults)

    def meet(self, operation: str, path: Callable[[], str]) -> None:
        """Count a call, and let go wrong what is to.

        Args:
            operation: of `OPERATIONS`.
            path: called only if there is any fault.

        Raises:
            OSError: of the first fault that has one.
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
