"""Gives the machine's assignable MBM counters to the monitoring groups, and tells who has none."""

import logging
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet

from cachemon.engine.message_terms import Words
from cachemon.model.cells import Wish, ranked
from cachemon.model.errors import ResctrlBusyError
from cachemon.model.groups import GroupKey
from cachemon.model.mbm_counters import ASSIGNING_MODE, Cells, CounterPool, lacking, share_counters
from cachemon.model.mon_groups import MonGroupName
from cachemon.resctrl.apply import apply_counters
from cachemon.resctrl.mbm_assignments import read_pool
from cachemon.resctrl.tree_reader import Capabilities
from cachemon.resctrl.tree_writer import ResctrlTree

__all__ = ["complete_groups", "share_counters_out"]

log = logging.getLogger(__name__)


def share_counters_out(
    tree: ResctrlTree, capabilities: Capabilities, cells: Cells, own: Collection[MonGroupName], words: Words
) -> Mapping[GroupKey, str]:
    """Assign what should be, and say what each group lacks; empty where no counters need assigning.

    Args:
        tree: the resctrl file system.
        capabilities: which events there are, total traffic before local, and the mode in force.
        cells: the mon_groups of each monitoring group, best rank first; only those that exist.
        own: all mon_groups of ours: those without a place in `cells` have counters to give.
        words: for messages.
    """
    events = [event for event in capabilities.events if event.startswith("mbm_")]
    if capabilities.assign_mode != ASSIGNING_MODE or not events:
        return {}
    pool = read_pool(tree, own)
    if pool is None:
        return {}
    plan = share_counters(cells, events, pool)
    if plan.assign or plan.release:
        try:
            refused = apply_counters(tree, plan)
        except ResctrlBusyError as err:
            log.warning("MBM counters: %s; trying again", err)
        else:
            log.info(
                "MBM counters: %d assigned, %d taken away, %d refused",
                len(plan.assign) - len(refused), len(plan.release), len(refused),
            )  # fmt: skip
        pool = read_pool(tree, own) or pool
    return {key: _told(events, pool, words) for key, events in lacking(cells, events, pool).items()}


def _told(events: Mapping[str, list[int]], pool: CounterPool, words: Words) -> str:
    missing = "; ".join(f"{event} in cache block {', '.join(map(str, blocks))}" for event, blocks in events.items())
    free, total = sum(pool.free.values()), sum(pool.total.values())
    return (
        f"no counter is left for {missing}; of the {words.machine}'s {total} MBM counters {len(pool.ours)} are "
        f"cachemon's, {free} are free; occupancy is monitored; {words.relief}"
    )


def complete_groups(
    cells: Mapping[GroupKey, tuple[MonGroupName, ...]], wishes: Sequence[Wish], own: AbstractSet[MonGroupName]
) -> Mapping[GroupKey, tuple[MonGroupName, ...]]:
    """The groups all of whose mon_groups are there, best rank first."""
    by_rank = (wish.key for wish in ranked(wishes))
    return {key: cells[key] for key in by_rank if key in cells and own >= set(cells[key])}
