import errno
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from cachemon.agent.targets import BoundLayout, BoundTarget
from cachemon.engine.foreign_watch import MOST_SHOWN, MOST_THREADS, ForeignWatch
from cachemon.engine.layout import GroupState, Layout
from cachemon.model.api import CacheMonitorGroup
from cachemon.model.foreign_mon_groups import Holds
from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.model.threads import Qemu, Thread, ThreadClass
from cachemon.resctrl.tree_reader import TreeReader
from tests.unit.agent.builders import FACTS, make_group, make_layout, make_target, mon_group

POD = "pod-of-vm3"
THEIRS = MonGroupName(ROOT, "theirs")
VCPUS = (101, 102)
LAUNCHER = 7


class OnePass:
    """A reconciler whose next layout is set by hand."""

    def __init__(self) -> None:
        self.layout: BoundLayout = Layout()
        self.forgotten = 0

    def run(self, targets: Sequence[BoundTarget]) -> BoundLayout:
        assert targets == ()
        return self.layout

    def forget(self) -> None:
        self.forgotten += 1


class Bench:
    """Mon_groups as plain files, and pods of threads by hand."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.passes = OnePass()
        self.pods: dict[int, str] = {LAUNCHER: POD}
        self.asked: list[int] = []
        self.now = 1000.0
        self.seconds_per_thread = 0.0
        self.watch = ForeignWatch[CacheMonitorGroup](
            self.passes, TreeReader(root), self.pod_of, clock=lambda: self.now
        )

    def pod_of(self, tid: int) -> str | None:
        self.asked.append(tid)
        self.now += self.seconds_per_thread
        return self.pods.get(tid)

    def hold(self, where: MonGroupName, *tids: int) -> None:
        directory = self.root / "mon_groups" / where.name
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "cpus_list").write_text("\n")
        (directory / "tasks").write_text("".join(f"{tid}\n" for tid in tids))

    def see(self, *held_in: MonGroupName) -> BoundLayout:
        self.passes.layout = layout_of(*held_in)
        return self.again()

    def again(self) -> BoundLayout:
        self.now += 5
        return self.watch.run(())


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def layout_of(*held_in: MonGroupName) -> BoundLayout:
    """The layout of one group of two vCPUs."""
    threads = tuple(Thread(tid, 1, ThreadClass.VCPU, place) for place, tid in enumerate(VCPUS))
    qemu = Qemu(100, 1, POD, "tenant-a_vm3", threads, identifiable=True)
    group = replace(make_group("a", (), GroupState.DEGRADED), held_in=held_in)
    (target,) = make_layout((make_target(), [group])).targets
    return Layout(FACTS, (replace(target, qemus=(qemu,)),))


def shown(layout: BoundLayout) -> Mapping[str, Holds]:
    return {each.where.name: each.holds for each in layout.targets[0].groups[0].foreign}


def test_threads_of_qemu_and_of_other_programs_of_the_pod_are_the_vmis(bench: Bench) -> None:
    bench.hold(THEIRS, *VCPUS, LAUNCHER)
    assert shown(bench.see(THEIRS)) == {"theirs": Holds.GROUP_AND_OTHERS}
    assert bench.asked == [LAUNCHER]


def test_nothing_is_read_where_no_other_program_holds_threads(bench: Bench) -> None:
    bench.hold(THEIRS, *VCPUS, LAUNCHER)
    assert bench.see() is bench.passes.layout
    assert bench.asked == []
    bench.watch.forget()
    assert bench.passes.forgotten == 1


def test_a_thread_that_ends_during_the_check_does_not_hide_the_mon_group(bench: Bench) -> None:
    bench.hold(THEIRS, *VCPUS, LAUNCHER)
    del bench.pods[LAUNCHER]
    pod_of = bench.pod_of

    def ends(tid: int) -> str | None:
        bench.hold(THEIRS, *VCPUS)
        return pod_of(tid)

    watch = ForeignWatch[CacheMonitorGroup](bench.passes, TreeReader(bench.root), ends, clock=lambda: bench.now)
    bench.passes.layout = layout_of(THEIRS)
    assert shown(watch.run(())) == {"theirs": Holds.EXACTLY_THE_GROUP}


def test_a_thread_without_a_pod_hides_the_mon_group(bench: Bench) -> None:
    bench.hold(THEIRS, *VCPUS, LAUNCHER)
    del bench.pods[LAUNCHER]
    assert shown(bench.see(THEIRS)) == {}
    assert len(bench.asked) > 1, "it may have ended"


def test_a_mon_group_with_more_threads_than_the_agent_checks_is_hidden(bench: Bench) -> None:
    many = range(1000, 1000 + MOST_THREADS)
    bench.pods |= dict.fromkeys(many, POD)
    bench.hold(THEIRS, *VCPUS, *many)
    assert shown(bench.see(THEIRS)) != {}
    bench.hold(THEIRS, *VCPUS, *many, LAUNCHER)
    assert shown(bench.see(THEIRS)) == {}


def test_a_mon_group_is_hidden_while_the_agent_has_no_descriptors_left(bench: Bench) -> None:
    bench.hold(THEIRS, *VCPUS, LAUNCHER)

    def fails(tid: int) -> str | None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(tid))

    watch = ForeignWatch[CacheMonitorGroup](bench.passes, TreeReader(bench.root), fails, clock=lambda: bench.now)
    bench.passes.layout = layout_of(THEIRS)
    assert shown(watch.run(())) == {}


def test_only_the_first_few_of_many_mon_groups_are_read(bench: Bench) -> None:
    names = [MonGroupName(ROOT, f"theirs-{number}") for number in range(MOST_SHOWN + 2)]
    for where in names:
        bench.hold(where, VCPUS[0])
    assert [*shown(bench.see(*names))] == [where.name for where in names[:MOST_SHOWN]]


def test_pods_of_known_threads_are_read_again_now_and_then(bench: Bench) -> None:
    """A TID may have become a thread of another pod."""
    bench.hold(THEIRS, *VCPUS, LAUNCHER)
    assert shown(bench.see(THEIRS)) != {}
    bench.pods[LAUNCHER] = "pod-of-another"
    assert shown(bench.again()) != {}
    bench.now += 25
    assert shown(bench.again()) == {}


def test_a_long_check_is_followed_by_a_rest_that_keeps_what_it_found(bench: Bench) -> None:
    bench.hold(THEIRS, *VCPUS, LAUNCHER)
    bench.seconds_per_thread = 1.0
    found = bench.see(THEIRS)
    bench.hold(THEIRS, *VCPUS, LAUNCHER, 8)
    assert shown(bench.again()) == shown(found)
    bench.now += 20
    assert shown(bench.again()) == {}


def test_what_is_found_during_a_rest_ends_with_the_group_that_it_was_shown_beside(bench: Bench) -> None:
    bench.hold(THEIRS, *VCPUS, LAUNCHER)
    bench.seconds_per_thread = 1.0
    assert shown(bench.see(THEIRS)) != {}
    assert shown(bench.see()) == {}
    assert shown(bench.see(THEIRS)) == {}, "not checked again yet"


def test_a_long_check_ends_early_and_every_mon_group_has_its_turn(bench: Bench) -> None:
    names = [MonGroupName(ROOT, f"theirs-{number}") for number in range(MOST_SHOWN)]
    for number, where in enumerate(names):
        bench.pods[number + 1] = POD
        bench.hold(where, VCPUS[0], number + 1)
    bench.seconds_per_thread = 1.0
    found = [len(shown(bench.see(*names)))]
    for _ in range(MOST_SHOWN):
        bench.now += 19
        found.append(len(shown(bench.again())))
    assert found == [1, 2, 3, 4, 4]
    assert bench.asked[:4] == [1, 2, 3, 4]


def versions(layout: BoundLayout) -> list[int]:
    return [each.content.version for each in layout.targets[0].groups[0].foreign]


def test_a_change_of_the_threads_or_of_the_directory_makes_another_version(bench: Bench) -> None:
    bench.hold(THEIRS, VCPUS[0])
    (first,) = versions(bench.see(THEIRS))
    assert versions(bench.again()) == [first]
    bench.hold(THEIRS, *VCPUS)
    (second,) = versions(bench.again())
    old = bench.root / "mon_groups" / "old"
    (bench.root / "mon_groups" / THEIRS.name).rename(old)
    bench.hold(THEIRS, *VCPUS)
    (third,) = versions(bench.again())
    assert len({first, second, third}) == 3


def test_a_group_with_a_figure_is_left_as_it_is(bench: Bench) -> None:
    bench.hold(THEIRS, *VCPUS)
    well = make_layout((make_target(), [make_group("a", [mon_group(0)])]))
    bench.passes.layout = replace(layout_of(THEIRS), targets=(*layout_of(THEIRS).targets, *well.targets))
    assert bench.again().targets[1] is well.targets[0]
