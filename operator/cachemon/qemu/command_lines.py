"""Reads command lines under a deadline.

The kernel copies a command line out of the memory of its process, and takes the mmap lock of the process for that. A
process that keeps remapping its memory can hold this lock for as long as it likes. A reader of its command line waits
in the kernel meanwhile. So a thread per owner makes the reads, and no other thread has to wait for it: a slow owner
delays itself alone.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cachemon.model.backoff import Backoff

log = logging.getLogger(__name__)

CommandLine = tuple[str, ...]

WAIT_SECONDS = 0.2
"""Longest wait for all reads of one scan together. A read takes microseconds."""
MOST_READERS = 256
"""Limit of threads that hang in reads: more than the pods that a kubelet accepts (110, --max-pods)."""
_FIRST_BACKOFF_SECONDS = 1.0
_LAST_BACKOFF_SECONDS = 60.0
_FORGOTTEN_SECONDS = 600.0


class Process(NamedTuple):
    """A PID with the start time that distinguishes it from a later process of the same PID."""

    pid: int
    start_time: int


class _Reader:
    """A thread that reads the command lines of one owner's processes, one after the other.

    Attributes:
        answers: the command lines read so far; None for a process that has gone.
        at: the process that it reads now.
        seconds: the time that all reads took, once they are done.
        done: set at the end.
    """

    def __init__(self, processes: Sequence[Process], read: Callable[[int], CommandLine | None]) -> None:
        self._processes = processes
        self._read = read
        self.answers: dict[Process, CommandLine | None] = {}
        self.at = processes[0]
        self.seconds = 0.0
        self.done = threading.Event()
        threading.Thread(target=self._run, name="command-line", daemon=True).start()

    def _run(self) -> None:
        began = time.monotonic()
        try:
            for process in self._processes:
                self.at = process
                self.answers[process] = self._read(process.pid)
        except OSError as err:  # no descriptors left: a later scan reads the rest
            log.warning("the command line of process %d can't be read now: %s", self.at.pid, err)
        finally:
            self.seconds = time.monotonic() - began
            self.done.set()


@dataclass(frozen=True, slots=True)
class _SlowOwner:
    """An owner whose last read was slow, and when the next one may start."""

    retry_at: float
    backoff: Backoff


class CommandLines:
    """Reads command lines for a scan. Not safe for use by several threads at once.

    Args:
        read: reads the command line of a PID; may block.
        clock: seconds that never go back.
        wait_seconds: see WAIT_SECONDS.
        most_readers: see MOST_READERS.
    """

    def __init__(
        self,
        read: Callable[[int], CommandLine | None],
        *,
        clock: Callable[[], float] = time.monotonic,
        wait_seconds: float = WAIT_SECONDS,
        most_readers: int = MOST_READERS,
    ) -> None:
        self._read = read
        self._clock = clock
        self._wait_seconds = wait_seconds
        self._most_readers = most_readers
        self._readers: dict[str, _Reader] = {}
        self._slow: dict[str, _SlowOwner] = {}

    def read(self, wanted: Mapping[str, Sequence[Process]]) -> dict[Process, CommandLine | None]:
        """Read command lines; a later call returns those that are not read in time.

        Args:
            wanted: processes by owner, in the order in which they are read.

        Returns:
            The command lines that this call or threads of earlier calls read; None for a process that has gone. The
            caller has to ask again for a process that is missing.
        """
        self._forget_old_slow_owners()
        answers = self._collect()
        begun: list[_Reader] = []
        for owner, processes in wanted.items():
            unread = [process for process in processes if process not in answers]
            reader = self._begin(owner, unread) if unread else None
            if reader and owner not in self._slow:
                begun.append(reader)
        deadline = time.monotonic() + self._wait_seconds
        for reader in begun:
            reader.done.wait(max(0.0, deadline - time.monotonic()))
        answers |= self._collect()
        self._note_slow(owner for owner in self._readers if owner not in self._slow)
        return answers

    def held_up_by(self, owner: str) -> int | None:
        """Return the PID at which the reader of an owner hangs; None if there is no such reader."""
        reader = self._readers.get(owner)
        return reader.at.pid if reader else None

    def _begin(self, owner: str, processes: Sequence[Process]) -> _Reader | None:
        if owner in self._readers or len(self._readers) >= self._most_readers:
            return None
        if owner in self._slow and self._clock() < self._slow[owner].retry_at:
            return None
        try:
            self._readers[owner] = _Reader(processes, self._read)
        except RuntimeError as err:  # the limit on tasks of the container or unit is reached
            log.warning("no thread can be started to read command lines: %s", err)
        return self._readers.get(owner)

    def _collect(self) -> dict[Process, CommandLine | None]:
        """Take the answers of all readers, and drop readers that are done."""
        answers: dict[Process, CommandLine | None] = {}
        for owner, reader in list(self._readers.items()):
            is_done = reader.done.is_set()  # before its answers are taken: none comes after it
            answers |= dict(reader.answers)
            if is_done:
                del self._readers[owner]
                if owner in self._slow and reader.seconds <= self._wait_seconds:
                    del self._slow[owner]
                    log.info("command lines of %s can be read again", owner)
                elif owner in self._slow:
                    self._back_off(owner, self._slow[owner].backoff)
        return answers

    def _note_slow(self, owners: Iterable[str]) -> None:
        for owner in owners:
            self._back_off(owner, Backoff(_FIRST_BACKOFF_SECONDS, _LAST_BACKOFF_SECONDS))
            log.warning(
                "the command line of process %d of %s could not be read in %g s: the process may hold its mmap lock; "
                "trying again later",
                self._readers[owner].at.pid, owner, self._wait_seconds,
            )  # fmt: skip

    def _forget_old_slow_owners(self) -> None:
        now = self._clock()
        forgotten = [owner for owner, slow in self._slow.items() if now > slow.retry_at + _FORGOTTEN_SECONDS]
        for owner in forgotten:
            if owner not in self._readers:
                del self._slow[owner]

    def _back_off(self, owner: str, backoff: Backoff) -> None:
        self._slow[owner] = _SlowOwner(self._clock() + backoff.next_seconds(), backoff)
