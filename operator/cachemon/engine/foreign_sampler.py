"""Samples mon_groups of other programs, for figures of their own."""

from collections.abc import Mapping

from cachemon.engine.figures import BlockFigure
from cachemon.engine.layout import Layout, NodeFacts, Wanted
from cachemon.engine.planned_reader import PlannedReader
from cachemon.engine.rates import Accumulator
from cachemon.engine.reading_plan import ReadingPlan, SumKey
from cachemon.model.foreign_mon_groups import MonGroupContent
from cachemon.model.groups import GroupKey
from cachemon.model.mon_groups import MonGroupName
from cachemon.model.readings import CacheBlock
from cachemon.resctrl.mon_data import CounterReader
from cachemon.resctrl.tree_writer import ResctrlTree


class ForeignSampler:
    """Samples the mon_groups of other programs that a layout shows. Opens no file where there are none.

    A rate begins anew when the threads of a mon_group have changed: each version of its content is a sum of its own.

    Args:
        tree: the resctrl file system.
        window_seconds: bandwidths are means over this time.
        reader: holds the descriptors.
    """

    def __init__(self, tree: ResctrlTree, window_seconds: float, *, reader: CounterReader | None = None) -> None:
        self._contents: Mapping[MonGroupName, MonGroupContent] = {}
        self._reader = PlannedReader(tree, reader or CounterReader(tree.calls), _compile(NodeFacts(), {}))
        self._accumulator = Accumulator(window_seconds)

    def follow(self, layout: Layout[Wanted]) -> None:
        """Sample what this layout shows from now on."""
        groups = (group for target in layout.targets for group in target.groups)
        self._contents = {each.where: each.content for group in groups for each in group.foreign}
        self._reader.follow(_compile(layout.node, self._contents))
        if not self._contents:
            self._reader.close()

    def sample(self) -> dict[MonGroupName, tuple[BlockFigure, ...]]:
        """Read once. Leaves out a mon_group whose directory is not the one that was checked: it has gone since."""
        plan = self._reader.plan
        if not plan.mon_groups:
            return {}
        sweep = self._reader.read()
        groups = self._accumulator.digest(plan, sweep, wall_time=0.0).groups
        return {
            where: groups[_key(where, self._contents[where])]
            for where, identity in zip(plan.mon_groups, sweep.identities, strict=True)
            if identity == self._contents[where].identity
        }

    def close(self) -> None:
        """Close every descriptor."""
        self._reader.close()


def _compile(node: NodeFacts, contents: Mapping[MonGroupName, MonGroupContent]) -> ReadingPlan[CacheBlock]:
    mon_groups = tuple(sorted(contents))
    members: dict[SumKey, tuple[int, ...]] = {
        _key(where, contents[where]): (place,) for place, where in enumerate(mon_groups)
    }
    return ReadingPlan((), mon_groups, node.blocks, node.events, frozenset(members), members)


def _key(where: MonGroupName, content: MonGroupContent) -> GroupKey:
    return GroupKey(where.path, str(content.version))
