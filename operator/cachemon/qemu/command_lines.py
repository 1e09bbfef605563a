"""Command lines, read under a deadline.

The kernel copies a command line out of the memory of its process, and takes the mmap lock of the process for that. A
process that goes on moving its memory about holds this lock for as long as it likes, and a reader of its command
line waits in the kernel meanwhile. So each read is made in a thread that nobody has to wait for, and one owner has
one such thread at most: it holds up nobody but itself.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cachemon.model.backoff import Backoff

__all__ = ["MOST_READERS", "WAIT_SECONDS", "CommandLine", "CommandLines", "Process"]

log = logging.getLogger(__name__)

CommandLine = tuple[str, ...]

WAIT_SECONDS = 0.2
"""Longest that all reads of one scan together are waited for. A read takes microseconds."""
MOST_READERS = 256
"""Threads that may hang in reads: more than the pods that a kubelet takes (110, --max-pods)."""
_FIRST_REST_SECONDS = 1.0
_LAST_REST_SECONDS = 60.0
_FORGOTTEN_SECONDS = 600.0


class Process(NamedTuple):
    """Which process: with its start time a PID has one meaning."""

    pid: int
    start_time: int


class _Reader:
    """A thread that reads the command lines of one owner's processes, one after the other.

    Attributes:
        answers: what was read so far; None of a process that has gone.
        at: what it reads now.
        seconds: how long all took, once it is done.
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
        except OSError as err:  # no descriptors left: the rest is asked for again
            log.warning("the command line of process %d can't be read now: %s", self.at.pid, err)
        finally:
            self.seconds = time.monotonic() - began
            self.done.set()


@dataclass(frozen=True, slots=True)
class _Rest:
    """An owner that was slow rests until then before another read of it is begun, and longer the next time."""

    until: float
    backoff: Backoff


class CommandLines:
    """Reads command lines for whoever scans. Not safe for use by several threads at once.

    Args:
        read: reads one, by PID; may block.
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
        self._rests: dict[str, _Rest] = {}

    def read(self, wanted: Mapping[str, Sequence[Process]]) -> dict[Process, CommandLine | None]:
        """Read command lines; those that don't come in time may come with a later call.

        Args:
            wanted: by owner the processes; the first ones are read first.

        Returns:
            What was read, by this call or by threads that earlier calls began. None for a process that has gone. A
            process that is missing has to be asked for again.
        """
        self._forget_long_rested()
        answers = self._collect()
        begun: list[_Reader] = []
        for owner, processes in wanted.items():
            rest = [process for process in processes if process not in answers]
            reader = self._begin(owner, rest) if rest else None
            if reader and owner not in self._rests:
                begun.append(reader)
        deadline = time.monotonic() + self._wait_seconds
        for reader in begun:
            reader.done.wait(max(0.0, deadline - time.monotonic()))
        answers |= self._collect()
        self._note_slow(owner for owner in self._readers if owner not in self._rests)
        return answers

    def held_up_by(self, owner: str) -> int | None:
        """The process at which the reader of an owner hangs; None when it does not."""
        reader = self._readers.get(owner)
        return reader.at.pid if reader else None

    def _begin(self, owner: str, processes: Sequence[Process]) -> _Reader | None:
        if owner in self._readers or len(self._readers) >= self._most_readers:
            return None
        if owner in self._rests and self._clock() < self._rests[owner].until:
            return None
        try:
            self._readers[owner] = _Reader(processes, self._read)
        except RuntimeError as err:  # the limit on tasks of the container or unit is reached
            log.warning("no thread can be started to read command lines: %s", err)
        return self._readers.get(owner)

    def _collect(self) -> dict[Process, CommandLine | None]:
        """Take what all readers have, and forget those that are done."""
        answers: dict[Process, CommandLine | None] = {}
        for owner, reader in list(self._readers.items()):
            is_done = reader.done.is_set()  # before its answers are taken: none comes after it
            answers |= dict(reader.answers)
            if is_done:
                del self._readers[owner]
                if owner in self._rests and reader.seconds <= self._wait_seconds:
                    del self._rests[owner]
                    log.info("command lines of %s can be read again", owner)
                elif owner in self._rests:
                    self._rest(owner, self._rests[owner].backoff)
        return answers

    def _note_slow(self, owners: Iterable[str]) -> None:
        for owner in owners:
            self._rest(owner, Backoff(_FIRST_REST_SECONDS, _LAST_REST_SECONDS))
            log.warning(
                "the command line of process %d of %s could not be read in %g s: the process may be holding its mmap "
                "lock; it is put aside and tried again",
                self._readers[owner].at.pid, owner, self._wait_seconds,
            )  # fmt: skip

    def _forget_long_rested(self) -> None:
        now = self._clock()
        forgotten = [owner for owner, rest in self._rests.items() if now > rest.until + _FORGOTTEN_SECONDS]
        for owner in forgotten:
            if owner not in self._readers:
                del self._rests[owner]

    def _rest(self, owner: str, backoff: Backoff) -> None:
        self._rests[owner] = _Rest(self._clock() + backoff.next_seconds(), backoff)
