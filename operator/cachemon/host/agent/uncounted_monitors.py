"""Names libvirt's own monitors whose traffic is not counted, because they have no MBM counter."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from cachemon.engine.counter_share import assignment_command, spare_counters_advice
from cachemon.engine.figures import BlockFigure, Figures
from cachemon.engine.layout import GroupLayout, GroupState
from cachemon.host.agent.watched_domains import DomainLayout
from cachemon.model.groups import GroupKey
from cachemon.model.reasons import Reason
from cachemon.resctrl.mbm_assignments import read_pool
from cachemon.resctrl.tree_reader import TreeReader


def with_uncounted(layout: DomainLayout, figures: Figures, tree: TreeReader) -> DomainLayout:
    """The layout of libvirt's monitors, in which those without a counter have that as their reason.

    cachemon assigns no counter to mon_groups of others: the message has the command.
    """
    if not any(_uncounted(figures.groups[key]) for key in figures.lacking & figures.groups.keys()):
        return layout
    targets = tuple(
        replace(
            target,
            groups=tuple(
                _judged(group, figures.groups.get(GroupKey(target.uid, group.group.name), ()), tree)
                for group in target.groups
            ),
        )
        for target in layout.targets
    )
    return replace(layout, targets=targets)


def _judged(group: GroupLayout, figures: Iterable[BlockFigure], tree: TreeReader) -> GroupLayout:
    uncounted = _uncounted(figures)
    if group.reason is not None or not uncounted:
        return group
    (where,) = group.mon_groups
    missing = "; ".join(f"{event} in cache block {', '.join(map(str, ids))}" for event, ids in uncounted.items())
    return replace(
        group,
        state=GroupState.DEGRADED,
        reason=Reason.NO_BANDWIDTH_COUNTER,
        message=f"libvirt's {where.path} has no counter for {missing}; occupancy is monitored; "
        + "; then ".join(_commands(tree, group, uncounted)),
    )


def _commands(tree: TreeReader, group: GroupLayout, uncounted: dict[str, list[int]]) -> Iterator[str]:
    """How to assign the counters; other counters must become free first where too few are."""
    (where,) = group.mon_groups
    pool = read_pool(tree, ())
    free = pool.free if pool else {}
    blocks = [id_ for ids in uncounted.values() for id_ in ids]
    if any(blocks.count(id_) > free.get(id_, 0) for id_ in set(blocks)):
        yield spare_counters_advice(tree, "host") or "all counters are in use: end groups that nobody needs"
    yield f"assign them: {assignment_command(tree, where, uncounted, 'e')}"


def _uncounted(figures: Iterable[BlockFigure]) -> dict[str, list[int]]:
    """By event the cache blocks in which it is not counted."""
    found: dict[str, list[int]] = {}
    for figure in figures:
        for event in sorted(figure.uncounted):
            found.setdefault(event, []).append(figure.block.id)
    return found
