"""Reconcile: desired cells against the kernel's. Runs in a thread of its own; nothing here waits for the API."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Generic, NamedTuple

from cachemon.engine.counter_share import complete_groups, share_counters_out
from cachemon.engine.group_states import Carried, RmidCount, cells_by_group, judge, presences_of
from cachemon.engine.layout import (
    Layout,
    NodeFacts,
    Target,
    TargetLayout,
    W,
    Wanted,
    unavailable_layout,
    wishes_of,
)
from cachemon.engine.message_terms import Words
from cachemon.engine.rmid_backoff import RmidMemory
from cachemon.model.cells import Cell, Wish, split
from cachemon.model.errors import MonitoringUnavailableError, ResctrlBusyError, ResctrlUnavailableError
from cachemon.model.mon_groups import Holders, Observed
from cachemon.model.plan import Create, Move, Plan, make_plan
from cachemon.model.readings import CacheBlock
from cachemon.model.reasons import Reason
from cachemon.model.threads import MOST_QEMUS, Obstacle, Qemu, Thread, each_once
from cachemon.qemu.discovery import ProcessOwners, QemuFinder
from cachemon.qemu.proc_files import ProcFiles
from cachemon.resctrl.apply import Applied, apply_plan
from cachemon.resctrl.membership import Memberships
from cachemon.resctrl.topology import read_cache_blocks
from cachemon.resctrl.tree_reader import Capabilities
from cachemon.resctrl.tree_writer import ResctrlTree

if TYPE_CHECKING:
    from cachemon.model.groups import GroupKey

__all__ = ["Reconciler"]

log = logging.getLogger(__name__)

_MORE_LOOKS = 2
"""After a pass in which threads ended; those that go on ending are looked at at the next."""


class _Basis(NamedTuple, Generic[W]):
    """All that a pass depends on, besides what the pass before it did."""

    targets: tuple[Target[W], ...]
    qemus: Mapping[str, tuple[Qemu, ...]]
    obstacles: Mapping[str, Obstacle]
    capabilities: Capabilities
    blocks: tuple[CacheBlock, ...]
    observed_at: float
    rooms: Mapping[str, int]


class _Settled(NamedTuple, Generic[W]):
    """A pass that found nothing to do: while its basis is the same, so is its layout, and nothing is planned anew."""

    basis: _Basis[W]
    layout: Layout[W]


class Reconciler(Generic[W]):
    """Makes the kernel's mon_groups what the objects want.

    Args:
        tree: the resctrl file system.
        proc: the host's /proc.
        sysfs: the host's /sys.
        owners: tells whose a QEMU is.
        words: for messages.
        budget: at most so many mon_groups; None for all that there are RMIDs for.
        verify_seconds: how long the remembered content of the mon_groups, and of sysfs, is believed.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        tree: ResctrlTree,
        proc: Path,
        sysfs: Path,
        owners: ProcessOwners,
        words: Words,
        *,
        budget: int | None = None,
        verify_seconds: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tree = tree
        self._proc_files = ProcFiles(proc)
        self._sysfs = sysfs
        self._words = words
        self._budget = budget
        self._verify_seconds = verify_seconds
        self._clock = clock
        self._finder = QemuFinder(proc, owners, clock=clock)
        self._memberships = Memberships(proc, tree.calls)
        self._observed: Observed | None = None
        self._observed_at = 0.0
        self._threads: frozenset[Thread] = frozenset()
        self._held_for: Holders = {}
        self._known_blocks: tuple[CacheBlock, ...] = ()
        self._read_blocks_again_at = 0.0
        self._rmids = RmidMemory(clock)
        self._capabilities: Capabilities | None = None
        self._uncounted: Mapping[GroupKey, str] = {}
        self._settled: _Settled[W] | None = None
        self._threads_ended = False

    def forget(self) -> None:
        """Look at the mon_groups afresh the next time: they may have changed. May be called from any thread."""
        self._observed = None

    def run(self, targets: Sequence[Target[W]]) -> Layout[W]:
        """One pass: find threads, plan, apply, and tell how every group stands."""
        try:
            layout, looks = self._run(targets), 0
            while self._threads_ended and looks < _MORE_LOOKS:
                layout, looks = self._run(targets), looks + 1
        except MonitoringUnavailableError as err:
            self.forget()
            return unavailable_layout(targets, err)
        return layout

    def _run(self, targets: Sequence[Target[W]]) -> Layout[W]:
        settled, self._settled = self._settled, None
        self._threads_ended = False
        capabilities = self._tree.capabilities()
        if not capabilities.events:
            raise ResctrlUnavailableError(
                Reason.MONITORING_UNSUPPORTED, "info/L3_MON/mon_features names no counter that cachemon knows"
            )
        wanted = tuple(replace(target, object=target.object.without_news()) for target in targets)
        qemus = self._qemus_of(wanted)
        before = self._observed
        observed = self._observe(qemus)
        self._rmids.see(observed)
        basis = _Basis(
            wanted, qemus, self._finder.obstacles, capabilities, self._blocks(), self._observed_at, self._rmids.rooms
        )
        if settled and settled.basis == basis:
            layout, is_settled = settled.layout, True
        else:
            layout, is_settled = self._carry_out(basis, observed, is_fresh=observed is not before)
        layout = _of_targets(layout, targets)
        self._settled = _Settled(basis, layout) if is_settled else None
        return layout

    def _carry_out(self, basis: _Basis[W], observed: Observed, *, is_fresh: bool) -> tuple[Layout[W], bool]:
        """Plan and apply; answers the layout, and whether the same basis would only lead to the same again."""
        targets, qemus, capabilities = basis.targets, basis.qemus, basis.capabilities
        cells, wishes = _cells(targets, qemus)
        held_for = self._held_for
        plan = make_plan(
            cells,
            wishes,
            observed,
            known_threads=self._threads,
            held_for=held_for,
            budget=self._budget,
            rooms=basis.rooms,
        )
        self._held_for = {where: part.cell.members for part, where in plan.placed.items()}
        applied = self._apply(plan, observed)
        # Of threads that end between two looks the second sees a mon_group without them: the plan makes another one,
        # and its figures would be those of nobody.
        self._threads_ended = applied.vanished > 0
        own = {*observed.own_mon_groups, *applied.created} - applied.removed
        by_group = cells_by_group(plan)
        # The mode in force is read at every pass, so another one is noticed at once; counters that another program
        # took from us when the mon_groups are looked at again, after `verify_seconds`.
        if is_fresh or applied.changed or capabilities != self._capabilities:
            complete = complete_groups(by_group, wishes, own)
            self._uncounted = share_counters_out(self._tree, capabilities, complete, own, self._words)
            self._capabilities = capabilities
        count = RmidCount(
            total=capabilities.num_rmids,
            ours=len(own),
            others=observed.other_rmids,
            budget=self._budget,
        )
        without_rmid = frozenset(applied.without_rmid)
        seen = presences_of(chain.from_iterable(qemus.values()))
        carried = Carried(
            plan, by_group, applied.failed, without_rmid, count, self._words, seen, self._uncounted, basis.obstacles
        )
        layouts = tuple(judge(target, qemus[target.object.uid], carried) for target in targets)
        counting = tuple(name for name in observed.control_groups if name not in observed.pseudo_locked)
        node = _node_facts(basis, counting, count)
        return Layout(node, layouts, _awaits_threads(layouts)), not plan.actions and held_for == self._held_for

    def _qemus_of(self, targets: Sequence[Target[W]]) -> dict[str, tuple[Qemu, ...]]:
        """By object UID its owners' processes with its guest name. Others of a pod are not its."""
        guests = {uid: target.object.guest_name for target in targets for uid in target.owner_uids}
        found = self._finder.find(guests)
        return {
            target.object.uid: tuple(
                qemu
                for uid in target.owner_uids
                for qemu in found[uid]
                if qemu.guest_name == target.object.guest_name
            )
            for target in targets
        }

    def _observe(self, qemus: Mapping[str, Sequence[Qemu]]) -> Observed:
        threads = frozenset(
            thread for qemu in each_once(chain.from_iterable(qemus.values())) for thread in qemu.threads
        )
        now = self._clock()
        stale = now - self._observed_at > self._verify_seconds
        observed = self._observed
        if observed is None or stale or threads != self._threads:
            observed = self._observed = self._memberships.observe(self._tree, {thread.tid for thread in threads})
            self._observed_at = now
            self._threads = threads
        return observed

    def _apply(self, plan: Plan, observed: Observed) -> Applied:
        may_create = self._rmids.may_create
        try:
            applied = apply_plan(
                self._tree, plan, self._is_alive, where_is=self._memberships.where_is, may_create=may_create
            )
        except ResctrlBusyError as err:
            log.warning("%s; trying again", err)
            self.forget()
            undone = (action.where for action in plan.actions if isinstance(action, Create | Move))
            return Applied(failed=dict.fromkeys(undone, str(err)))
        if applied.changed or applied.failed:
            self.forget()
        self._rmids.note(applied, observed, tried=may_create)
        if applied.changed:
            log.info(
                "mon_groups: %d wanted, %d threads moved, %d vanished, %d without RMID",
                len(plan.placed), applied.moved, applied.vanished, len(applied.without_rmid),
            )  # fmt: skip
        for where, problem in applied.failed.items():
            log.warning("%s: %s", where.name, problem)
        return applied

    def _is_alive(self, thread: Thread) -> bool:
        stat = self._proc_files.stat(thread.tid)
        return stat is not None and stat.start_time == thread.start_time

    def _blocks(self) -> tuple[CacheBlock, ...]:
        """The cache blocks there are now; sysfs, with its directories for every CPU, is read only now and then."""
        ids, now = self._tree.block_ids(), self._clock()
        if tuple(block.id for block in self._known_blocks) != ids or now >= self._read_blocks_again_at:
            known = read_cache_blocks(self._sysfs, self._tree.calls)
            self._known_blocks = tuple(known.get(id_, CacheBlock(3, id_, None, "")) for id_ in ids)
            self._read_blocks_again_at = now + self._verify_seconds
        return self._known_blocks


