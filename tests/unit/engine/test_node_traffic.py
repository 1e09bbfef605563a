from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from cachemon.agent.targets import BoundLayout
from cachemon.engine.layout import NodeFacts, unavailable_layout
from cachemon.engine.node_traffic import NodeTraffic
from cachemon.model.errors import ResctrlUnavailableError
from cachemon.model.readings import CacheBlock
from cachemon.model.reasons import Reason
from cachemon.resctrl.mon_data import CounterReader
from cachemon.resctrl.tree_writer import ResctrlTree
from tests.unit.agent.builders import make_group, make_layout, make_target, mon_group

FACTS = NodeFacts(
    events=("llc_occupancy", "mbm_total_bytes"),
    blocks=(CacheBlock(3, 0, 1 << 25, "0-3"), CacheBlock(3, 8, 1 << 25, "4-7")),
    control_groups=("gold",),
)


class Node:
    """The counters of two control groups on two cache blocks, 10 s from one read to the next."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now = 0.0
        self.facts = FACTS
        self.mon_groups = [mon_group(0)]
        reader = CounterReader(clock=lambda: self.now)
        self.traffic = NodeTraffic(ResctrlTree(root), reader)
        for group in ("", "gold"):
            for block in (0, 8):
                self.write(group, block, 0)

    def write(self, group: str, block: int, content: object) -> None:
        directory = self.root / group / f"mon_data/mon_L3_{block:02d}"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "mbm_total_bytes").write_text(str(content))

    @property
    def layout(self) -> BoundLayout:
        return make_layout((make_target(), [make_group("a", self.mon_groups)]), node=self.facts)

    def read(self, root: object = 0, gold: object = 0) -> Mapping[int, float]:
        self.now += 10
        for block, factor in ((0, 1), (8, 2)):
            self.write("", block, root * factor if isinstance(root, int) else root)
            self.write("gold", block, gold * factor if isinstance(gold, int) else gold)
        return self.traffic.per_second(self.layout)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    node = Node(tmp_path)
    assert node.read(1000, 1000) == {}, "the first read has nothing to compare with"
    return node


def test_the_nodes_traffic_is_that_of_all_control_groups(node: Node) -> None:
    assert node.read(2000, 1500) == {0: 150, 8: 300}
    assert node.read(2000, 1500) == {0: 0, 8: 0}


@pytest.mark.parametrize("content", ["Unavailable", "Error", "Unassigned", "garbage", "", 3])
def test_a_counter_without_a_number_or_that_fell_leaves_none_until_the_read_after_the_next(
    node: Node, content: object
) -> None:
    assert node.read(2000, content) == {}
    node.read(3000, 3000)
    assert node.read(4000, 4000) == {0: 200, 8: 400}


def test_one_block_without_a_number_costs_the_others_nothing(node: Node) -> None:
    node.read(2000, 2000)
    node.now += 10
    node.write("", 0, "Unavailable")
    assert node.traffic.per_second(node.layout) == {8: 0}


def test_a_change_of_mon_groups_changes_what_the_counters_mean(node: Node) -> None:
    node.mon_groups = [mon_group(0), mon_group(1)]
    assert node.read(2000, 2000) == {}
    assert node.read(3000, 3000) == {0: 200, 8: 400}


def test_so_does_a_change_of_other_programs_groups(node: Node) -> None:
    node.facts = replace(FACTS, other_rmids=3)
    assert node.read(2000, 2000) == {}


def test_a_control_group_that_has_gone_leaves_no_number_until_the_layout_knows(node: Node) -> None:
    (node.root / "gold").rename(node.root / "was-gold")
    node.now += 10
    node.traffic.per_second(node.layout)
    node.facts = replace(FACTS, control_groups=())
    assert node.read(2000) == {}
    assert node.read(3000) == {0: 100, 8: 200}


def test_without_the_event_or_without_resctrl_nothing_is_read(node: Node) -> None:
    node.facts = replace(FACTS, events=("llc_occupancy",))
    assert node.read(2000, 2000) == {}
    err = ResctrlUnavailableError(Reason.RESCTRL_NOT_MOUNTED, "no resctrl")
    assert node.traffic.per_second(unavailable_layout((), err)) == {}


def test_a_slow_kernel_changes_no_rate(tmp_path: Path) -> None:
    """Each counter has the time of its own read."""
    node = Node(tmp_path)
    ticks = iter(range(10**6))
    node.traffic = NodeTraffic(ResctrlTree(tmp_path), CounterReader(clock=lambda: node.now + 0.5 * next(ticks)))
    assert node.read(1000) == {}
    first = node.read(2000)
    assert first.keys() == {0, 8}
    assert first[0] == pytest.approx(100, rel=0.5)
    assert first[8] == pytest.approx(2 * first[0], rel=0.05)


def test_more_than_a_cache_block_can_move_is_no_traffic(node: Node) -> None:
    possible = 43 * 10**12  # in the 10 s and the second that a sweep may take; block 8 has twice as much
    assert node.read(1000 + possible, 1000) == {0: possible / 10}


def test_without_time_between_two_reads_there_is_no_rate(node: Node) -> None:
    assert node.traffic.per_second(node.layout) == {}


def test_a_sweep_whose_times_are_not_known_leaves_no_rate_and_none_after_it(tmp_path: Path) -> None:
    node, pause = Node(tmp_path), [0.0]

    def clock() -> float:
        node.now += pause[0]
        return node.now

    node.traffic = NodeTraffic(ResctrlTree(tmp_path), CounterReader(clock=clock))
    assert node.read(1000) == {}
    assert node.read(2000) == {0: 100, 8: 200}
    pause[0] = 0.5
    assert node.read(3000) == {}, "slow after a quick one"
    assert node.read(4000) == {}, "nothing to compare with"
    assert node.read(5000).keys() == {0, 8}
