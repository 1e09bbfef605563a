"""Decides which groups get the assignable MBM counters. Pure.

With AMD ABMC and Arm MPAM (`mbm_event` mode, Linux 6.18) an RMID alone counts no traffic: every event of every
mon_group needs a hardware counter in each cache block. A monitoring group's bandwidth is the sum over its mon_groups,
so counters go to whole groups, best rank first: total traffic for as many as possible, then local traffic.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cachemon.model.groups import GroupKey
from cachemon.model.mon_groups import MonGroupName

ASSIGNING_MODE = "mbm_event"
"""The mode of info/L3_MON/mbm_assign_mode in which counters are assigned."""


class MbmCounter(NamedTuple):
    """A counter's place: it counts one event of one mon_group in one cache block."""

    group: MonGroupName
    event: str
    block: int


@dataclass(frozen=True, slots=True)
class CounterPool:
    """The counters of the kernel.

    Attributes:
        free: unassigned counters by cache id.
        ours: those of our mon_groups; counters of others are not listed and never touched.
        total: all counters by cache id.
    """

    free: Mapping[int, int]
    ours: frozenset[MbmCounter]
    total: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class CounterPlan:
    """First unassign `release`, then assign `assign` in its order, best rank first."""

    release: tuple[MbmCounter, ...]
    assign: tuple[MbmCounter, ...]


MonGroupsOfGroups = Mapping[GroupKey, Sequence[MonGroupName]]
"""The mon_groups of each monitoring group, best rank first."""


def share_counters(mon_groups: MonGroupsOfGroups, events: Sequence[str], pool: CounterPool) -> CounterPlan:
    """Decide which counters to take away and which to assign.

    A counter stays where the kernel put it at mkdir, unless a group with a better rank needs it.

    Args:
        mon_groups: of each monitoring group, best rank first.
        events: the events to count, most wanted first.
        pool: the counters of the kernel; a block that it lacks has none.
    """
    held = Counter(counter.block for counter in pool.ours)
    chosen: dict[MbmCounter, None] = {}
    for block, free in pool.free.items():
        left = free + held[block]
        for event in events:
            for groups in mon_groups.values():
                wanted = [c for where in groups if (c := MbmCounter(where, event, block)) not in chosen]
                if len(wanted) <= left:
                    chosen |= dict.fromkeys(wanted)
                    left -= len(wanted)
    assign = tuple(counter for counter in chosen if counter not in pool.ours)
    return CounterPlan(_needed(assign, pool, chosen), assign)


def _needed(assign: Iterable[MbmCounter], pool: CounterPool, chosen: Iterable[MbmCounter]) -> tuple[MbmCounter, ...]:
    """Counters that are not chosen, as many as are missing."""
    short = Counter(counter.block for counter in assign)
    short.subtract(pool.free)
    spare: defaultdict[int, list[MbmCounter]] = defaultdict(list)
    for counter in sorted(pool.ours - set(chosen)):
        spare[counter.block].append(counter)
    return tuple(counter for block in sorted(spare) for counter in spare[block][: max(0, short[block])])


def lacking(
    mon_groups: MonGroupsOfGroups, events: Sequence[str], pool: CounterPool
) -> Mapping[GroupKey, Mapping[str, list[int]]]:
    """Which groups have no counter, by event the cache ids where one of their mon_groups has none."""
    found: defaultdict[GroupKey, dict[str, list[int]]] = defaultdict(dict)
    for key, groups in mon_groups.items():
        for event in events:
            blocks = [
                block
                for block in pool.total
                if any(MbmCounter(where, event, block) not in pool.ours for where in groups)
            ]
            if blocks:
                found[key][event] = blocks
    return found
