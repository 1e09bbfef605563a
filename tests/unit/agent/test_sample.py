from collections.abc import Iterator
from pathlib import Path

import pytest

from cachemon.agent.figures import TOTAL_TRAFFIC, Figures
from cachemon.agent.layout import Layout, NodeFacts, unavailable_layout
from cachemon.agent.sample import Sampler
from cachemon.model.counters import Gap
from cachemon.model.errors import ResctrlUnavailableError
from cachemon.model.groups import GroupKey
from cachemon.model.readings import Missing
from cachemon.resctrl.tree import ResctrlTree
from tests.unit.agent.builders import BLOCKS, EVENTS, cell, make_group, make_layout, make_target

ONE_BLOCK = NodeFacts(num_rmids=9, events=EVENTS, blocks=BLOCKS[:1])
KEY = GroupKey("uid-of-vm3", "a")


class Bench:
    """A sampler on plain files, one second from sample to sample."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now = 0.0
        self.sampler = Sampler(ResctrlTree(root), 10, clock=lambda: self.now, wall_clock=lambda: 1.8e9 + self.now)
        self.write(root, 0)

    def write(self, group: Path, value: int | str) -> None:
        directory = group / "mon_data/mon_L3_00"
        directory.mkdir(parents=True, exist_ok=True)
        for event in EVENTS:
            (directory / event).write_text(f"{value}\n")

    def group(self, name: object) -> Path:
        return self.root / "mon_groups" / cell(name).name

    def sample(self, layout: Layout) -> Figures:
        self.now += 1
        return self.sampler.sample(layout)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.sampler.close()


def layout_of(*cells: object) -> Layout:
    return make_layout((make_target(), [make_group("a", [cell(name) for name in cells])]), node=ONE_BLOCK)


def total_of(figures: Figures) -> tuple[int, int | None]:
    return figures.groups[KEY][0].traffic[TOTAL_TRAFFIC]


def test_figures_carry_the_time_at_which_they_were_read(bench: Bench) -> None:
    bench.write(bench.group(0), 100)
    assert bench.sample(layout_of(0)).wall_time == 1.8e9 + 1


def test_kept_descriptors_show_new_values(bench: Bench) -> None:
    bench.write(bench.group(0), 100)
    bench.sample(layout_of(0))
    bench.write(bench.group(0), 350)
    figures = bench.sample(layout_of(0))
    assert figures.groups[KEY][0].occupancy == 350
    assert total_of(figures) == (250, 250)


def test_a_group_that_appears_later_is_read_as_soon_as_it_is_there(bench: Bench) -> None:
    missing = bench.sample(layout_of(0))
    assert missing.offline
    assert missing.groups[KEY][0].occupancy is Missing.OFFLINE
    bench.write(bench.group(0), 5)
    figures = bench.sample(layout_of(0))
    assert not figures.offline
    assert figures.groups[KEY][0].occupancy == 5


def test_another_cell_is_read_without_opening_the_rest_again(bench: Bench) -> None:
    for name in (0, 1):
        bench.write(bench.group(name), 100)
    bench.sample(layout_of(0))
    bench.write(bench.group(0), 150)
    figures = bench.sample(layout_of(0, 1))
    assert total_of(figures) == (50, None)
    bench.write(bench.group(1), 130)
    assert total_of(bench.sample(layout_of(0, 1))) == (80, 30)


def test_time_without_resctrl_counts_nothing_even_if_the_directory_looks_the_same(bench: Bench) -> None:
    bench.write(bench.group(0), 100)
    bench.sample(layout_of(0))
    unmounted = unavailable_layout([make_target()], ResctrlUnavailableError("ResctrlNotMounted", "mount it"))
    assert bench.sample(unmounted).groups == {}
    bench.write(bench.group(0), 900)
    assert total_of(bench.sample(layout_of(0))) == (0, None)


def test_an_unmounted_tree_is_sampled_with_its_time_so_that_it_is_reported(bench: Bench) -> None:
    unmounted = unavailable_layout([make_target()], ResctrlUnavailableError("ResctrlNotMounted", "mount it"))
    figures = bench.sample(unmounted)
    assert figures.wall_time > 0
    assert not figures.offline
    assert (figures.groups, figures.node) == ({}, ())


def test_gaps_are_counted_over_the_samplers_life(bench: Bench) -> None:
    bench.write(bench.group(0), 100)
    bench.sample(layout_of(0))
    bench.write(bench.group(0), 3)
    bench.sample(layout_of(0))
    assert {gap: number for gap, number in bench.sampler.gaps.items() if number} == {Gap.RESTARTED: 2}
