"""Reads mon_data: files stay open, and one pread(2) returns one new value.

Observed on Linux 6.1.192 and 7.3.4: pread at offset 0 of an open file returns a new value each time. After the
removal of the group or the cache block it always returns ENODEV, so the file must be opened again.
"""

import errno
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple

from cachemon.model.readings import Missing, Reading, parse_readings
from cachemon.resctrl.system_calls import SystemCalls
from cachemon.resctrl.tree_reader import block_directory

_LONGEST_VALUE = 24  # a u64 has 20 digits; a short buffer spares the interpreter a copy
_NOT_OPEN = -1
_GONE = (errno.ENODEV, errno.ENOENT, errno.ENOTDIR)
_AT_ONCE_SECONDS = 0.01
"""Longest duration of a sweep that counts as one moment. It makes a rate over a second wrong by at most 1 %."""


PlaceId = int | tuple[int, int]
"""A cache block, a CPU package, or a NUMA node of a cache block."""


class Sweep(NamedTuple):
    """The values of all files from one pass, in the order of `CounterReader.keep`.

    Attributes:
        identities: inode of each group's directory; 0 if it has gone.
        values: by group, then cache block, then event.
        missing: the reasons among the values.
        time: monotonic seconds at the start.
        late: seconds from the start to the read of each value; empty if the sweep counts as one moment.
        timed: whether the time of each read is known.
    """

    identities: Sequence[int]
    values: Sequence[Reading]
    missing: frozenset[Missing]
    time: float
    late: Sequence[float] = ()
    timed: bool = True


class _OpenGroup:
    """The open files of one group."""

    def __init__(
        self,
        calls: SystemCalls,
        directory: Path,
        blocks: Sequence[PlaceId],
        events: Sequence[str],
        directory_of: Callable[[Path, Any], Path],
    ) -> None:
        self._calls = calls
        self.wanted = (blocks, events)
        self.identity = 0
        self.files: list[int] = [_NOT_OPEN] * (len(blocks) * len(events))
        self.reason: Missing = Missing.OFFLINE
        try:
            root = calls.open(directory, os.O_PATH | os.O_DIRECTORY)
        except OSError as err:
            self.reason = _reason_of(err)
            return
        # Opens the files below the open directory whose inode it takes. So the inode and the counters belong together
        # even if another program removes the directory and creates it again in between.
        try:
            self.identity = calls.inode(root)
        except OSError as err:
            self.reason = _reason_of(err)
        else:
            paths = (directory_of(Path(), block) / event for block in blocks for event in events)
            for position, path in enumerate(paths):
                self._open(position, path, root)
        finally:
            calls.close(root)

    def _open(self, position: int, path: Path, root: int) -> None:
        try:
            self.files[position] = self._calls.open(path, os.O_RDONLY, dir_fd=root)
        except OSError as err:
            self.reason = _reason_of(err)

    @property
    def is_whole(self) -> bool:
        return _NOT_OPEN not in self.files

    def close(self) -> None:
        for descriptor in self.files:
            if descriptor != _NOT_OPEN:
                self._calls.close(descriptor)


class CounterReader:
    """Reads the counters of a changing set of groups. Not safe for use by several threads at once.

    Args:
        calls: the kernel.
        clock: monotonic seconds.
        directory_of: the directory below a group's that has the files of a `PlaceId`.
        parse: makes readings of the content of files.
    """

    def __init__(
        self,
        calls: SystemCalls | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        directory_of: Callable[[Path, Any], Path] = block_directory,
        parse: Callable[[Sequence[bytes | Missing]], tuple[Sequence[Reading], frozenset[Missing]]] = parse_readings,
    ) -> None:
        self._directory_of = directory_of
        self._parse = parse
        self._calls = calls or SystemCalls()
        self._pread = self._calls.pread
        self._clock = clock
        self._was_quick = False
        self._groups: dict[Path, _OpenGroup] = {}
        self._identities: tuple[int, ...] = ()
        self._descriptors: list[int] = []
        self._not_open: list[tuple[int, Missing]] = []

    def keep(
        self, wanted: Mapping[Path, Sequence[str]], blocks: Iterable[PlaceId], gone: Iterable[Path] = ()
    ) -> None:
        """Keep exactly these files open, in this order.

        Args:
            wanted: the counters to read, by the directory of the group.
            blocks: cache ids, or what else `directory_of` takes.
            gone: directories whose values were `Missing.OFFLINE`, to open again. Files that could not be opened
                before are always opened again.
        """
        ids, open_again = tuple(blocks), set(gone)
        held, self._groups = self._groups, {}
        for directory, events in wanted.items():
            group = held.pop(directory, None)
            if group and (group.wanted != (ids, events) or directory in open_again or not group.is_whole):
                group.close()
                group = None
            self._groups[directory] = group or _OpenGroup(self._calls, directory, ids, events, self._directory_of)
        for group in held.values():
            group.close()
        self._identities = tuple(group.identity for group in self._groups.values())
        files = [(descriptor, group.reason) for group in self._groups.values() for descriptor in group.files]
        self._descriptors = [descriptor for descriptor, _ in files if descriptor != _NOT_OPEN]
        self._not_open = [
            (place, reason) for place, (descriptor, reason) in enumerate(files) if descriptor == _NOT_OPEN
        ]

    def read(self) -> Sweep:
        """Read every value with one pread. A group or block that has gone reads `Missing.OFFLINE`.

        After a slow sweep the next one times each read. A slow sweep after a quick one does not know these times
        (`Sweep.timed`).
        """
        timing, began = not self._was_quick, self._clock()
        texts, late = self._timed(began) if timing else (self._at_once(), [])
        self._was_quick = self._clock() - began <= _AT_ONCE_SECONDS
        for place, reason in self._not_open:
            texts.insert(place, reason)
            if timing:
                late.insert(place, 0.0)
        values, missing = self._parse(texts)
        if self._was_quick:
            late = []
        return Sweep(self._identities, values, missing, began, late, timing or self._was_quick)

    def _at_once(self) -> list[bytes | Missing]:
        texts: list[bytes | Missing] = []
        answers = map(self._pread, self._descriptors, repeat(_LONGEST_VALUE), repeat(0))
        while True:
            try:
                texts.extend(answers)
            except (
                OSError
            ) as err:  # one file failed: the list has the values before it, the loop reads those after it
                texts.append(_reason_of(err))
            else:
                return texts

    def _timed(self, began: float) -> tuple[list[bytes | Missing], list[float]]:
        """Read and time each value. A slow read waits before it takes the value: its end is the value's time."""
        texts: list[bytes | Missing] = []
        late: list[float] = []
        for descriptor in self._descriptors:
            try:
                texts.append(self._pread(descriptor, _LONGEST_VALUE, 0))
            except OSError as err:
                texts.append(_reason_of(err))
            late.append(self._clock() - began)
        return texts, late

    @property
    def is_whole(self) -> bool:
        """Whether every file could be opened."""
        return not self._not_open

    def close(self) -> None:
        """Close every file."""
        self.keep({}, ())


def _reason_of(err: OSError) -> Missing:
    return Missing.OFFLINE if err.errno in _GONE else Missing.ERROR
