"""Samples on a plain libvirt host: our groups, and beside them libvirt's own monitors."""

import logging
import time
from collections.abc import Callable

from cachemon.engine.figures import Figures
from cachemon.engine.layout import Layout, Wanted
from cachemon.engine.sampler import Sampler
from cachemon.host.agent.own_monitors import layout_of_monitors
from cachemon.host.agent.watched_domains import DomainLayout
from cachemon.model.errors import ResctrlError
from cachemon.model.mon_groups import MonGroupName
from cachemon.resctrl.tree_writer import ResctrlTree

__all__ = ["MonitorSampler"]

log = logging.getLogger(__name__)

_BELIEVED_SECONDS = 30.0
_LACKING_SECONDS = 1.0


class MonitorSampler:
    """Samples libvirt's own monitors; whose mon_groups are whose is looked at anew now and then.

    Reading a `tasks` file makes the kernel walk all threads of the machine, so that is done when our layout has
    changed (a domain has started, a thread has come), every half minute, and every second while one is not as it
    should be.

    Args:
        tree: the resctrl file system.
        window_seconds: bandwidths are means over this time.
        clock: monotonic seconds.

    Attributes:
        newest: the layout and the figures of the newest sample.
    """

    def __init__(
        self, tree: ResctrlTree, window_seconds: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._tree = tree
        self._sampler = Sampler(tree, window_seconds)
        self._clock = clock
        self._ours: Layout[Wanted] | None = None
        self._theirs: DomainLayout = Layout()
        self._look_again_at = 0.0
        self.newest: tuple[DomainLayout, Figures] = (Layout(), Figures())

    def sample(self, layout: DomainLayout) -> tuple[DomainLayout, Figures]:
        """What libvirt's monitors of these domains say; touches no file where there are none."""
        if not any(target.object.own_monitors for target in layout.targets):
            self.forget()
            return self.newest
        if layout is not self._ours or self._clock() >= self._look_again_at:
            self._look(layout)
        figures = self._sampler.sample(self._theirs)
        if figures.offline:  # somebody has removed a mon_group, or a cache block has gone
            self._look_again_at = min(self._look_again_at, self._clock() + _LACKING_SECONDS)
        self.newest = self._theirs, figures
        return self.newest

    def forget(self) -> None:
        """Begin anew with the next sample."""
        self._ours, self._theirs = None, Layout()
        self.newest = self._theirs, Figures()

    def close(self) -> None:
        """Let go of every descriptor."""
        self._sampler.close()

    def _tids(self, where: MonGroupName) -> frozenset[int] | None:
        """One that can't be read holds nothing that can be told; the tree has said so in the log."""
        try:
            return self._tree.tids(where)
        except ResctrlError:
            return frozenset()

    def _look(self, layout: DomainLayout) -> None:
        try:
            theirs = layout_of_monitors(layout, self._tree.groups(), self._tids)
        except ResctrlError as err:
            log.warning("libvirt's monitors: %s; trying again", err)
            theirs = Layout()
        if theirs != self._theirs:
            self._theirs = theirs
        self._ours = layout
        whole = all(group.reason is None for target in theirs.targets for group in target.groups)
        self._look_again_at = self._clock() + (_BELIEVED_SECONDS if whole and theirs.targets else _LACKING_SECONDS)
