from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cachemon.agent.targets import BoundLayout
from cachemon.engine.figures import TOTAL_TRAFFIC, BlockFigure
from cachemon.engine.foreign_sampler import ForeignSampler
from cachemon.engine.layout import GroupState, NodeFacts
from cachemon.model.foreign_mon_groups import ForeignMonGroup, Holds, MonGroupContent
from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.resctrl.mon_data import CounterReader
from cachemon.resctrl.tree_writer import ResctrlTree
from tests.unit.agent.builders import BLOCKS, EVENTS, make_group, make_layout, make_target

ONE_BLOCK = NodeFacts(num_rmids=9, events=EVENTS, blocks=BLOCKS[:1])
THEIRS = MonGroupName(ROOT, "theirs")


class Bench:
    """A sampler on plain files, one second from sample to sample."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now = 0.0
        tree = ResctrlTree(root)
        self.sampler = ForeignSampler(tree, 10, reader=CounterReader(tree.calls, clock=lambda: self.now))

    @property
    def directory(self) -> Path:
        return self.root / "mon_groups" / THEIRS.name

    def write(self, value: int) -> None:
        directory = self.directory / "mon_data/mon_L3_00"
        directory.mkdir(parents=True, exist_ok=True)
        for event in EVENTS:
            (directory / event).write_text(f"{value}\n")

    def follow(self, version: int) -> None:
        self.sampler.follow(layout_of(self.content(version)))

    def content(self, version: int) -> MonGroupContent:
        return MonGroupContent(self.directory.stat().st_ino, frozenset([version]), frozenset(["pod"]), version)

    def sample(self) -> BlockFigure | None:
        self.now += 1
        found = self.sampler.sample()
        return found[THEIRS][0] if found else None

    def rate(self) -> int | None:
        figure = self.sample()
        assert figure
        return figure.traffic[TOTAL_TRAFFIC].bytes_per_second


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    bench.write(100)
    yield bench
    bench.sampler.close()


def layout_of(*contents: MonGroupContent) -> BoundLayout:
    """Each content is that of the same mon_group, beside a group of its own."""
    groups = [
        replace(
            make_group(f"g{number}", (), GroupState.DEGRADED),
            foreign=(ForeignMonGroup(THEIRS, content, Holds.PART_AND_OTHERS),),
        )
        for number, content in enumerate(contents)
    ]
    return make_layout((make_target(), groups), node=ONE_BLOCK)


def test_the_occupancy_is_that_of_the_newest_read(bench: Bench) -> None:
    bench.follow(1)
    for value in (100, 350):
        bench.write(value)
        figure = bench.sample()
        assert figure
        assert figure.occupancy == value


def test_a_rate_counts_nothing_from_before_a_change_of_the_threads(bench: Bench) -> None:
    bench.follow(1)
    assert bench.rate() is None
    bench.write(1100)
    assert bench.rate() == 1000
    bench.write(900_000)  # by a thread that has just joined
    bench.follow(2)
    assert bench.rate() is None
    bench.write(900_050)
    assert bench.rate() == 50


def test_a_mon_group_beside_several_groups_is_read_once_for_all(bench: Bench) -> None:
    content = bench.content(1)
    bench.sampler.follow(layout_of(content, content))
    figure = bench.sample()
    assert figure
    assert figure.occupancy == 100


def test_a_directory_that_is_not_the_checked_one_has_no_figures(bench: Bench) -> None:
    content = bench.content(1)
    bench.directory.rename(bench.root / "old")
    bench.write(7)
    bench.sampler.follow(layout_of(content))
    assert bench.sample() is None
    bench.follow(2)
    assert bench.sample() is not None


def test_nothing_is_kept_open_when_nothing_is_shown(bench: Bench) -> None:
    def open_files() -> list[Path]:
        links = (link for link in Path("/proc/self/fd").iterdir() if link.is_symlink())
        return [link for link in links if str(link.readlink()).startswith(str(bench.root))]

    bench.follow(1)
    assert bench.sample() is not None
    assert open_files() != []
    bench.sampler.follow(layout_of())
    assert open_files() == []
    assert bench.sample() is None
