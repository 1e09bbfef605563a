"""Selects from the newest sample the figures that hold for a newer layout. Pure.

A state is known before the counters are read again. Until then each group keeps its last figures, if they are sums of
the same mon_groups. All others have none: a group's figures never are those of other vCPUs.
"""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import TypeVar

from cachemon.engine.figures import Figures
from cachemon.engine.layout import GroupLayout, Layout, TargetLayout, Wanted
from cachemon.model.foreign_mon_groups import MonGroupContent
from cachemon.model.groups import GroupKey
from cachemon.model.mon_groups import MonGroupName

K = TypeVar("K")
V = TypeVar("V")


class Selected(Mapping[K, V]):
    """Some items of a mapping; reads none before it is asked for it."""

    def __init__(self, items: Mapping[K, V], keys: AbstractSet[K]) -> None:
        self._items = items
        self._keys = {key: None for key in items if key in keys}

    def __getitem__(self, key: K) -> V:
        if key not in self._keys:
            raise KeyError(key)
        return self._items[key]

    def __iter__(self) -> Iterator[K]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


def figures_of(layout: Layout[Wanted], sampled: Layout[Wanted], figures: Figures) -> Figures:
    """The figures that hold for a layout; `unread` names the groups that wait for theirs.

    Args:
        layout: the newest.
        sampled: the layout of the sample.
        figures: the sample.
    """
    if layout is sampled:
        return figures
    now, then = _measured_groups(layout), _measured_groups(sampled)
    same = frozenset(key for key, measured in now.items() if then.get(key) == measured)
    objects, guests = _unchanged(_objects(layout), _objects(sampled)), _unchanged(_guests(layout), _guests(sampled))
    theirs = _unchanged(_foreign(layout), _foreign(sampled))
    return replace(
        figures,
        groups=Selected(figures.groups, same),
        shares=Selected(figures.shares, same),
        packages=Selected(figures.packages, same),
        objects=Selected(figures.objects, objects),
        rates=Selected(figures.rates, objects),
        guests=Selected(figures.guests, guests),
        guest_packages=Selected(figures.guest_packages, guests),
        node=figures.node if layout.node.blocks == sampled.node.blocks else (),
        foreign=Selected(figures.foreign, theirs),
        lacking=figures.lacking & same,
        unread=frozenset(key for key, measured in now.items() if measured[-1] and key not in same),
    )


def _measured_groups(layout: Layout[Wanted]) -> dict[GroupKey, tuple[object, ...]]:
    return {
        GroupKey(target.uid, group.group.name): _measured(group)
        for target in layout.targets
        for group in target.groups
    }


def _measured(group: GroupLayout) -> tuple[object, ...]:
    """What a group's figures are the sum of; the mon_groups stand last."""
    return group.group, group.vcpus, group.mon_groups


def _objects(layout: Layout[Wanted]) -> dict[str, tuple[object, ...]]:
    return {target.uid: _measured_object(target) for target in layout.targets}


def _measured_object(target: TargetLayout[Wanted]) -> tuple[object, ...]:
    return tuple(map(_measured, target.groups))


def _guests(layout: Layout[Wanted]) -> dict[str, dict[str, tuple[object, ...]]]:
    found: dict[str, dict[str, tuple[object, ...]]] = {}
    for target in layout.targets:
        found.setdefault(target.object.guest_name, {})[target.uid] = _measured_object(target)
    return found


def _foreign(layout: Layout[Wanted]) -> dict[MonGroupName, MonGroupContent]:
    groups = (group for target in layout.targets for group in target.groups)
    return {each.where: each.content for group in groups for each in group.foreign}


def _unchanged(now: Mapping[K, V], then: Mapping[K, V]) -> frozenset[K]:
    return frozenset(key for key, value in now.items() if key in then and then[key] == value)
