"""Samples libvirt's own monitors on a plain libvirt host."""

import logging
import time
from collections.abc import Callable

from cachemon.engine.figures import Figures
from cachemon.engine.layout import Layout, Wanted
from cachemon.engine.sampler import Sampler
from cachemon.host.agent.own_monitors import layout_of_monitors
from cachemon.host.agent.uncounted_monitors import with_uncounted
from cachemon.host.agent.watched_domains import DomainLayout
from cachemon.model.errors import ResctrlError
from cachemon.model.mon_groups import MonGroupName
from cachemon.resctrl.tree_writer import ResctrlTree

log = logging.getLogger(__name__)

_MATCHED_SECONDS = 30.0
_UNMATCHED_SECONDS = 1.0


class MonitorSampler:
    """Samples libvirt's own monitors, and matches them with mon_groups now and then.

    The kernel walks all threads of the machine to read a `tasks` file. So this matches after a change of our layout
    (a domain has started, a thread has come), every half minute, and every second while a monitor has no match.
    """

    def __init__(
        self, tree: ResctrlTree, window_seconds: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._tree = tree
        self._sampler = Sampler(tree, window_seconds)
        self._clock = clock
        self._ours: Layout[Wanted] | None = None
        self._theirs: DomainLayout = Layout()
        self._next_match_at = 0.0
        self.newest: tuple[DomainLayout, Figures] = (Layout(), Figures())

    def sample(self, layout: DomainLayout) -> tuple[DomainLayout, Figures]:
        """Sample libvirt's monitors of these domains. Opens no file where there are none."""
        if not any(target.object.own_monitors for target in layout.targets):
            self.forget()
            return self.newest
        if layout is not self._ours or self._clock() >= self._next_match_at:
            self._match(layout)
        figures = self._sampler.sample(self._theirs)
        if figures.offline:  # a mon_group or a cache block has gone
            self._next_match_at = min(self._next_match_at, self._clock() + _UNMATCHED_SECONDS)
        self.newest = with_uncounted(self._theirs, figures, self._tree), figures
        return self.newest

    def forget(self) -> None:
        """Begin anew with the next sample."""
        self._ours, self._theirs = None, Layout()
        self.newest = self._theirs, Figures()

    def close(self) -> None:
        """Close every descriptor."""
        self._sampler.close()

    def _tids(self, where: MonGroupName) -> frozenset[int] | None:
        """The threads of a group; none if it can't be read, which the tree has logged."""
        try:
            return self._tree.tids(where)
        except ResctrlError:
            return frozenset()

    def _match(self, layout: DomainLayout) -> None:
        try:
            theirs = layout_of_monitors(layout, self._tree.groups(), self._tids)
        except ResctrlError as err:
            log.warning("libvirt's monitors: %s; trying again", err)
            theirs = Layout()
        if theirs != self._theirs:
            self._theirs = theirs
        self._ours = layout
        whole = all(group.reason is None for target in theirs.targets for group in target.groups)
        self._next_match_at = self._clock() + (_MATCHED_SECONDS if whole and theirs.targets else _UNMATCHED_SECONDS)
