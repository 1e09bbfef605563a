"""Reads the memory traffic of the whole node, monitored or not: that of all control groups."""

from collections.abc import Mapping

from cachemon.engine.layout import Layout, Wanted
from cachemon.engine.reading_plan import TOTAL_TRAFFIC
from cachemon.model.counter_totals import HIGHEST_BYTES_PER_SECOND_PER_BLOCK, SLOWEST_SWEEP_SECONDS, difference
from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.resctrl.mon_data import CounterReader, Sweep
from cachemon.resctrl.tree_writer import ResctrlTree


class NodeTraffic:
    """Reads one counter for each control group and cache block. Not safe for use by several threads at once.

    A control group's counter is the sum of its own and of those of its mon_groups, as fs/resctrl/monitor.c adds them
    at each read. So it falls when a mon_group ends, and means something else after any change of the groups.

    Args:
        tree: the resctrl file system.
        reader: holds the descriptors.
    """

    def __init__(self, tree: ResctrlTree, reader: CounterReader | None = None) -> None:
        self._tree = tree
        self._reader = reader or CounterReader(tree.calls)
        self._grouping: object = None
        self._before: Sweep | None = None

    def per_second(self, layout: Layout[Wanted]) -> Mapping[int, float]:
        """Mean traffic of each cache block since the last call, in bytes per second; without blocks of no number."""
        node = layout.node
        if node.unavailable or TOTAL_TRAFFIC not in node.events:
            return {}
        blocks = tuple(block.id for block in node.blocks)
        grouping = (blocks, node.control_groups, node.other_rmids, layout.mon_groups)
        if grouping != self._grouping or not self._reader.is_whole:
            self._open(blocks, node.control_groups)
            self._grouping, self._before = grouping, None
        before, now = self._before, self._reader.read()
        self._before = now if all(now.identities) and now.timed else None
        if before is None or not all(now.identities) or not now.timed:
            self._grouping = self._grouping if all(now.identities) else None
            return {}
        return _rates(blocks, before, now)

    def _open(self, blocks: tuple[int, ...], control_groups: tuple[str, ...]) -> None:
        directories = [self._tree.directory(MonGroupName(name, "")) for name in (ROOT, *control_groups)]
        self._reader.keep(dict.fromkeys(directories, (TOTAL_TRAFFIC,)), blocks, directories)


def _rates(blocks: tuple[int, ...], before: Sweep, now: Sweep) -> Mapping[int, float]:
    rates: dict[int, float] = {}
    for place, block in enumerate(blocks):
        rate = 0.0
        for position in range(place, len(now.values), len(blocks)):
            seconds = _read_at(now, position) - _read_at(before, position)
            most = HIGHEST_BYTES_PER_SECOND_PER_BLOCK * (seconds + SLOWEST_SWEEP_SECONDS)
            moved = difference(before.values[position], now.values[position], most)
            if not isinstance(moved, int) or seconds <= 0:
                break
            rate += moved / seconds
        else:
            rates[block] = rate
    return rates


def _read_at(sweep: Sweep, position: int) -> float:
    return sweep.time + (sweep.late[position] if sweep.late else 0.0)
