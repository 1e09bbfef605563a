"""The newest layout with the figures that hold for it: a state waits for its figures only for a moment."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Generic

from cachemon.engine.figures import Figures
from cachemon.engine.figures_of_layout import figures_of
from cachemon.engine.layout import Layout, W, Wanted

FIGURES_WITHIN_SECONDS = 0.5
"""How long a new state waits for the sample that begins at once. A kernel that answers slowly holds no state up."""


@dataclass(slots=True)
class NewestState(Generic[W]):
    """Pairs layouts and samples, which end at times of their own.

    Nothing is given out before the first sample: a report without figures would replace those of an agent before
    this one.

    Attributes:
        on_figures: called after every sample.
        on_layout: called for a layout that is given out before its sample ends.
        within_seconds: how long a layout with other readings waits for its sample.
        given: the layout and the figures that are given out; empty ones before the first sample.
    """

    on_figures: Callable[[], None]
    on_layout: Callable[[], None]
    within_seconds: float = FIGURES_WITHIN_SECONDS
    given: tuple[Layout[W], Figures] = field(default_factory=lambda: (Layout(), Figures()))
    _newest: Layout[W] = field(default_factory=Layout)
    _sampled: tuple[Layout[W], Figures] | None = None
    _awaiting: asyncio.TimerHandle | None = None

    def take_layout(self, layout: Layout[W], *, has_other_readings: bool) -> None:
        """Give a layout out: at once where the last figures hold for it, else after its sample or a short time."""
        self._newest = layout
        if self._sampled is None or self._awaiting is not None:
            return
        if has_other_readings:
            self._await()
        elif layout is not self.given[0]:
            self._give(layout)
            self.on_layout()

    def take_sample(self, layout: Layout[W], figures: Figures) -> None:
        """Give the figures of a sample out, with the newest layout that need not wait for another sample."""
        is_first, self._sampled = self._sampled is None, (layout, figures)
        if layout is not self._newest and readings_of(layout) != readings_of(self._newest):
            if is_first:
                self._give(layout)
                self._await()
            else:
                self._give(self.given[0] if self._awaiting else self._newest)
        else:
            if self._awaiting:
                self._awaiting.cancel()
                self._awaiting = None
            self._give(self._newest)
        self.on_figures()

    def _await(self) -> None:
        self._awaiting = asyncio.get_running_loop().call_later(self.within_seconds, self._waited)

    def _waited(self) -> None:
        self._awaiting = None
        self._give(self._newest)
        self.on_layout()

    def _give(self, layout: Layout[W]) -> None:
        assert self._sampled is not None
        self.given = layout, figures_of(layout, *self._sampled)


def readings_of(layout: Layout[Wanted]) -> object:
    """What makes a sample urgent when it changes; news of an object, or of other programs' mon_groups, does not."""
    groups = ((target.uid, group) for target in layout.targets for group in target.groups)
    ours = tuple((uid, replace(group, foreign=()) if group.foreign else group) for uid, group in groups)
    return str(layout.node.unavailable), layout.node.blocks, ours
