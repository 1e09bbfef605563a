"""Reading mon_data: descriptors are kept, and one pread(2) gives one fresh value.

Seen on Linux 6.1.192 and 7.3.4: pread at offset 0 of a kept descriptor gives a new value each time; after the
group or the cache block has gone it gives ENODEV for ever, so the file is then opened anew.
"""

import errno
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from cachemon.model.readings import Missing, Reading, parse_reading
from cachemon.resctrl.tree import block_directory, block_ids

__all__ = ["CounterReader", "GroupReadings"]

_LONGEST_VALUE = 64


class GroupReadings(NamedTuple):
    """All counters of one group.

    Attributes:
        identity: inode of the group's directory; 0 when it has gone.
        blocks: by cache id, then event: what the file said.
    """

    identity: int
    blocks: Mapping[int, Mapping[str, Reading]]


class _OpenGroup:
    """One group's kept descriptors."""

    def __init__(self, directory: Path, events: Iterable[str]) -> None:
        self.identity = 0
        self.files: dict[int, dict[str, int | None]] = {}
        try:
            self.identity = directory.stat().st_ino
        except OSError:
            return
        for block in block_ids(directory / "mon_data"):
            path = block_directory(directory, block)
            self.files[block] = {event: _open(path / event) for event in events}

    def read(self) -> GroupReadings:
        return GroupReadings(
            self.identity,
            {
                block: {event: _pread(descriptor) for event, descriptor in files.items()}
                for block, files in self.files.items()
            },
        )

    def close(self) -> None:
        for files in self.files.values():
            for descriptor in files.values():
                if descriptor is not None:
                    os.close(descriptor)


class CounterReader:
    """Counters of a changing set of groups. Used by one thread at a time."""

    def __init__(self) -> None:
        self._groups: dict[Path, _OpenGroup] = {}

    def keep(self, directories: Iterable[Path], events: Iterable[str], *, afresh: bool = False) -> None:
        """Hold descriptors for exactly these groups.

        Args:
            directories: of the groups; those already held stay open.
            events: names of the counters.
            afresh: open all anew: cache blocks or events have come or gone.
        """
        events, wanted = tuple(events), set(directories)
        for directory in list(self._groups):
            if afresh or directory not in wanted:
                self._groups.pop(directory).close()
        for directory in wanted - self._groups.keys():
            self._groups[directory] = _OpenGroup(directory, events)

    def read(self) -> dict[Path, GroupReadings]:
        """One pread per value, nothing else. A group or block that has gone reads `Missing.OFFLINE`."""
        return {directory: group.read() for directory, group in self._groups.items()}

    def close(self) -> None:
        """Let go of every descriptor."""
        for group in self._groups.values():
            group.close()
        self._groups.clear()


def _open(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


def _pread(descriptor: int | None) -> Reading:
    if descriptor is None:
        return Missing.OFFLINE
    try:
        return parse_reading(os.pread(descriptor, _LONGEST_VALUE, 0))
    except OSError as err:
        return Missing.OFFLINE if err.errno in (errno.ENODEV, errno.ENOENT) else Missing.ERROR
