"""Adds to a layout the mon_groups of other programs whose own figures are shown beside a group without figures."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Generic, Protocol

from cachemon.engine.layout import GroupLayout, Layout, Target, TargetLayout, W, Wanted
from cachemon.model.foreign_mon_groups import ForeignMonGroup, MonGroupContent, shown_beside
from cachemon.model.mon_groups import MonGroupName
from cachemon.resctrl.thread_only_groups import GroupThreads, read_thread_only
from cachemon.resctrl.tree_reader import TreeReader

MOST_SHOWN = 4
"""Maximum number of mon_groups shown beside one group."""
MOST_THREADS = 1024
"""Limit of threads of one mon_group, besides those of QEMU, whose pods are read."""

_ATTEMPTS = 3
_VERIFY_SECONDS = 30.0
_PAUSE_PER_WORK = 19
"""A check takes at most a twentieth of the time."""

PodOf = Callable[[int], str | None]
"""Returns the UID of a thread's pod; None if it has none or has ended."""


class Passes(Protocol[W]):
    """Makes a layout of targets. See `cachemon.engine.reconciler.Reconciler`."""

    def run(self, targets: Sequence[Target[W]]) -> Layout[W]:
        """Make one pass."""

    def forget(self) -> None:
        """Read all again at the next pass. May be called from any thread."""


class ForeignWatch(Generic[W]):
    """Checks after each pass what the mon_groups of other programs hold that keep threads of our groups.

    Reads nothing where there are none. It reads their `tasks` files, for which the kernel walks all threads of the
    machine: so it rests after a long check, and keeps what it has found.

    Args:
        reconciler: makes the passes.
        tree: the resctrl file system.
        pod_of: finds the pod of a thread.
        clock: monotonic seconds.
    """

    def __init__(
        self, reconciler: Passes[W], tree: TreeReader, pod_of: PodOf, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._reconciler = reconciler
        self._contents = _Contents(tree, pod_of, clock)
        self._layout: Layout[W] = Layout()

    def forget(self) -> None:
        """Read the mon_groups again at the next pass. May be called from any thread."""
        self._reconciler.forget()

    def run(self, targets: Sequence[Target[W]]) -> Layout[W]:
        """Make one pass, and add what is shown of others' mon_groups."""
        layout = self._reconciler.run(targets)
        wanted = {
            where for target in layout.targets for group in target.groups for where in group.held_in[:MOST_SHOWN]
        }
        contents = self._contents.read(sorted(wanted), _pods_of_qemus(layout))
        if not contents:
            return layout
        found = replace(layout, targets=tuple(_with_shown(target, contents) for target in layout.targets))
        if found != self._layout:
            self._layout = found
        return self._layout


class _Contents:
    """Reads the contents of mon_groups; see ForeignWatch."""

    def __init__(self, tree: TreeReader, pod_of: PodOf, clock: Callable[[], float]) -> None:
        self._tree = tree
        self._pod_of = pod_of
        self._clock = clock
        self._known: dict[MonGroupName, MonGroupContent] = {}
        self._pods: dict[int, str | None] = {}  # of threads at the last check
        self._last_version = 0
        self._rests_until = self._pods_read_again_at = 0.0

    def read(
        self, wanted: Iterable[MonGroupName], of_qemus: Mapping[int, str]
    ) -> Mapping[MonGroupName, MonGroupContent]:
        """Return the contents of mon_groups that count nothing but threads; during a rest as of the last check.

        Args:
            wanted: the mon_groups.
            of_qemus: the pods of QEMU's threads.
        """
        wanted, began = tuple(wanted), self._clock()
        if not wanted or began < self._rests_until:
            self._known = {where: self._known[where] for where in wanted if where in self._known}
            return self._known
        if began >= self._pods_read_again_at:
            self._pods, self._pods_read_again_at = {}, began + _VERIFY_SECONDS
        before, self._pods = self._pods, {}
        found = ((where, self._content(where, of_qemus, before)) for where in wanted)
        self._known = {where: content for where, content in found if content is not None}
        ended = self._clock()
        self._rests_until = ended + _PAUSE_PER_WORK * (ended - began)
        return self._known

    def _content(
        self, where: MonGroupName, of_qemus: Mapping[int, str], before: Mapping[int, str | None]
    ) -> MonGroupContent | None:
        """Return the content. Reads again when a thread without a pod was found: it may have ended."""
        content = None
        for _ in range(_ATTEMPTS):
            threads = read_thread_only(self._tree, where)
            strange = () if threads is None else threads.tids - of_qemus.keys()
            if threads is None or len(strange) > MOST_THREADS:
                return None
            try:
                pods = {tid: before.get(tid) or self._pod_of(tid) for tid in strange}
            except OSError:  # this program has no descriptors left
                return None
            self._pods |= pods
            used = frozenset([*pods.values(), *(of_qemus[tid] for tid in threads.tids & of_qemus.keys())])
            content = MonGroupContent(threads.identity, threads.tids, used, self._version(where, threads))
            if None not in used:
                break
        return content

    def _version(self, where: MonGroupName, threads: GroupThreads) -> int:
        known = self._known.get(where)
        if known and (known.identity, known.tids) == threads:
            return known.version
        self._last_version += 1
        return self._last_version


def _pods_of_qemus(layout: Layout[Wanted]) -> dict[int, str]:
    qemus = (qemu for target in layout.targets if any(g.held_in for g in target.groups) for qemu in target.qemus)
    return {thread.tid: qemu.owner_uid for qemu in qemus for thread in qemu.threads}


def _with_shown(target: TargetLayout[W], contents: Mapping[MonGroupName, MonGroupContent]) -> TargetLayout[W]:
    if not any(group.held_in for group in target.groups):
        return target
    return replace(target, groups=tuple(_group_with_shown(group, target, contents) for group in target.groups))


def _group_with_shown(
    group: GroupLayout, target: TargetLayout[Wanted], contents: Mapping[MonGroupName, MonGroupContent]
) -> GroupLayout:
    foreign = tuple(_shown(group, target, contents)) if group.held_in else ()
    return replace(group, foreign=foreign) if foreign else group


def _shown(
    group: GroupLayout, target: TargetLayout[Wanted], contents: Mapping[MonGroupName, MonGroupContent]
) -> Iterable[ForeignMonGroup]:
    tids = frozenset(thread.tid for qemu in target.qemus for thread in qemu.threads if group.group.wants(thread))
    for where in group.held_in[:MOST_SHOWN]:
        content = contents.get(where)
        shown = content and shown_beside(where, content, tids, target.target.owner_uids)
        if shown:
            yield shown
