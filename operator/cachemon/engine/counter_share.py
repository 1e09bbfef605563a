"""Gives the machine's assignable MBM counters to the monitoring groups, and names the groups without one."""

import logging
import shlex
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from cachemon.engine.message_terms import MessageTerms
from cachemon.model.cells import RankedGroup, by_rank
from cachemon.model.errors import ResctrlBusyError
from cachemon.model.groups import GroupKey
from cachemon.model.mbm_counters import ASSIGNING_MODE, CounterPool, MonGroupsOfGroups, lacking, share_counters
from cachemon.model.mon_groups import MonGroupName
from cachemon.resctrl.apply import apply_counters
from cachemon.resctrl.capabilities import Capabilities
from cachemon.resctrl.mbm_assignments import read_assignments, read_pool
from cachemon.resctrl.tree_reader import DEFAULT_GROUP, TreeReader, assignments_file
from cachemon.resctrl.tree_writer import ResctrlTree

log = logging.getLogger(__name__)


class CounterShare:
    """Assigns counters, and remembers which groups lack some.

    Args:
        tree: the resctrl file system.
        terms: for messages.
    """

    def __init__(self, tree: ResctrlTree, terms: MessageTerms) -> None:
        self._tree = tree
        self._terms = terms
        self._capabilities: Capabilities | None = None
        self._lacking: Mapping[GroupKey, str] = {}

    def share(
        self,
        capabilities: Capabilities,
        groups: Iterable[RankedGroup],
        mon_groups: MonGroupsOfGroups,
        own: AbstractSet[MonGroupName],
        *,
        tree_changed: bool,
    ) -> Mapping[GroupKey, str]:
        """Assign counters if anything may have changed; answers a message for each group that lacks some.

        A changed mode is noticed at every pass. Counters that another program took are noticed when the mon_groups
        are read again: a sample without a counter that the one before had sees to that.

        Args:
            capabilities: which events there are, total traffic before local, and the mode in force.
            groups: all groups; their rank decides.
            mon_groups: those of each group.
            own: all mon_groups of ours; those of no group have counters to give.
            tree_changed: whether the mon_groups were just read or written.
        """
        if tree_changed or capabilities != self._capabilities:
            complete = {
                group.key: mon_groups[group.key]
                for group in by_rank(groups)
                if group.key in mon_groups and own >= set(mon_groups[group.key])
            }
            self._lacking = self._assign(capabilities, complete, own)
            self._capabilities = capabilities
        return self._lacking

    def _assign(
        self, capabilities: Capabilities, mon_groups: MonGroupsOfGroups, own: AbstractSet[MonGroupName]
    ) -> Mapping[GroupKey, str]:
        events = [event for event in capabilities.events if event.startswith("mbm_")]
        if capabilities.assign_mode != ASSIGNING_MODE or not events:
            return {}
        pool = read_pool(self._tree, own)
        if pool is None:
            return {}
        plan = share_counters(mon_groups, events, pool)
        if plan.assign or plan.release:
            try:
                refused = apply_counters(self._tree, plan)
            except ResctrlBusyError as err:
                log.warning("MBM counters: %s; trying again", err)
            else:
                log.info(
                    "MBM counters: %d assigned, %d taken away, %d refused",
                    len(plan.assign) - len(refused), len(plan.release), len(refused),
                )  # fmt: skip
            pool = read_pool(self._tree, own) or pool
        lacks = lacking(mon_groups, events, pool)
        advice = self._advice(pool) if lacks else ""
        return {key: _lack_message(events_of, pool, self._terms, advice) for key, events_of in lacks.items()}

    def _advice(self, pool: CounterPool) -> str:
        """How to have more counters."""
        advice = [self._terms.shortage_advice] if pool.ours else []
        if spare := spare_counters_advice(self._tree, self._terms.machine):
            advice.insert(0, spare)
        return "; ".join(advice) or "other programs' groups hold all counters: remove such groups"


def spare_counters_advice(tree: TreeReader, machine: str) -> str:
    """How to free the counters that the kernel gives the default group at each mount; empty without any."""
    events = {event for event, _ in read_assignments(tree, DEFAULT_GROUP)}
    if not events:
        return ""
    command = assignment_command(tree, DEFAULT_GROUP, events, "_")
    return f"the default group has counters that no figure of cachemon needs; free them on the {machine}: {command}"


def assignment_command(tree: TreeReader, where: MonGroupName, events: Iterable[str], state: str) -> str:
    """The command that assigns (`e`) or frees (`_`) the counters of some events in all cache blocks."""
    lines = r"\n".join(f"{event}:*={state}" for event in sorted(events))
    return f"printf '{lines}\\n' > {shlex.quote(str(assignments_file(tree.directory(where))))}"


def _lack_message(events: Mapping[str, list[int]], pool: CounterPool, terms: MessageTerms, advice: str) -> str:
    missing = "; ".join(f"{event} in cache block {', '.join(map(str, blocks))}" for event, blocks in events.items())
    free, total = sum(pool.free.values()), sum(pool.total.values())
    return (
        f"no counter is left for {missing}; of the {terms.machine}'s {total} MBM counters {len(pool.ours)} are "
        f"cachemon's, {free} are free; occupancy is monitored; {advice}"
    )
