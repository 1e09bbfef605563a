"""What the agent keeps of a sample for an hour. Pure."""

from collections.abc import Iterable, Iterator

from cachemon.host.agent.domain_sums import uses_of
from cachemon.host.agent.kept_hour import HourPoint
from cachemon.host.agent.report import HostSample
from cachemon.host.history_wire import SeriesKey
from cachemon.host.wire import BlockUse
from cachemon.model.readings import Missing


def hour_points(sample: HostSample) -> Iterator[HourPoint]:
    """The points: cache blocks first, then domains, then groups."""
    for figure in sample.figures.node:
        occupancy = None if isinstance(figure.occupancy, Missing) else figure.occupancy
        yield HourPoint(SeriesKey("", "", "", figure.block.id), occupancy, None)
    for domain, uses in sample.sums.items():
        yield from _points(domain, "", "", uses)
    for group in sample.groups:
        yield from _points(group.domain.guest_name, group.kept, group.layout.group.name, uses_of(group.figures))


def _points(domain: str, kept: str, group: str, uses: Iterable[BlockUse]) -> Iterator[HourPoint]:
    for use in uses:
        yield HourPoint(SeriesKey(domain, kept, group, use.id), use.occupancy_bytes, use.bytes_per_second)
