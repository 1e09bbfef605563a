"""The VMIs and groups that hold most of a node's cache, for its CacheMonitorNode. Pure."""

from collections.abc import Iterable, Iterator
from typing import Any

from cachemon.agent.targets import BoundLayout, vmis_of
from cachemon.engine.figures import BlockFigure, Figures
from cachemon.model.groups import GroupKey
from cachemon.model.numbers import exact
from cachemon.model.readings import Missing, Reading, total

_MOST_LISTED = 5

_Ranked = tuple[int, dict[str, Any]]


def largest_groups(layout: BoundLayout, figures: Figures, block_id: int) -> list[dict[str, Any]]:
    """The monitoring groups that hold most of a cache block."""
    return _first(
        (
            occupancy,
            {
                "namespace": target.object.namespace,
                "name": target.object.name.name,
                "vmiName": target.object.vmi_name,
                "group": group.group.name,
            },
        )
        for target in layout.targets
        for group in target.groups
        for occupancy in _in_block(figures.groups.get(GroupKey(target.uid, group.group.name), ()), block_id)
    )


def largest_vmis_of_block(layout: BoundLayout, figures: Figures, block_id: int) -> list[dict[str, Any]]:
    """The VMIs that hold most of a cache block: all their cells, each counted once."""
    return _first(
        (occupancy, {"namespace": vmi.namespace, "name": vmi.name})
        for vmi, guest in vmis_of(layout).items()
        for occupancy in _in_block(figures.guests.get(guest, ()), block_id)
    )


def largest_vmis(layout: BoundLayout, figures: Figures) -> list[dict[str, Any]]:
    """The VMIs that hold most of all cache blocks together; none while a figure of one VMI is missing."""
    if figures.unread:
        return []
    sums: list[tuple[Reading, dict[str, Any]]] = [
        (
            total(figure.occupancy for figure in found if figure.occupancy is not None),
            {"namespace": vmi.namespace, "name": vmi.name},
        )
        for vmi, guest in vmis_of(layout).items()
        if (found := figures.guests.get(guest, ()))
    ]
    if any(isinstance(held, Missing) for held, _ in sums):
        return []
    return _first((held, names) for held, names in sums if isinstance(held, int))


def _in_block(found: Iterable[BlockFigure], block_id: int) -> Iterator[int]:
    return (figure.occupancy for figure in found if figure.block.id == block_id and isinstance(figure.occupancy, int))


def _first(entries: Iterable[_Ranked]) -> list[dict[str, Any]]:
    held = sorted((entry for entry in entries if entry[0] > 0), key=lambda entry: (-entry[0], *entry[1].values()))
    return [{**names, "occupancyBytes": exact(occupancy)} for occupancy, names in held[:_MOST_LISTED]]
