"""Adds to a layout the mon_groups of other programs whose own figures are shown beside a group without figures."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Generic, NamedTuple, Protocol

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
_LONGEST_CHECK_SECONDS = 0.1
"""A pass waits no longer for a check, but for one mon_group. The next check begins after it."""
_PAUSE_PER_WORK = 19
"""Checks take at most a twentieth of the time."""

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
    machine. So a long check ends early, is followed by a rest, and goes on at a later pass. Until then the last
    result stays.

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


class _Checked(NamedTuple):
    """The result of the last check of a mon_group.

    Attributes:
        content: what it counts.
        pods: of its threads, besides those of QEMU.
        pods_read_at: when all of these were read.
    """

    content: MonGroupContent
    pods: Mapping[int, str | None]
    pods_read_at: float


class _Contents:
    """Reads the contents of mon_groups; see ForeignWatch."""

    def __init__(self, tree: TreeReader, pod_of: PodOf, clock: Callable[[], float]) -> None:
        self._tree = tree
        self._pod_of = pod_of
        self._clock = clock
        self._checked: dict[MonGroupName, _Checked] = {}
        self._last: MonGroupName | None = None  # that was checked
        self._last_version = 0
        self._rests_until = 0.0

    def read(
        self, wanted: Sequence[MonGroupName], of_qemus: Mapping[int, str]
    ) -> Mapping[MonGroupName, MonGroupContent]:
        """Return the contents of mon_groups that count nothing but threads, as of the last check of each.

        Args:
            wanted: the mon_groups, in order.
            of_qemus: the pods of QEMU's threads.
        """
        began = now = self._clock()
        self._checked = {where: self._checked[where] for where in wanted if where in self._checked}
        if wanted and began >= self._rests_until:
            first = next((place for place, where in enumerate(wanted) if where > (self._last or where)), 0)
            for where in (*wanted[first:], *wanted[:first]):
                self._check(where, of_qemus, now)
                self._last, now = where, self._clock()
                if now - began >= _LONGEST_CHECK_SECONDS:
                    break
            self._rests_until = now + _PAUSE_PER_WORK * (now - began)
        return {where: checked.content for where, checked in self._checked.items()}

    def _check(self, where: MonGroupName, of_qemus: Mapping[int, str], now: float) -> None:
        """Check one mon_group. Reads again when a thread without a pod was found: it may have ended."""
        known = self._checked.pop(where, None)
        before, read_at = (known.pods, known.pods_read_at) if known else ({}, now)
        if now - read_at >= _VERIFY_SECONDS:
            before, read_at = {}, now
        found = self._read(where, of_qemus, before)
        for _ in range(_ATTEMPTS - 1):
            if found is None or None not in found[1].values():
                break
            found = self._read(where, of_qemus, before)
        if found is None:
            return
        threads, pods = found
        used = frozenset([*pods.values(), *(of_qemus[tid] for tid in threads.tids & of_qemus.keys())])
        content = MonGroupContent(threads.identity, threads.tids, used, self._version(known, threads))
        self._checked[where] = _Checked(content, pods, read_at)

    def _read(
        self, where: MonGroupName, of_qemus: Mapping[int, str], before: Mapping[int, str | None]
    ) -> tuple[GroupThreads, Mapping[int, str | None]] | None:
        """Return the threads, and the pods of those that are not QEMU's. `before` has pods that need no read."""
        threads = read_thread_only(self._tree, where)
        if threads is None:
            return None
        strange = threads.tids - of_qemus.keys()
        if len(strange) > MOST_THREADS:
            return None
        try:
            return threads, {tid: before.get(tid) or self._pod_of(tid) for tid in strange}
        except OSError:  # this program has no descriptors left
            return None

    def _version(self, known: _Checked | None, threads: GroupThreads) -> int:
        if known and (known.content.identity, known.content.tids) == threads:
            return known.content.version
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
