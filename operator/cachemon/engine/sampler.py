"""Sample: read every counter once. Runs in a thread of its own, so that a slow kernel delays nothing else."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Generic

from cachemon.engine.figures import Figures
from cachemon.engine.layout import Layout, NodeFacts, Wanted
from cachemon.engine.package_rates import PackageAccumulator
from cachemon.engine.rates import Accumulator
from cachemon.engine.reading_plan import D, ReadingPlan, compile_package_plan, compile_plan, compile_share_plan
from cachemon.engine.share_rates import ShareAccumulator
from cachemon.model.counter_totals import Gap
from cachemon.model.readings import Missing, Reading
from cachemon.model.telemetry import parse_telemetry
from cachemon.resctrl.mon_data import CounterReader, Sweep
from cachemon.resctrl.tree_reader import package_directory, share_directory
from cachemon.resctrl.tree_writer import ResctrlTree


class _PlannedReader(Generic[D]):
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


class Sampler:
    """Holds the descriptors and the running totals.

    Args:
        tree: the resctrl file system.
        window_seconds: bandwidths are means over this time.
        wall_clock: seconds since the epoch.
        reader: holds the descriptors of cache blocks.
        package_reader: holds those of CPU packages.
    """

    def __init__(
        self,
        tree: ResctrlTree,
        window_seconds: float,
        *,
        wall_clock: Callable[[], float] = time.time,
        reader: CounterReader | None = None,
        package_reader: CounterReader | None = None,
    ) -> None:
        self._wall_clock = wall_clock
        self._layout: Layout[Wanted] | None = None
        plan = compile_plan(Layout())
        of_blocks = reader or CounterReader(tree.calls)
        of_packages = package_reader or CounterReader(
            tree.calls, directory_of=package_directory, parse=parse_telemetry
        )
        self._blocks = _PlannedReader(tree, of_blocks, plan)
        of_shares = CounterReader(tree.calls, directory_of=share_directory)
        self._shares = _PlannedReader(tree, of_shares, compile_share_plan(plan))
        self._packages = _PlannedReader(tree, of_packages, compile_package_plan(NodeFacts(), plan))
        self._accumulator = Accumulator(window_seconds)
        self._share_accumulator = ShareAccumulator(window_seconds)
        self._package_accumulator = PackageAccumulator(window_seconds)

    @property
    def gaps(self) -> Mapping[Gap, int]:
        """How often the counting of traffic broke off, by reason."""
        return self._accumulator.gaps

    def sample(self, layout: Layout[Wanted]) -> Figures:
        """Read and digest once. As long as the layout is the same, this is one pread per value."""
        if layout is not self._layout:
            self._layout = layout
            plan = compile_plan(layout)
            self._blocks.follow(plan)
            self._shares.follow(compile_share_plan(plan))
            self._packages.follow(compile_package_plan(layout.node, plan))
        wall_time = self._wall_clock()
        figures = self._accumulator.digest(self._blocks.plan, self._blocks.read(), wall_time=wall_time)
        shares = self._share_accumulator.digest(self._shares.plan, self._shares.read())
        packages = self._package_accumulator.digest(self._packages.plan, self._packages.read())
        if shares or packages.groups:
            figures = replace(
                figures,
                shares=shares,
                packages=packages.groups,
                guest_packages=packages.guests,
                work=packages.work,
            )
        return figures

    def close(self) -> None:
        """Close every descriptor."""
        self._blocks.close()
        self._shares.close()
        self._packages.close()
