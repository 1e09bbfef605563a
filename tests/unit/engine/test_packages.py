"""Telemetry of CPU packages, from the kernel's files to figures."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cachemon.agent.targets import BoundLayout
from cachemon.engine.figures import Count, Figures, PackageFigure
from cachemon.engine.sampler import Sampler
from cachemon.model.groups import GroupKey
from cachemon.model.readings import Missing
from cachemon.model.telemetry import Package, Telemetry, parse_telemetry
from cachemon.resctrl.mon_data import CounterReader
from cachemon.resctrl.tree_reader import package_directory
from cachemon.resctrl.tree_writer import ResctrlTree
from tests.unit.agent.builders import FACTS, make_group, make_layout, make_object, make_target, mon_group
from tests.unit.resctrl.preads import Preads

ENERGY, UOPS = "core_energy", "uops_retired"
NODE = replace(FACTS, telemetry=Telemetry(48, (ENERGY, UOPS)), packages=(Package(0), Package(1)))
A, B = GroupKey("uid-of-vm3", "a"), GroupKey("uid-of-vm3", "b")
ONE = 10**9


class Bench:
    """A sampler on plain files, one second from sample to sample."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now = 0.0
        self.preads = 0
        calls = Preads(self.pread)
        self.sampler = Sampler(
            ResctrlTree(root),
            10,
            reader=CounterReader(calls, clock=lambda: self.now),
            package_reader=CounterReader(
                calls, clock=lambda: self.now, directory_of=package_directory, parse=parse_telemetry
            ),
        )

    def pread(self, descriptor: int, length: int, offset: int) -> bytes:
        self.preads += 1
        return os.pread(descriptor, length, offset)

    def write(self, name: int, energy: str, uops: str = "0") -> None:
        for package in ("00", "01"):
            directory = self.root / "mon_groups" / mon_group(name).name / f"mon_data/mon_PERF_PKG_{package}"
            directory.mkdir(parents=True, exist_ok=True)
            (directory / ENERGY).write_text(f"{energy}\n")
            (directory / UOPS).write_text(f"{uops}\n")

    def sample(self, layout: BoundLayout) -> Figures:
        self.now += 1
        return self.sampler.sample(layout)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.sampler.close()


def layout_of(**groups: list[int]) -> BoundLayout:
    made = [make_group(name, [mon_group(n) for n in cells]) for name, cells in groups.items()]
    return make_layout((make_target(make_object()), made), node=NODE)


def energy(figures: Figures, key: GroupKey, package: int = 0) -> Count:
    return figures.packages[key][package].counts[ENERGY]


def test_a_groups_energy_is_the_exact_sum_of_its_mon_groups_since_the_first_sample(bench: Bench) -> None:
    """The kernel does not reset these counters, so what an RMID counted for others before is not the group's."""
    layout = layout_of(a=[0, 1], b=[1])
    bench.write(0, "1000.100000")
    bench.write(1, "7.000001")
    first = bench.sample(layout)
    assert energy(first, A) == Count(0, None)
    bench.write(0, "1004.350000")
    bench.write(1, "7.500001", "12")
    figures = bench.sample(layout)
    assert energy(figures, A) == energy(figures, A, 1) == Count(4_750_000_000, 4_750_000_000)
    assert energy(figures, B).total == 500_000_000
    assert figures.packages[A][0].counts[UOPS] == Count(12 * ONE, 12 * ONE)
    assert [figure.package for figure in figures.packages[A]] == [Package(0), Package(1)]


def test_a_guests_energy_counts_each_mon_group_once(bench: Bench) -> None:
    layout = layout_of(a=[0, 1], b=[1])
    for value in ("1.000000", "3.000000"):
        bench.write(0, value)
        bench.write(1, value)
        figures = bench.sample(layout)
    ((_, of_guest),) = figures.guest_packages.items()
    assert of_guest[0].counts[ENERGY].total == 4 * ONE


def test_a_sample_is_one_pread_per_file(bench: Bench) -> None:
    layout = layout_of(a=[0])
    bench.write(0, "1.000000")
    bench.sample(layout)
    before = bench.preads
    bench.sample(layout)
    assert bench.preads - before == 4, "two packages, two events; no cache block has a file here"


def test_a_counter_without_a_number_says_why_and_its_total_stays(bench: Bench) -> None:
    layout = layout_of(a=[0])
    for value in ("1.000000", "2.000000", "Unavailable"):
        bench.write(0, value)
        figures = bench.sample(layout)
    figure = figures.packages[A][0]
    assert (figure.missing, figure.counts[ENERGY]) == (Missing.UNAVAILABLE, Count(ONE, None))


def test_a_kernel_without_telemetry_costs_no_read_and_totals_outlive_it(bench: Bench) -> None:
    layout = layout_of(a=[0])
    for value in ("1.000000", "2.000000"):
        bench.write(0, value)
        bench.sample(layout)
    before = bench.preads
    without = bench.sample(replace(layout, node=FACTS))
    assert (bench.preads, without.packages) == (before, {})
    assert energy(bench.sample(layout), A).total == ONE


def test_a_mon_group_that_comes_and_goes_leaves_the_rest(bench: Bench) -> None:
    bench.write(0, "1.000000")
    figures = bench.sample(layout_of(a=[0, 5]))
    assert figures.packages[A][0] == PackageFigure(
        Package(0), Missing.OFFLINE, {ENERGY: Count(0, None), UOPS: Count(0, None)}
    )
    bench.write(5, "9.000000")
    assert bench.sample(layout_of(a=[0, 5])).packages[A][0].missing is None
