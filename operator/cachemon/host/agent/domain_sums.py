"""What each domain has of each cache block, by our groups and by libvirt's own monitors. Each thread counts once.

The kernel counts the mon_groups of a control group in that control group, too. libvirt reads a control group for a
monitor of all vCPUs of an allocation: that has all, and what lies inside it must not be added. Pure.
"""

from collections import defaultdict
from collections.abc import Iterable

from cachemon.engine.figures import LOCAL_TRAFFIC, TOTAL_TRAFFIC, BlockFigure, Figures
from cachemon.host.agent.watched_domains import DomainLayout, DomainTargetLayout
from cachemon.host.wire import BlockUse
from cachemon.model.groups import GroupKey
from cachemon.model.readings import Missing


def domain_sums(
    layout: DomainLayout, figures: Figures, their_layout: DomainLayout, their_figures: Figures
) -> dict[str, tuple[BlockUse, ...]]:
    """The sums of every domain that has figures, by its name.

    A sum has no number where a part has none, or where ours and libvirt's groups overlap so that none is right.

    Args:
        layout: our groups.
        figures: those of ours.
        their_layout: libvirt's own monitors.
        their_figures: those of theirs.
    """
    theirs = {target.object.guest_name: target for target in their_layout.targets}
    found: dict[str, tuple[BlockUse, ...]] = {}
    for target in layout.targets:
        name = target.object.guest_name
        rows = [uses_of(figures.guests.get(name, ()))] if target.mon_groups else []
        if name in theirs:
            rows = _with_theirs(rows, target, theirs[name], their_figures)
        if any(rows):
            found[name] = _summed(rows)
    return found


def uses_of(figures: Iterable[BlockFigure]) -> tuple[BlockUse, ...]:
    """What one group or guest has of each cache block."""
    return tuple(map(_use, figures))


def _with_theirs(
    ours: list[tuple[BlockUse, ...]], target: DomainTargetLayout, theirs: DomainTargetLayout, figures: Figures
) -> list[tuple[BlockUse, ...]]:
    read = {group.mon_groups[0]: group.group.name for group in theirs.groups if group.mon_groups}
    whole = {where.control_group for where in read if not where.name}
    inside = {where.control_group in whole for where in target.mon_groups}
    if len(inside) > 1:
        return [tuple(BlockUse(use.id) for use in row) for row in ours]
    kept = [] if True in inside else ours
    counted = (name for where, name in read.items() if not where.name or where.control_group not in whole)
    return [*kept, *(uses_of(figures.groups.get(GroupKey(theirs.uid, name), ())) for name in counted)]


def _summed(rows: Iterable[tuple[BlockUse, ...]]) -> tuple[BlockUse, ...]:
    by_block: defaultdict[int, list[BlockUse]] = defaultdict(list)
    for row in rows:
        for use in row:
            by_block[use.id].append(use)
    return tuple(
        BlockUse(
            block,
            _total([use.occupancy_bytes for use in uses]),
            _total([use.bytes_per_second for use in uses]),
            _total([use.local_bytes_per_second for use in uses]),
        )
        for block, uses in sorted(by_block.items())
    )


def _total(values: list[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _use(figure: BlockFigure) -> BlockUse:
    occupancy = figure.occupancy
    return BlockUse(
        figure.block.id,
        None if isinstance(occupancy, Missing) else occupancy,
        rate_of(figure, TOTAL_TRAFFIC),
        rate_of(figure, LOCAL_TRAFFIC),
    )


def rate_of(figure: BlockFigure, event: str) -> int | None:
    """Bytes per second of an event; None where it is not counted, or not long enough."""
    traffic = figure.traffic.get(event)
    return None if traffic is None or event in figure.uncounted else traffic.bytes_per_second
