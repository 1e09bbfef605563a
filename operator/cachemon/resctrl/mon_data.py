"""Reading mon_data: descriptors are kept, and one pread(2) gives one fresh value.

Seen on Linux 6.1.192 and 7.3.4: pread at offset 0 of a kept descriptor gives a new value each time; after the
group or the cache block has gone it gives ENODEV for ever, so the file is then opened anew.
"""

import errno
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

from cachemon.model.readings import Missing, Reading, parse_readings
from cachemon.resctrl.system_calls import SystemCalls
from cachemon.resctrl.tree_reader import block_directory

__all__ = ["CounterReader", "Sweep"]

_LONGEST_VALUE = 24  # a u64 has 20 digits; a short buffer spares the interpreter a copy
_NOT_OPEN = -1
_GONE = (errno.ENODEV, errno.ENOENT, errno.ENOTDIR)
_AT_ONCE_SECONDS = 0.01
"""A sweep that takes no longer is as good as one moment: it makes a rate over a second wrong by 1 % at the most."""


class Sweep(NamedTuple):
    """What all files said, in the order of `CounterReader.keep`.

    Attributes:
        identities: of each group's directory the inode; 0 when it has gone.
        values: per group, then cache block, then event.
        missing: the reasons among the values.
        time: monotonic seconds at which it began.
        late: for each value how many seconds later it was read; empty when all were as good as at once.
        timed: whether it is known when each value was read.
    """

    identities: Sequence[int]
    values: Sequence[Reading]
    missing: frozenset[Missing]
    time: float
    late: Sequence[float] = ()
    timed: bool = True


class _OpenGroup:
    """One group's kept descriptors."""

    def __init__(self, calls: SystemCalls, directory: Path, blocks: Sequence[int], events: Sequence[str]) -> None:
        self._calls = calls
        self.wanted = (blocks, events)
        self.identity = 0
        self.files: list[int] = [_NOT_OPEN] * (len(blocks) * len(events))
        self.why: Missing = Missing.OFFLINE
        try:
            root = calls.open(directory, os.O_PATH | os.O_DIRECTORY)
        except OSError as err:
            self.why = _why(err)
            return
        # The files are opened below the very directory that is identified: one that is removed and made again
        # meanwhile can't lend the old one's inode to the new one's counters.
        try:
            self.identity = calls.inode(root)
        except OSError as err:
            self.why = _why(err)
        else:
            paths = (block_directory(Path(), block) / event for block in blocks for event in events)
            for position, path in enumerate(paths):
                self._open(position, path, root)
        finally:
            calls.close(root)

    def _open(self, position: int, path: Path, root: int) -> None:
        try:
            self.files[position] = self._calls.open(path, os.O_RDONLY, dir_fd=root)
        except OSError as err:
            self.why = _why(err)

    @property
    def is_whole(self) -> bool:
        return _NOT_OPEN not in self.files

    def close(self) -> None:
        for descriptor in self.files:
            if descriptor != _NOT_OPEN:
                self._calls.close(descriptor)


class CounterReader:
    """Counters of a changing set of groups. Used by one thread at a time.

    Args:
        calls: the kernel.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        calls: SystemCalls | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._calls = calls or SystemCalls()
        self._pread = self._calls.pread
        self._clock = clock
        self._was_quick = False
        self._groups: dict[Path, _OpenGroup] = {}
        self._identities: tuple[int, ...] = ()
        self._descriptors: list[int] = []
        self._not_open: list[tuple[int, Missing]] = []

    def keep(self, wanted: Mapping[Path, Sequence[str]], blocks: Iterable[int], gone: Iterable[Path] = ()) -> None:
        """Hold descriptors for exactly these files, in this order.

        Args:
            wanted: the groups' directories, and the counters that are read of each.
            blocks: cache ids.
            gone: directories that gave `Missing.OFFLINE`: opened anew. So is what could not be opened before.
        """
        ids, opened_anew = tuple(blocks), set(gone)
        held, self._groups = self._groups, {}
        for directory, events in wanted.items():
            group = held.pop(directory, None)
            if group and (group.wanted != (ids, events) or directory in opened_anew or not group.is_whole):
                group.close()
                group = None
            self._groups[directory] = group or _OpenGroup(self._calls, directory, ids, events)
        for group in held.values():
            group.close()
        self._identities = tuple(group.identity for group in self._groups.values())
        files = [(descriptor, group.why) for group in self._groups.values() for descriptor in group.files]
        self._descriptors = [descriptor for descriptor, _ in files if descriptor != _NOT_OPEN]
        self._not_open = [(place, why) for place, (descriptor, why) in enumerate(files) if descriptor == _NOT_OPEN]

    def read(self) -> Sweep:
        """One pread per value, nothing else. A group or block that has gone reads `Missing.OFFLINE`.

        After a sweep that took its time each value of the next is timed. One that is slow without warning is not:
        then the sweep says so.
        """
        timing, began = not self._was_quick, self._clock()
        texts, late = self._timed(began) if timing else (self._at_once(), [])
        self._was_quick = self._clock() - began <= _AT_ONCE_SECONDS
        for place, why in self._not_open:
            texts.insert(place, why)
            if timing:
                late.insert(place, 0.0)
        values, missing = parse_readings(texts)
        if self._was_quick:
            late = []
        return Sweep(self._identities, values, missing, began, late, timing or self._was_quick)

    def _at_once(self) -> list[bytes | Missing]:
        texts: list[bytes | Missing] = []
        answers = map(self._pread, self._descriptors, repeat(_LONGEST_VALUE), repeat(0))
        while True:
            try:
                texts.extend(answers)
            except OSError as err:  # of one file: those before it are in the list, those after it are still to come
                texts.append(_why(err))
            else:
                return texts

    def _timed(self, began: float) -> tuple[list[bytes | Missing], list[float]]:
        """A read that is slow waits first, for the mutex or for a CPU, and then looks: its end is its time."""
        texts: list[bytes | Missing] = []
        late: list[float] = []
        for descriptor in self._descriptors:
            try:
                texts.append(self._pread(descriptor, _LONGEST_VALUE, 0))
            except OSError as err:
                texts.append(_why(err))
            late.append(self._clock() - began)
        return texts, late

    @property
    def is_whole(self) -> bool:
        """Whether every file could be opened."""
        return not self._not_open

    def close(self) -> None:
        """Let go of every descriptor."""
        self.keep({}, ())


def _why(err: OSError) -> Missing:
    return Missing.OFFLINE if err.errno in _GONE else Missing.ERROR