def _node_facts(basis: _Basis[W], control_groups: tuple[str, ...], count: RmidCount) -> NodeFacts:
    return NodeFacts(
        num_rmids=count.total,
        events=basis.capabilities.events,
        assign_mode=basis.capabilities.assign_mode,
        blocks=basis.blocks,
        own_mon_groups=count.ours,
        other_rmids=count.others,
        control_groups=control_groups,
    )


def _awaits_threads(layouts: Sequence[TargetLayout[Wanted]]) -> bool:
    awaited = (Reason.VCPU_THREAD_MISSING, Reason.QEMU_NOT_FOUND, Reason.PROCESS_UNREADABLE)
    return any(group.reason in awaited for layout in layouts for group in layout.groups)


def _of_targets(layout: Layout[W], targets: Sequence[Target[W]]) -> Layout[W]:
    """The same of newer objects that want the same."""
    if [stands.target for stands in layout.targets] == [*targets]:
        return layout
    pairs = zip(targets, layout.targets, strict=True)
    stand = (stands if stands.target == target else replace(stands, target=target) for target, stands in pairs)
    return replace(layout, targets=tuple(stand))


def _cells(
    targets: Sequence[Target[Wanted]], qemus: Mapping[str, tuple[Qemu, ...]]
) -> tuple[list[Cell], tuple[Wish, ...]]:
    """The cells of every QEMU, split by the wishes of all targets that it belongs to."""
    wanted: dict[int, tuple[Qemu, list[Target[Wanted]]]] = {}
    for target in targets:
        if len(qemus[target.object.uid]) <= MOST_QEMUS:
            for qemu in qemus[target.object.uid]:
                wanted.setdefault(qemu.pid, (qemu, []))[1].append(target)
    cells = [cell for qemu, of in wanted.values() for cell in split(qemu, wishes_of(of))]
    return cells, wishes_of(targets)
