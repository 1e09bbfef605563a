"""Figures over time, and the history that the page gets of them. Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan
from typing import Literal, NamedTuple

from cachemon.web.page_history import BlockHistory, HistorySeries

GAP = nan
"""Stands in a column where no figure holds from then on."""

MOST_TIMES = 720
"""In one answer. A chart has about as many pixels."""

Figure = Literal["occupancy", "bandwidth"]


class Track(NamedTuple):
    """What a row of points is about.

    Attributes:
        node: where.
        vm: `NAMESPACE/NAME` of a VM; empty for the whole cache blocks of the node.
        source: the object whose figures these are; empty for all of the VM's, summed up.
    """

    node: str
    vm: str = ""
    source: str = ""


class Column(NamedTuple):
    """One figure of a track.

    Attributes:
        block: id of the cache block.
        figure: bytes, or bytes per second.
        group: name of the monitoring group; empty for the whole.
    """

    block: int
    figure: Figure
    group: str = ""


@dataclass(frozen=True, slots=True)
class Points:
    """The points of a track, by time.

    Attributes:
        times: seconds since the epoch, ascending.
        columns: values at these times. A value holds until the next one; GAP where none holds.
    """

    times: Sequence[float]
    columns: Mapping[Column, Sequence[float]]


def times_of(tracks: Iterable[Points], since: float, most: int = MOST_TIMES) -> list[float]:
    """The times at which a chart of some tracks has points; of many, the last one of each of `most` equal spans."""
    times = sorted({time for points in tracks for time in points.times[bisect_left(points.times, since) :]})
    if len(times) <= most:
        return times
    first, span = times[0], (times[-1] - times[0]) / most
    last_of_span = {min(int((time - first) / span), most - 1): time for time in times}
    return sorted(last_of_span.values())


def series_of(tracks: Mapping[Track, Points], times: Sequence[float]) -> list[HistorySeries]:
    """The series of VMs, by track, group and block."""
    found = []
    for track, points in sorted(tracks.items()):
        if track.vm:
            for group, block in sorted({(column.group, column.block) for column in points.columns}):
                found.append(
                    HistorySeries(
                        vm=track.vm,
                        node=track.node,
                        group=f"{track.source}/{group}" if group else "",
                        block=block,
                        occupancy=_in_force(points, Column(block, "occupancy", group), times),
                        bandwidth=_in_force(points, Column(block, "bandwidth", group), times),
                    )
                )
    return found


def blocks_of(points: Points, capacities: Mapping[int, int | None], times: Sequence[float]) -> list[BlockHistory]:
    """The series of a node's cache blocks.

    Args:
        points: of the track of the node.
        capacities: bytes by block, as known now.
        times: of the answer.
    """
    return [
        BlockHistory(
            id=block,
            capacity=capacities.get(block),
            occupancy=_in_force(points, Column(block, "occupancy"), times),
        )
        for block in sorted({column.block for column in points.columns})
    ]


def _in_force(points: Points, column: Column, times: Sequence[float]) -> list[int | None]:
    """The value that held at each of some times; None also where a gap lies between a time and the one before it."""
    values = points.columns.get(column)
    if values is None:
        return [None] * len(times)
    found: list[int | None] = []
    at = max(0, bisect_right(points.times, times[0]) - 1) if times else 0
    value = GAP
    for place, time in enumerate(times):
        gap = False
        while at < len(points.times) and points.times[at] <= time:
            value = values[at]
            gap = gap or isnan(value)
            at += 1
        found.append(None if isnan(value) or (gap and place > 0) else round(value))
    return found
