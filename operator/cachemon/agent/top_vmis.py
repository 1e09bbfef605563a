"""The VMIs and groups that hold most of a node's cache, for its CacheMonitorNode. Pure."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from cachemon.agent.targets import BoundLayout, vmis_of
from cachemon.engine.figures import BlockFigure, Figures
from cachemon.model.groups import GroupKey
from cachemon.model.numbers import exact
from cachemon.model.readings import Missing, Reading, total

_MOST_LISTED = 5

_Ranked = tuple[int, dict[str, Any]]


def largest_groups(layout: BoundLayout, figures: Figures) -> dict[int, list[dict[str, Any]]]:
    """The monitoring groups that hold most of each cache block, by cache id."""
    return _first_of_blocks(
        (
            {
                "namespace": target.object.namespace,
                "name": target.object.name.name,
                "vmiName": target.object.vmi_name,
                "group": group.group.name,
            },
            figures.groups.get(GroupKey(target.uid, group.group.name), ()),
        )
        for target in layout.targets
        for group in target.groups
    )


def largest_vmis_of_blocks(layout: BoundLayout, figures: Figures) -> dict[int, list[dict[str, Any]]]:
    """The VMIs that hold most of each cache block, by cache id: all their cells, each counted once."""
    return _first_of_blocks(
        ({"namespace": vmi.namespace, "name": vmi.name}, figures.guests.get(guest, ()))
        for vmi, guest in vmis_of(layout).items()
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


def _first_of_blocks(
    found: Iterable[tuple[dict[str, Any], Iterable[BlockFigure]]],
) -> dict[int, list[dict[str, Any]]]:
    entries: defaultdict[int, list[_Ranked]] = defaultdict(list)
    for names, figures in found:
        for figure in figures:
            if isinstance(figure.occupancy, int):
                entries[figure.block.id].append((figure.occupancy, names))
    return {block: _first(of_block) for block, of_block in entries.items()}


def _first(entries: Iterable[_Ranked]) -> list[dict[str, Any]]:
    held = sorted((entry for entry in entries if entry[0] > 0), key=lambda entry: (-entry[0], *entry[1].values()))
    return [{**names, "occupancyBytes": exact(occupancy)} for occupancy, names in held[:_MOST_LISTED]]
