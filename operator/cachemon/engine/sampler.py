"""Sample: read every counter once. Runs in a thread of its own, so that a slow kernel delays nothing else."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cachemon.engine.figures import Figures
from cachemon.engine.layout import Layout, Wanted
from cachemon.engine.rates import Accumulator
from cachemon.engine.reading_plan import ReadingPlan, compile_plan
from cachemon.model.counter_totals import Gap
from cachemon.model.readings import Missing, Reading
from cachemon.resctrl.mon_data import CounterReader
from cachemon.resctrl.tree_writer import ResctrlTree

__all__ = ["Sampler"]


class Sampler:
    """Holds the descriptors and the running totals.

    Args:
        tree: the resctrl file system.
        window_seconds: bandwidths are means over this time.
        wall_clock: seconds since the epoch.
        reader: holds the descriptors.
    """

    def __init__(
        self,
        tree: ResctrlTree,
        window_seconds: float,
        *,
        wall_clock: Callable[[], float] = time.time,
        reader: CounterReader | None = None,
    ) -> None:
        self._tree = tree
        self._wall_clock = wall_clock
        self._reader = reader or CounterReader(tree.calls)
        self._layout: Layout[Wanted] | None = None
        self._plan = compile_plan(Layout())
        self._is_open = False
        self._gone: list[Path] = []
        self._accumulator = Accumulator(window_seconds)

    @property
    def gaps(self) -> Mapping[Gap, int]:
        """How often the counting of traffic broke off, by reason."""
        return self._accumulator.gaps

    def sample(self, layout: Layout[Wanted]) -> Figures:
        """Read and digest once. As long as the layout is the same, this is one pread per value."""
        if layout is not self._layout:
            self._compile(layout)
        if not self._is_open:
            directories = {self._tree.directory(where): events for where, events in self._plan.directories.items()}
            self._reader.keep(directories, (block.id for block in self._plan.blocks), self._gone)
            self._is_open, self._gone = True, []
        wall_time = self._wall_clock()
        sweep = self._reader.read()
        figures = self._accumulator.digest(self._plan, sweep, wall_time=wall_time)
        if figures.offline or not self._reader.is_whole:
            # Open the files again at the next sample: what is gone may have come back.
            self._gone, self._is_open = self._gone_now(self._plan, sweep.values), False
        return figures

    def close(self) -> None:
        """Close every descriptor."""
        self._reader.close()
        self._is_open = False

    def _compile(self, layout: Layout[Wanted]) -> None:
        self._layout = layout
        plan = compile_plan(layout)
        if plan != self._plan:
            self._plan, self._is_open = plan, False

    def _gone_now(self, plan: ReadingPlan, values: Sequence[Reading]) -> list[Path]:
        gone, place = [], 0
        for where, events in plan.directories.items():
            end = place + len(events) * len(plan.blocks)
            if Missing.OFFLINE in values[place:end]:
                gone.append(self._tree.directory(where))
            place = end
        return gone
