"""Sample: read every counter once. Runs in a thread of its own, so that a slow kernel delays nothing else."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from cachemon.agent.figures import Accumulator, Figures
from cachemon.agent.layout import Layout
from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.resctrl.counters import CounterReader
from cachemon.resctrl.tree import ResctrlTree

__all__ = ["Sampler"]


@dataclass(frozen=True, slots=True)
class _Reads:
    """What descriptors are held for: another layout that says the same needs no new ones."""

    groups: tuple[MonGroupName, ...]
    blocks: tuple[int, ...]
    events: tuple[str, ...]


class Sampler:
    """Holds the descriptors and the running totals.

    Args:
        tree: the resctrl file system.
        window_seconds: bandwidths are means over this time.
        clock: monotonic seconds.
        wall_clock: seconds since the epoch.
    """

    def __init__(
        self,
        tree: ResctrlTree,
        window_seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._tree = tree
        self._clock = clock
        self._wall_clock = wall_clock
        self._reader = CounterReader()
        self._reads: _Reads | None = None
        self._accumulator = Accumulator(window_seconds)

    @property
    def gaps(self) -> int:
        """How often a part of a group's traffic could not be counted."""
        return self._accumulator.gaps

    def sample(self, layout: Layout) -> Figures:
        """Read and digest once."""
        reads = _Reads(
            groups=(*(MonGroupName(c, "") for c in (ROOT, *layout.node.control_groups)), *sorted(layout.mon_groups)),
            blocks=tuple(block.id for block in layout.node.blocks),
            events=layout.node.events,
        )
        if layout.node.unavailable:
            self.close()
            return self._accumulator.digest(layout, {}, {}, now=self._clock(), wall_time=self._wall_clock())
        if reads != self._reads:
            afresh = self._reads is None or (reads.blocks, reads.events) != (self._reads.blocks, self._reads.events)
            self._reader.keep(map(self._tree.directory, reads.groups), reads.events, afresh=afresh)
            self._reads = reads
        now, wall_time = self._clock(), self._wall_clock()
        answers = self._reader.read()
        by_name = {where: answers[self._tree.directory(where)] for where in reads.groups}
        figures = self._accumulator.digest(
            layout,
            {where: answer.identity for where, answer in by_name.items()},
            {where: answer.blocks for where, answer in by_name.items()},
            now=now,
            wall_time=wall_time,
        )
        if figures.offline:
            self._reads = None  # open anew the next time: what is gone may have come back
        return figures

    def close(self) -> None:
        """Let go of every descriptor."""
        self._reader.close()
        self._reads = None
