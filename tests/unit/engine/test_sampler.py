import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cachemon.agent.targets import BoundLayout
from cachemon.engine.figures import TOTAL_TRAFFIC, Figures
from cachemon.engine.layout import NodeFacts, unavailable_layout
from cachemon.engine.sampler import Sampler
from cachemon.model.counter_totals import Gap
from cachemon.model.errors import ResctrlUnavailableError
from cachemon.model.groups import GroupKey
from cachemon.model.readings import Missing
from cachemon.model.reasons import Reason
from cachemon.resctrl.mon_data import CounterReader
from cachemon.resctrl.tree_writer import ResctrlTree
from tests.unit.agent.builders import BLOCKS, EVENTS, make_group, make_layout, make_target, mon_group
from tests.unit.resctrl.preads import Preads

ONE_BLOCK = NodeFacts(num_rmids=9, events=EVENTS, blocks=BLOCKS[:1])
KEY = GroupKey("uid-of-vm3", "a")


class Bench:
    """A sampler on plain files, one second from sample to sample."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now = 0.0
        self.wall_time_ahead = 1.8e9
        self.preads = 0
        self.seconds_per_pread = 0.0
        self.sampler = Sampler(
            ResctrlTree(root),
            10,
            wall_clock=lambda: self.wall_time_ahead + self.now,
            reader=CounterReader(Preads(self.pread), clock=lambda: self.now),
        )
        self.write(root, 0)

    def write(self, group: Path, value: int | str) -> None:
        directory = group / "mon_data/mon_L3_00"
        directory.mkdir(parents=True, exist_ok=True)
        for event in EVENTS:
            (directory / event).write_text(f"{value}\n")

    def pread(self, descriptor: int, length: int, offset: int) -> bytes:
        self.preads += 1
        self.now += self.seconds_per_pread
        return os.pread(descriptor, length, offset)

    def group(self, name: object) -> Path:
        return self.root / "mon_groups" / mon_group(name).name

    def sample(self, layout: BoundLayout) -> Figures:
        self.now += 1
        return self.sampler.sample(layout)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.sampler.close()


def layout_of(*mon_groups: object) -> BoundLayout:
    return make_layout((make_target(), [make_group("a", [mon_group(name) for name in mon_groups])]), node=ONE_BLOCK)


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
    unmounted = unavailable_layout([make_target()], ResctrlUnavailableError(Reason.RESCTRL_NOT_MOUNTED, "mount it"))
    assert bench.sample(unmounted).groups == {}
    bench.write(bench.group(0), 900)
    assert total_of(bench.sample(layout_of(0))) == (0, None)


def test_an_unmounted_tree_is_sampled_with_its_time_so_that_it_is_reported(bench: Bench) -> None:
    unmounted = unavailable_layout([make_target()], ResctrlUnavailableError(Reason.RESCTRL_NOT_MOUNTED, "mount it"))
    figures = bench.sample(unmounted)
    assert figures.wall_time > 0
    assert not figures.offline
    assert (figures.groups, figures.node) == ({}, ())


@pytest.mark.pitfall(20)
@pytest.mark.parametrize("jump", [-3600.0, 86400.0])
def test_a_wall_clock_that_jumps_changes_no_rate(bench: Bench, jump: float) -> None:
    bench.write(bench.group(0), 100)
    bench.sample(layout_of(0))
    bench.wall_time_ahead += jump
    bench.write(bench.group(0), 350)
    figures = bench.sample(layout_of(0))
    assert total_of(figures) == (250, 250)
    assert figures.wall_time == 1.8e9 + jump + 2


@pytest.mark.pitfall(20)
@pytest.mark.parametrize(("seconds", "rate"), [(0.25, 1000), (50.0, 5)])
def test_a_rate_is_over_the_time_that_passed_however_late_or_early_a_sample_is(
    bench: Bench, seconds: float, rate: int
) -> None:
    bench.write(bench.group(0), 100)
    bench.sample(layout_of(0))
    bench.now += seconds - 1
    bench.write(bench.group(0), 350)
    assert total_of(bench.sample(layout_of(0))) == (250, rate)


class Slow:
    """Counters that go up by 1000 bytes per second, on a kernel that lets some reads wait and then looks."""

    def __init__(self, bench: Bench, delays: Callable[[int], float]) -> None:
        self.bench = bench
        self.delays = delays
        self.reads = 0
        reader = CounterReader(Preads(self.pread), clock=lambda: bench.now)
        self.sampler = Sampler(ResctrlTree(bench.root), 10, reader=reader)

    def pread(self, _descriptor: int, _length: int, _offset: int) -> bytes:
        self.reads += 1
        self.bench.now += self.delays(self.reads)
        return b"%d\n" % round(1000 * self.bench.now)

    def sample(self, layout: BoundLayout) -> Figures:
        self.bench.now += 1
        return self.sampler.sample(layout)


VALUES = 1 + 2 * len(EVENTS)  # the default group's occupancy, and all of two mon_groups


def rates_of(figures: Figures) -> set[int | None]:
    return {traffic.bytes_per_second for block in figures.groups[KEY] for traffic in block.traffic.values()}


@pytest.mark.pitfall(20)
@pytest.mark.pitfall(26)
@given(st.lists(st.sampled_from([0.0, 0.0005, 0.1, 1.0, 3.0]), min_size=1, max_size=40))
@example([0.0] * 20 + [1.0] + [0.0] * 20)
def test_a_rate_is_right_whichever_read_was_how_slow(delays: list[float]) -> None:
    with TemporaryDirectory() as place:
        bench = Bench(Path(place))
        for name in (0, 1):
            bench.write(bench.group(name), 0)
        slow = Slow(bench, lambda read: delays[read % len(delays)])
        for _ in range(12):
            for rate in rates_of(slow.sample(layout_of(0, 1))):
                assert rate is None or abs(rate - 2000) <= 2000 * 0.011  # what counts as at once is up to 10 ms
        assert None not in rates_of(slow.sample(layout_of(0, 1)))
        slow.sampler.close()
        bench.sampler.close()


def test_a_sweep_that_is_slow_without_warning_counts_bytes_and_leaves_the_rates(bench: Bench) -> None:
    for name in (0, 1):
        bench.write(bench.group(name), 0)
    slow = Slow(bench, lambda read: 2.5 * (read == 3 * VALUES + 4))
    before = [slow.sample(layout_of(0, 1)) for _ in range(3)][-1]
    hit = slow.sample(layout_of(0, 1))
    assert total_of(hit) == (total_of(before)[0] + 2 * 1000 + 2500 * 1, 2000)
    assert total_of(slow.sample(layout_of(0, 1)))[1] == 2000
    slow.sampler.close()


@pytest.mark.pitfall(17)
def test_a_sample_is_one_pread_for_each_value_and_opens_or_lists_nothing(bench: Bench) -> None:
    for name in range(3):
        bench.write(bench.group(name), 100)
    layout = layout_of(0, 1, 2)
    bench.sample(layout)
    seen: list[str] = []
    watching = True
    sys.addaudithook(lambda event, _: seen.append(event) if watching else None)
    bench.preads = 0
    for _ in range(5):
        bench.sample(layout)
    watching = False
    assert bench.preads == 5 * (3 * len(EVENTS) + 1)  # and the occupancy of the default group
    assert [event for event in seen if event.startswith(("open", "os."))] == []


def test_only_what_has_gone_is_opened_again(bench: Bench) -> None:
    for name in (0, 1):
        bench.write(bench.group(name), 100)
    bench.sample(layout_of(0, 1, 2))
    kept = descriptors_of(bench.root)
    bench.write(bench.group(2), 100)
    assert not bench.sample(layout_of(0, 1, 2)).offline
    again = descriptors_of(bench.root)
    assert kept.items() <= again.items()
    assert len(again) == len(kept) + len(EVENTS)


def descriptors_of(root: Path) -> dict[str, Path]:
    links = {link.name: link.readlink() for link in Path("/proc/self/fd").iterdir() if link.is_symlink()}
    return {number: path for number, path in links.items() if path.is_relative_to(root)}


def test_gaps_are_counted_over_the_samplers_life(bench: Bench) -> None:
    bench.write(bench.group(0), 100)
    bench.sample(layout_of(0))
    bench.write(bench.group(0), 3)
    bench.sample(layout_of(0))
    assert {gap: number for gap, number in bench.sampler.gaps.items() if number} == {Gap.RESTARTED: 2}


def test_a_whole_of_0_that_its_numa_nodes_contradict_is_no_figure(bench: Bench) -> None:
    layout = layout_of(1)
    block = replace(layout.node.blocks[0], numa_nodes=(0,))
    layout = replace(layout, node=replace(layout.node, blocks=(block,)))
    bench.write(bench.group(1), 0)
    part = bench.group(1) / "mon_data/mon_L3_00/mon_sub_L3_00"
    part.mkdir()
    for event in EVENTS:
        (part / event).write_text("4096\n")
    readings = [bench.sample(layout).groups[KEY][0].occupancy for _ in range(3)]
    assert readings == [0, Missing.ERROR, Missing.ERROR]
