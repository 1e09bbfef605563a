"""Keeps the files of a reading plan open, and reads all of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Generic

from cachemon.engine.reading_plan import D, ReadingPlan
from cachemon.model.readings import Missing, Reading
from cachemon.resctrl.mon_data import CounterReader, Sweep
from cachemon.resctrl.tree_writer import ResctrlTree


class PlannedReader(Generic[D]):
    """Keeps the files of a plan open.

    Args:
        tree: the resctrl file system.
        reader: holds the descriptors.
        plan: what to read at first.
    """

    def __init__(self, tree: ResctrlTree, reader: CounterReader, plan: ReadingPlan[D]) -> None:
        self._tree = tree
        self._reader = reader
        self.plan: ReadingPlan[D] = plan
        self._is_open = False
        self._gone: list[Path] = []

    def follow(self, plan: ReadingPlan[D]) -> None:
        """Read this plan from now on."""
        if plan != self.plan:
            self.plan, self._is_open = plan, False

    def read(self) -> Sweep:
        """Read once. As long as the plan is the same, this is one pread per value."""
        if not self._is_open:
            directories = {self._tree.directory(where): events for where, events in self.plan.directories.items()}
            self._reader.keep(directories, (block.id for block in self.plan.blocks), self._gone)
            self._is_open, self._gone = True, []
        sweep = self._reader.read()
        if not self._reader.is_whole or not all(sweep.identities) or Missing.OFFLINE in sweep.missing:
            # Open the files again at the next sample: what is gone may have come back.
            self._gone, self._is_open = self._gone_now(sweep.values), False
        return sweep

    def close(self) -> None:
        """Close every descriptor."""
        self._reader.close()
        self._is_open = False

    def _gone_now(self, values: Sequence[Reading]) -> list[Path]:
        gone, place = [], 0
        for where, events in self.plan.directories.items():
            end = place + len(events) * len(self.plan.blocks)
            if Missing.OFFLINE in values[place:end]:
                gone.append(self._tree.directory(where))
            place = end
        return gone
