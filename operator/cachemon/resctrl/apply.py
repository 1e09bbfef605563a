"""Carrying out a plan: the only code that changes anything under resctrl."""

from collections.abc import Callable
from dataclasses import dataclass, field

from cachemon.model.errors import OutOfRmidsError, ResctrlError
from cachemon.model.mon_groups import MonGroupName
from cachemon.model.plan import Create, Move, Plan, Release, Remove
from cachemon.model.threads import Thread
from cachemon.resctrl.tree import Outcome, ResctrlTree

__all__ = ["Applied", "apply_plan"]


_PROBLEMS = {
    Outcome.VANISHED: "the kernel knows no thread {tid}, which /proc shows; the agent must run with hostPID: true",
    Outcome.GROUP_GONE: "mon_group {group} was removed by another program; it is made anew",
    Outcome.REFUSED: (
        "the kernel refused to move thread {tid} into {group}; either its control group has changed, or the agent "
        "lacks rights: it must run as uid 0 with a writable mount"
    ),
}


_TAKEN_AWAY = "another program took thread {tid} out of {group} as soon as it was there; it is now in {now_in}"


@dataclass(slots=True)
class Applied:
    """What came of a plan.

    Attributes:
        changed: whether the tree was written to at all.
        created: mon_groups made.
        removed: mon_groups removed.
        without_rmid: mon_groups that could not be made now.
        refused_outright: those of them for which there was not even an RMID in limbo to wait for (ENOSPC).
        failed: mon_groups that could not be made, filled or removed for another reason, with what a person can do.
        moved: threads written into mon_groups.
        vanished: threads that had ended before they could be.
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
    """Nothing is known of where threads are."""


def apply_plan(
    tree: ResctrlTree,
    plan: Plan,
    is_alive: Callable[[Thread], bool],
    *,
    where_is: Callable[[int], MonGroupName | None] = _unknown,
    may_create: bool = True,
) -> Applied:
    """Carry out a plan as far as it goes; what fails is told and the rest goes on.

    Args:
        tree: where.
        plan: what.
        is_alive: whether the TID still means the thread that it meant (start time): asked before every write
            and again after it, so that a TID reused in between is put back.
        where_is: the mon_group that a thread says it is in, or None where that can't be told: asked after every
            write.
        may_create: False while mkdir would only fail again for want of RMIDs, unless we free some ourselves.

    Raises:
        ResctrlBusyError: another program holds the lock.
        ResctrlUnavailableError: resctrl has gone.
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
                        tree.write_tid(MonGroupName(control_group, ""), thread.tid)
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
                tree.write_tid(MonGroupName(where.control_group, ""), thread.tid)
            applied.vanished += 1
        elif outcome is Outcome.MOVED:
            applied.moved += 1
            now_in = where_is(thread.tid)
            if now_in is not None and now_in != where:
                applied.failed[where] = _TAKEN_AWAY.format(tid=thread.tid, group=where.name, now_in=now_in.path)
        else:
            applied.failed[where] = _PROBLEMS[outcome].format(tid=thread.tid, group=where.name)
