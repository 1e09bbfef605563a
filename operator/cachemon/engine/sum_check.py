"""Sums over the NUMA nodes of a cache block that the kernel gives as 0 although the parts are not 0."""

from collections.abc import Iterator

from cachemon.engine.reading_plan import CounterKey, ReadingPlan
from cachemon.model.readings import BlockShare, CacheBlock, Missing
from cachemon.resctrl.mon_data import Sweep

_Contradiction = tuple[CounterKey, int]


class SumCheck:
    """Replaces wrong sums by `Missing.ERROR`.

    With SNC, the file of a cache block has the sum of its NUMA nodes. Linux 6.11 and later, without commit
    594902c986e2, read it on a CPU of the node that may be offline, and then give 0 without an error. The files of the
    nodes are right.

    A VM may wake up between the reads of a sum and of its parts. So a sum counts as wrong at the second sample.
    """

    def __init__(self) -> None:
        self._suspects: frozenset[CounterKey] = frozenset()

    def checked(
        self, plan: ReadingPlan[CacheBlock], sums: Sweep, share_plan: ReadingPlan[BlockShare], parts: Sweep
    ) -> Sweep:
        """The sums without those that the parts contradict now and did before."""
        found = list(_contradictions(plan, sums, share_plan, parts)) if share_plan.blocks else []
        wrong = [position for key, position in found if key in self._suspects]
        self._suspects = frozenset(key for key, _ in found)
        if not wrong:
            return sums
        values = list(sums.values)
        for position in wrong:
            values[position] = Missing.ERROR
        return sums._replace(values=values, missing=sums.missing | {Missing.ERROR})


def _contradictions(
    plan: ReadingPlan[CacheBlock], sums: Sweep, share_plan: ReadingPlan[BlockShare], parts: Sweep
) -> Iterator[_Contradiction]:
    """Yield each value that is 0 with a part that is not, and its position in the sweep."""
    values = plan.of_mon_groups(sums.values)
    first = len(sums.values) - len(values)
    events, blocks, shares = plan.events, plan.blocks, share_plan.blocks
    places = [[place for place, share in enumerate(shares) if share.block_id == block.id] for block in blocks]
    for position, value in enumerate(values):
        if value != 0:
            continue
        rest, event = divmod(position, len(events))
        group, block = divmod(rest, len(blocks))
        of_parts = (parts.values[(group * len(shares) + place) * len(events) + event] for place in places[block])
        if any(isinstance(part, int) and part > 0 for part in of_parts):
            yield CounterKey(plan.mon_groups[group], blocks[block].id, events[event]), first + position
