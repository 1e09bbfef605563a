"""Assignable MBM counters as files: `mbm_L3_assignments` of a group, and the counts in info/L3_MON.

fs/resctrl/monitor.c since Linux 6.18. All of them answer EINVAL outside of `mbm_event` mode. rmdir gives a group's
counters back.
"""

import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from cachemon.model.errors import ResctrlError
from cachemon.model.mbm_counters import CounterPlan, CounterPool, MbmCounter
from cachemon.model.mon_groups import MonGroupName
from cachemon.model.numbers import parse_count
from cachemon.resctrl.system_calls import read_text
from cachemon.resctrl.tree import ResctrlTree

__all__ = ["apply_counters", "parse_assignments", "parse_counts", "read_pool"]

_NONE = "_"


def parse_counts(text: str) -> Mapping[int, int]:
    """`0=32;1=31` -> {0: 32, 1: 31}, by cache id; what is neither is left out."""
    counts: dict[int, int] = {}
    for item in text.split(";"):
        block, _, count = (parse_count(part) if part != "=" else None for part in item.partition("="))
        if block is not None and count is not None:
            counts[block] = count
    return counts


def parse_assignments(text: str) -> frozenset[tuple[str, int]]:
    r"""(event, cache id) of every counter that a group has.

    >>> sorted(parse_assignments("mbm_total_bytes:0=e;1=_\nmbm_local_bytes:0=_;1=e\n"))
    [('mbm_local_bytes', 1), ('mbm_total_bytes', 0)]
    """
    found: set[tuple[str, int]] = set()
    for line in text.splitlines():
        event, _, states = line.partition(":")
        for item in states.split(";"):
            name, _, state = item.partition("=")
            block = parse_count(name)
            if block is not None and state not in ("", _NONE):
                found.add((event, block))
    return frozenset(found)


def read_pool(tree: ResctrlTree, groups: Collection[MonGroupName]) -> CounterPool | None:
    """The counters of the machine and which of these groups have some; None where none are to be assigned.

    A group that has gone has none.
    """
    info = tree.root / "info/L3_MON"
    free, total = _read(tree, info / "available_mbm_cntrs"), _read(tree, info / "num_mbm_cntrs")
    if free is None or total is None:
        return None
    ours: set[MbmCounter] = set()
    for where in groups:
        text = _read(tree, _file(tree, where))
        ours |= {MbmCounter(where, event, block) for event, block in parse_assignments(text or "")}
    return CounterPool(free=parse_counts(free), ours=frozenset(ours), total=parse_counts(total))


def apply_counters(tree: ResctrlTree, plan: CounterPlan) -> tuple[MbmCounter, ...]:
    """Carry out a plan; what the kernel refuses is left.

    Returns:
        Counters that could not be assigned: ENOSPC when another program was faster, EINVAL when the mode or the
        cache block has just gone, ENOENT and ENODEV when the group has.

    Raises:
        ResctrlBusyError: another program holds the lock.
        ResctrlUnavailableError: resctrl has gone.
        ResctrlError: a group is not ours.
    """
    if not (plan.release or plan.assign):
        return ()
    _refuse_foreign((*plan.release, *plan.assign))
    with tree.locked():
        for counter in plan.release:
            _write(tree, counter, _NONE)
        return tuple(counter for counter in plan.assign if not _write(tree, counter, "e"))


def _refuse_foreign(counters: Iterable[MbmCounter]) -> None:
    for counter in counters:
        if not counter.group.is_ours:
            raise ResctrlError(f"the counters of {counter.group.path} are not ours to assign")


def _write(tree: ResctrlTree, counter: MbmCounter, state: str) -> bool:
    """One counter for one write: a list stops at the first that fails."""
    try:
        descriptor = tree.calls.open(_file(tree, counter.group), os.O_WRONLY)
    except OSError:
        return False
    try:
        tree.calls.write(descriptor, f"{counter.event}:{counter.block}={state}\n".encode())
    except OSError:
        return False
    finally:
        tree.calls.close(descriptor)
    return True


def _file(tree: ResctrlTree, where: MonGroupName) -> Path:
    return tree.directory(where) / "mbm_L3_assignments"


def _read(tree: ResctrlTree, path: Path) -> str | None:
    try:
        return read_text(tree.calls, path)
    except OSError:
        return None
