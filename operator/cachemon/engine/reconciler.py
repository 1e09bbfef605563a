"""Reconcile: make the kernel's mon_groups those that the cells need. Nothing here waits for the API."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Generic, NamedTuple

from cachemon.engine.counter_share import CounterShare
from cachemon.engine.group_states import (
    PlanResult,
    RmidCount,
    judge,
    mon_groups_of_groups,
    threads_of_qemus,
)
from cachemon.engine.layout import (
    Layout,
    NodeFacts,
    Target,
    TargetLayout,
    W,
    Wanted,
    ranked_groups_of,
    unavailable_layout,
)
from cachemon.engine.message_terms import MessageTerms
from cachemon.engine.observation import CacheBlocks, MonGroupObserver
from cachemon.engine.rmid_backoff import RmidMemory
from cachemon.engine.settled_pass import Basis, SettledPass, with_targets
from cachemon.model.cells import Cell, split
from cachemon.model.errors import MonitoringUnavailableError, ResctrlBusyError, ResctrlUnavailableError
from cachemon.model.mon_groups import Holders, Observed
from cachemon.model.plan import Create, Move, Plan, make_plan
from cachemon.model.reasons import Reason
from cachemon.model.telemetry import Package
from cachemon.model.threads import MOST_QEMUS, Qemu, each_once
from cachemon.qemu.discovery import ProcessOwners, QemuFinder
from cachemon.resctrl.apply import Applied, apply_plan
from cachemon.resctrl.tree_writer import ResctrlTree

log = logging.getLogger(__name__)

_EXTRA_PASSES = 2
"""Extra passes after threads vanished; later losses wait for the next cycle."""


class _Pass(NamedTuple, Generic[W]):
    """The result of one pass.

    Attributes:
        layout: how every group stands.
        is_settled: whether another pass with the same basis would do nothing.
        threads_ended: whether threads ended while the pass moved them.
    """

    layout: Layout[W]
    is_settled: bool
    threads_ended: bool


class Reconciler(Generic[W]):
    """Makes the kernel's mon_groups what the objects want.

    Args:
        tree: the resctrl file system.
        proc: the host's /proc.
        sysfs: the host's /sys.
        owners: knows whose a QEMU is.
        terms: for messages.
        budget: maximum number of mon_groups; None for all that there are RMIDs for.
        verify_seconds: how long the remembered content of the mon_groups, and of sysfs, is believed.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        tree: ResctrlTree,
        proc: Path,
        sysfs: Path,
        owners: ProcessOwners,
        terms: MessageTerms,
        *,
        budget: int | None = None,
        verify_seconds: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tree = tree
        self._terms = terms
        self._budget = budget
        self._finder = QemuFinder(proc, owners, clock=clock)
        self._observer = MonGroupObserver(tree, proc, verify_seconds, clock)
        self._blocks = CacheBlocks(tree, sysfs, verify_seconds, clock)
        self._rmids = RmidMemory(clock)
        self._counters = CounterShare(tree, terms)
        self._held_for: Holders = {}
        self._settled: SettledPass[W] | None = None

    def forget(self) -> None:
        """Read the mon_groups again at the next pass: they may have changed. May be called from any thread."""
        self._observer.forget()

    def run(self, targets: Sequence[Target[W]]) -> Layout[W]:
        """Find threads, plan and apply; answers how every group stands."""
        try:
            done = self._run(targets)
            for _ in range(_EXTRA_PASSES):
                # A thread may end between plan and write: its mon_group would have figures of no thread.
                if not done.threads_ended:
                    break
                done = self._run(targets)
        except MonitoringUnavailableError as err:
            self.forget()
            return unavailable_layout(targets, err)
        return done.layout

    def _run(self, targets: Sequence[Target[W]]) -> _Pass[W]:
        settled, self._settled = self._settled, None
        capabilities = self._tree.capabilities()
        if not capabilities.events:
            raise ResctrlUnavailableError(
                Reason.MONITORING_UNSUPPORTED, "info/L3_MON/mon_features names no counter that cachemon knows"
            )
        wanted = tuple(replace(target, object=target.object.without_news()) for target in targets)
        qemus = self._qemus_of(wanted)
        processes = each_once(chain.from_iterable(qemus.values()))
        observed, is_fresh = self._observer.observe(frozenset(t for qemu in processes for t in qemu.threads))
        self._rmids.see(observed)
        basis = Basis(
            wanted,
            qemus,
            self._finder.obstacles,
            capabilities,
            self._blocks.read(),
            tuple(map(Package, self._tree.package_ids())) if capabilities.telemetry else (),
            self._observer.read_at,
            self._rmids.rooms,
        )
        if settled and settled.basis == basis:
            done = _Pass(settled.layout, is_settled=True, threads_ended=False)
        else:
            done = self._carry_out(basis, observed, is_fresh=is_fresh)
        done = done._replace(layout=with_targets(done.layout, targets))
        self._settled = SettledPass(basis, done.layout) if done.is_settled else None
        return done

    def _carry_out(self, basis: Basis[W], observed: Observed, *, is_fresh: bool) -> _Pass[W]:
        """Plan and apply."""
        targets, qemus, capabilities = basis.targets, basis.qemus, basis.capabilities
        groups = ranked_groups_of(targets)
        held_for = self._held_for
        plan = make_plan(
            _cells(targets, qemus),
            groups,
            observed,
            known_threads=self._observer.threads,
            held_for=held_for,
            budget=self._budget,
            rooms=basis.rooms,
        )
        self._held_for = {where: part.cell.members for part, where in plan.placed.items()}
        applied = self._apply(plan, observed)
        own = {*observed.own_mon_groups, *applied.created} - applied.removed
        mon_groups = mon_groups_of_groups(plan)
        count = RmidCount(
            total=capabilities.num_rmids,
            ours=len(own),
            others=observed.other_rmids,
            budget=self._budget,
        )
        result = PlanResult(
            plan,
            mon_groups,
            applied.failed,
            frozenset(applied.without_rmid),
            count,
            self._terms,
            threads_of_qemus(chain.from_iterable(qemus.values())),
            self._counters.share(capabilities, groups, mon_groups, own, tree_changed=is_fresh or applied.changed),
            basis.obstacles,
        )
        layouts = tuple(judge(target, qemus[target.object.uid], result) for target in targets)
        counting = tuple(name for name in observed.control_groups if name not in observed.pseudo_locked)
        layout = Layout(_node_facts(basis, counting, count), layouts, _awaits_threads(layouts))
        is_settled = not plan.actions and held_for == self._held_for
        return _Pass(layout, is_settled, threads_ended=applied.vanished > 0)

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

    def _apply(self, plan: Plan, observed: Observed) -> Applied:
        may_create = self._rmids.may_create
        try:
            applied = apply_plan(
                self._tree,
                plan,
                self._observer.is_alive,
                where_is=self._observer.mon_group_of,
                may_create=may_create,
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


def _node_facts(basis: Basis[W], control_groups: tuple[str, ...], count: RmidCount) -> NodeFacts:
    return NodeFacts(
        num_rmids=count.total,
        events=basis.capabilities.events,
        assign_mode=basis.capabilities.assign_mode,
        blocks=basis.blocks,
        own_mon_groups=count.ours,
        other_rmids=count.others,
        control_groups=control_groups,
        telemetry=basis.capabilities.telemetry,
        packages=basis.packages,
        unread_resources=basis.capabilities.unread_resources,
    )


def _awaits_threads(layouts: Sequence[TargetLayout[Wanted]]) -> bool:
    awaited = (Reason.VCPU_THREAD_MISSING, Reason.QEMU_NOT_FOUND, Reason.PROCESS_UNREADABLE)
    return any(group.reason in awaited for layout in layouts for group in layout.groups)


def _cells(targets: Sequence[Target[Wanted]], qemus: Mapping[str, tuple[Qemu, ...]]) -> list[Cell]:
    """The cells of every QEMU, split by the groups of all targets that it belongs to."""
    wanted: dict[int, tuple[Qemu, list[Target[Wanted]]]] = {}
    for target in targets:
        if len(qemus[target.object.uid]) <= MOST_QEMUS:
            for qemu in qemus[target.object.uid]:
                wanted.setdefault(qemu.pid, (qemu, []))[1].append(target)
    return [cell for qemu, of in wanted.values() for cell in split(qemu, ranked_groups_of(of))]
