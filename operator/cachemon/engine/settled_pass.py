"""A pass that found nothing to do, kept so that an equal pass plans nothing. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Generic, NamedTuple

from cachemon.engine.layout import Layout, Target, W
from cachemon.model.readings import CacheBlock
from cachemon.model.telemetry import Package
from cachemon.model.threads import Obstacle, Qemu
from cachemon.resctrl.capabilities import Capabilities


class Basis(NamedTuple, Generic[W]):
    """All that a pass depends on, besides the result of the pass before it."""

    targets: tuple[Target[W], ...]
    qemus: Mapping[str, tuple[Qemu, ...]]
    obstacles: Mapping[str, Obstacle]
    capabilities: Capabilities
    blocks: tuple[CacheBlock, ...]
    packages: tuple[Package, ...]
    observed_at: float
    rooms: Mapping[str, int]


class SettledPass(NamedTuple, Generic[W]):
    """A pass that found nothing to do: a pass with an equal basis has the same layout."""

    basis: Basis[W]
    layout: Layout[W]


def with_targets(layout: Layout[W], targets: Sequence[Target[W]]) -> Layout[W]:
    """The same layout of newer objects that want the same of the kernel."""
    if [each.target for each in layout.targets] == [*targets]:
        return layout
    pairs = zip(targets, layout.targets, strict=True)
    return replace(
        layout,
        targets=tuple(each if each.target == target else replace(each, target=target) for target, each in pairs),
    )
