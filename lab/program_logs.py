"""What the lab's programs write, for the report of a test that fails.

Whoever starts a program says here where its log is. A log is kept open, so that it can be read after its folder has
been removed.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

Ask: TypeAlias = Callable[[], str]

MOST_LOGS = 100
MOST_LINES = 40
MOST_LINE_CHARACTERS = 300
MOST_BYTES = 40_000
"""Of what all logs together are cited with: the end of each."""


class ProgramLogs:
    """The last programs that were started, oldest first.

    Attributes:
        asked: more that has something to say after a failure, by name; each answers text.
    """

    def __init__(self) -> None:
        self.asked: dict[str, Ask] = {}
        self._lock = threading.Lock()  # guests and servers are started by threads
        self._descriptors: OrderedDict[Path, int] = OrderedDict()
        self._marks: dict[Path, int] = {}

    def add(self, log: Path) -> None:
        """A program appends, or will append, to this file; it is there, or its folder is."""
        log = log.absolute()
        with self._lock:
            with suppress(OSError):
                fresh = os.open(log, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
                self._forget(log)
                self._descriptors[log] = fresh
            self._marks.pop(log, None)
            while len(self._descriptors) > MOST_LOGS:
                self._forget(next(iter(self._descriptors)))

    def mark(self) -> None:
        """A test begins: what was written before is not its."""
        with self._lock:
            self._marks = {log: os.fstat(descriptor).st_size for log, descriptor in self._descriptors.items()}

    def since_mark(self) -> str:
        """The ends of all logs that have grown, and what is asked for; at most about MOST_BYTES."""
        with self._lock:
            grown = {
                log: descriptor
                for log, descriptor in self._descriptors.items()
                if os.fstat(descriptor).st_size > self._marks.get(log, 0)
            }
            share = MOST_BYTES // max(1, len(grown) + len(self.asked))
            cited = [_cite(str(log), _end_of(descriptor, share)) for log, descriptor in grown.items()]
        for name, ask in self.asked.items():
            try:
                text = ask()
            except Exception as error:  # noqa: BLE001  the report of a failure must not fail
                text = f"(could not be asked: {error})"
            cited.append(_cite(name, text[-share:]))
        return "\n".join(cited)

    def _forget(self, log: Path) -> None:
        descriptor = self._descriptors.pop(log, None)
        if descriptor is not None:
            os.close(descriptor)


def _end_of(descriptor: int, most_bytes: int) -> str:
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, most_bytes, max(0, size - most_bytes)).decode(errors="replace")


def _cite(name: str, text: str) -> str:
    lines = text.splitlines()[-MOST_LINES:]
    return "\n".join([f"--- {name}", *(line[:MOST_LINE_CHARACTERS] for line in lines)])


LOGS = ProgramLogs()
"""Of all programs that this process has started."""
