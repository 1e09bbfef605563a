"""Sample: read every counter once. Runs in a thread of its own, so that a slow kernel delays nothing else."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from cachemon.engine.figures import Figures
from cachemon.engine.foreign_sampler import ForeignSampler
from cachemon.engine.layout import Layout, NodeFacts, Wanted
from cachemon.engine.package_rates import PackageAccumulator
from cachemon.engine.planned_reader import PlannedReader
from cachemon.engine.rates import Accumulator
from cachemon.engine.reading_plan import compile_package_plan, compile_plan, compile_share_plan
from cachemon.engine.share_rates import ShareAccumulator
from cachemon.engine.sum_check import SumCheck
from cachemon.model.counter_totals import Gap
from cachemon.model.telemetry import parse_telemetry
from cachemon.resctrl.mon_data import CounterReader
from cachemon.resctrl.tree_reader import package_directory, share_directory
from cachemon.resctrl.tree_writer import ResctrlTree


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
        self._blocks = PlannedReader(tree, of_blocks, plan)
        of_shares = CounterReader(tree.calls, directory_of=share_directory)
        self._shares = PlannedReader(tree, of_shares, compile_share_plan(plan))
        self._packages = PlannedReader(tree, of_packages, compile_package_plan(NodeFacts(), plan))
        self._sum_check = SumCheck()
        self._accumulator = Accumulator(window_seconds)
        self._share_accumulator = ShareAccumulator(window_seconds)
        self._package_accumulator = PackageAccumulator(window_seconds)
        self._foreign = ForeignSampler(tree, window_seconds)

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
            self._foreign.follow(layout)
        wall_time = self._wall_clock()
        sums, parts = self._blocks.read(), self._shares.read()
        sums = self._sum_check.checked(self._blocks.plan, sums, self._shares.plan, parts)
        figures = self._accumulator.digest(self._blocks.plan, sums, wall_time=wall_time)
        shares = self._share_accumulator.digest(self._shares.plan, parts)
        packages = self._package_accumulator.digest(self._packages.plan, self._packages.read())
        if shares or packages.groups:
            figures = replace(
                figures,
                shares=shares,
                packages=packages.groups,
                guest_packages=packages.guests,
                work=packages.work,
            )
        foreign = self._foreign.sample()
        return replace(figures, foreign=foreign) if foreign else figures

    def close(self) -> None:
        """Close every descriptor."""
        self._blocks.close()
        self._shares.close()
        self._packages.close()
        self._foreign.close()
