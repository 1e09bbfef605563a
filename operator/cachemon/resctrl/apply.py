"""Carries out plans on the tree: mon_groups with their threads, and MBM counters."""

from collections.abc import Callable
from dataclasses import dataclass, field

from cachemon.model.errors import OutOfRmidsError, ResctrlError
from cachemon.model.mbm_counters import CounterPlan, MbmCounter
from cachemon.model.mon_groups import MonGroupName
from cachemon.model.plan import Create, Move, Plan, Release, Remove
from cachemon.model.threads import Thread
from cachemon.resctrl.tree_writer import Outcome, ResctrlTree

_PROBLEMS = {
    Outcome.VANISHED: "the kernel knows no thread {tid}, which /proc shows; the agent must run with hostPID: true",
    Outcome.GROUP_GONE: "mon_group {group} was removed by another program; cachemon makes it again",
    Outcome.REFUSED: (
        "the kernel refused to move thread {tid} into {group}; either its control group has changed, or the agent "
        "lacks rights: it must run as uid 0 with a writable mount"
    ),
}
_TAKEN_AWAY = "another program took thread {tid} out of {group} as soon as it was there; it is now in {now_in}"


@dataclass(slots=True)
class Applied:
    """The result of carrying out a plan.

    Attributes:
        changed: whether the tree was written to at all.
        created: mon_groups made.
        removed: mon_groups removed.
        without_rmid: mon_groups that no RMID was free for.
        refused_outright: those of them that were refused with ENOSPC: no RMID is in limbo either.
        failed: mon_groups that could not be made, filled or removed for another reason, with what a person can do.
        moved: number of threads written into mon_groups.
        vanished: number of threads that ended before they could be written.
    """

    changed: bool = False
    created: set[MonGroupName] = field(default_factory=set)
    removed: set[MonGroupName] = field(default_factory=set)
    without_rmid: set[MonGroupName] = field(default_factory=set)
    refused_outright: set[MonGroupName] = field(default_factory=set)
    failed: dict[MonGroupName, str] = field(default_factory=dict)
    moved: int = 0
    vanished: int = 0


def _unknown(_tid: int) -> None:
    """The default of `where_is`: no thread's mon_group is known."""


def apply_plan(
    tree: ResctrlTree,
    plan: Plan,
    is_alive: Callable[[Thread], bool],
    *,
    where_is: Callable[[int], MonGroupName | None] = _unknown,
    may_create: bool = True,
) -> Applied:
    """Carry out a plan; an action that fails is reported, and the rest goes on.

    Args:
        tree: the tree to change.
        plan: the actions.
        is_alive: whether a TID still is the same thread (by start time). Asked before every write and again after
            it, so that a TID reused in between is put back.
        where_is: the mon_group of a thread, or None if unknown. Asked after every write.
        may_create: False while mkdir would only fail again for want of RMIDs; then only RMIDs that this plan frees
            are used.

    Raises:
        ResctrlBusyError: another program holds the lock.
        ResctrlUnavailableError: resctrl is no longer mounted.
        ResctrlError: the plan moves threads into a mon_group that is not ours.
    """
    applied = Applied()
    if not plan.actions:
        return applied
    with tree.locked():
        for action in plan.actions:
            match action:
                case Create(where) if not (may_create or applied.removed):
                    applied.without_rmid.add(where)
                case Create(where):
                    _create(tree, where, applied)
                case Move(where):
                    if where not in applied.without_rmid and where not in applied.failed:
                        _move(tree, action, is_alive, where_is, applied)
                case Release(control_group, threads):
                    for thread in filter(is_alive, threads):
                        tree.release_tid(control_group, thread.tid)
                    applied.changed = True
                case Remove(where):
                    _remove(tree, where, applied)
    return applied


def _create(tree: ResctrlTree, where: MonGroupName, applied: Applied) -> None:
    try:
        tree.create(where)
        applied.created.add(where)
        applied.changed = True
    except OutOfRmidsError as err:
        applied.without_rmid.add(where)
        if not err.in_limbo:
            applied.refused_outright.add(where)
    except ResctrlError as err:
        applied.failed[where] = str(err)


def _remove(tree: ResctrlTree, where: MonGroupName, applied: Applied) -> None:
    try:
        tree.remove(where)
        applied.removed.add(where)
        applied.changed = True
    except ResctrlError as err:
        applied.failed[where] = str(err)


def _move(
    tree: ResctrlTree,
    move: Move,
    is_alive: Callable[[Thread], bool],
    where_is: Callable[[int], MonGroupName | None],
    applied: Applied,
) -> None:
    where = move.where
    applied.changed = True
    for thread in move.threads:
        outcome = tree.write_tid(where, thread.tid) if is_alive(thread) else Outcome.VANISHED
        if not is_alive(thread):
            if outcome is Outcome.MOVED:  # the TID belongs to another thread by now, or to none
                tree.release_tid(where.control_group, thread.tid)
            applied.vanished += 1
        elif outcome is Outcome.MOVED:
            applied.moved += 1
            now_in = where_is(thread.tid)
            if now_in is not None and now_in != where:
                applied.failed[where] = _TAKEN_AWAY.format(tid=thread.tid, group=where.name, now_in=now_in.path)
        else:
            applied.failed[where] = _PROBLEMS[outcome].format(tid=thread.tid, group=where.name)


def apply_counters(tree: ResctrlTree, plan: CounterPlan) -> tuple[MbmCounter, ...]:
    """Carry out a plan for MBM counters; what the kernel refuses is left.

    Returns:
        Counters that could not be assigned: ENOSPC when another program was faster, EINVAL when the mode or the
        cache block has just gone, ENOENT and ENODEV when the group has.

    Raises:
        ResctrlBusyError: another program holds the lock.
        ResctrlUnavailableError: resctrl is no longer mounted.
        ResctrlError: a group is not ours.
    """
    if not (plan.release or plan.assign):
        return ()
    with tree.locked():
        for counter in plan.release:
            tree.unassign_counter(counter)
        return tuple(counter for counter in plan.assign if not tree.assign_counter(counter))
