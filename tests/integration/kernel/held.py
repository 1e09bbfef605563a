"""Kept descriptors whose answers are looked up by group."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from cachemon.model.mon_groups import MonGroupName
from cachemon.model.readings import Reading
from cachemon.resctrl.mon_data import CounterReader
from tests.integration.kernel.machine import Machine

EVENTS = ("llc_occupancy", "mbm_total_bytes", "mbm_local_bytes")


class Answer(NamedTuple):
    """The contents of one group's files: the inode of its directory, and by cache id and event the values."""

    identity: int
    blocks: dict[int, dict[str, Reading]]


class Held:
    """A CounterReader on some groups, with the cache blocks that there are when it opens."""

    def __init__(self, machine: Machine, groups: Sequence[MonGroupName]) -> None:
        self._machine = machine
        self._directories = [machine.tree.directory(where) for where in groups]
        self._reader = CounterReader()
        self._blocks: tuple[int, ...] = ()
        self.open()

    def open(self) -> None:
        """Open every file, anew if it was open."""
        self._blocks = self._machine.tree.block_ids()
        self._reader.keep(dict.fromkeys(self._directories, EVENTS), self._blocks, gone=self._directories)

    def read(self) -> dict[Path, Answer]:
        """One sweep, by directory."""
        sweep = self._reader.read()
        values = iter(sweep.values)
        return {
            directory: Answer(identity, {block: {event: next(values) for event in EVENTS} for block in self._blocks})
            for directory, identity in zip(self._directories, sweep.identities, strict=True)
        }

    def close(self) -> None:
        """Let go of every descriptor."""
        self._reader.close()


@contextmanager
def reader_of(machine: Machine, *groups: MonGroupName) -> Iterator[Held]:
    """Descriptors held on these groups."""
    held = Held(machine, groups)
    try:
        yield held
    finally:
        held.close()
