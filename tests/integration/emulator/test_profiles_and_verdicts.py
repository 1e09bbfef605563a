"""From threads to verdicts: what the detector says of groups of the emulator, and what the books know to be true."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cachemon.interference.detector import Detector
from cachemon.interference.verdicts import OTHERS, Change, Judgement, Level, Outcome, Resource
from cachemon.interference.windows import VmWindow, Window
from lab.vms.workloads import AGGRESSOR, BLOCK, QUIET, VICTIM
from resctrl_emulator.client import ThreadBooks
from resctrl_emulator.thread_profile import ThreadProfile
from tests.integration.emulator.fakes import MI, SECOND_NS
from tests.integration.emulator.profiled_box import Profiled

WINDOW_SECONDS = 10
CAPACITY = 32 * MI
UNTIL_JUDGED, UNTIL_SURE, UNTIL_CHECKED = 40, 12, 12


class Node:
    """An emulated node with a VM per group, and the detector of its cache block."""

    def __init__(self, *, has_work: bool = True) -> None:
        self.box = Profiled(cpus=4, packages=1)
        self.detector = Detector()
        self._events = ("unhalted_core_cycles", "uops_retired") if has_work else ()
        self._tids: dict[str, int] = {}
        self._before: dict[str, list[float]] = {}
        self._whole_before = 0

    def add(self, vm: str, profile: ThreadProfile) -> None:
        """A VM starts."""
        self._tids[vm] = self.box.group(vm)
        self.work(vm, profile)

    def work(self, vm: str, profile: ThreadProfile | None) -> None:
        """A VM does something else."""
        self.box.profile(self._tids[vm], profile)

    def watch(self, windows: int) -> list[Change]:
        """The changes of verdicts in some windows."""
        return [change for _ in range(windows) for change in self._observe()]

    def books(self, folder: Path, vm: str) -> ThreadBooks:
        """What a VM really did."""
        return self.box.books(folder).threads[self._tids[vm]]

    def _observe(self) -> tuple[Change, ...]:
        self.box.run_for(WINDOW_SECONDS)
        vms = tuple(self._windows())
        whole, before = self.box.number("", "mbm_total_bytes", BLOCK), self._whole_before
        self._whole_before = whole
        others = whole - before - sum(vm.traffic_bytes or 0 for vm in vms) if vms else None
        return self.detector.observe(Window(self.box.clock.ns / SECOND_NS, BLOCK, CAPACITY, None, vms, others))

    def _windows(self) -> Iterator[VmWindow]:
        for vm, tid in self._tids.items():
            path = f"/mon_groups/{vm}"
            schedstat = str(self.box.ask({"op": "schedstat", "tid": tid})["text"]).split()
            now = [
                self.box.number(path, "mbm_total_bytes", BLOCK),
                int(schedstat[0]) / SECOND_NS,
                int(schedstat[1]) / SECOND_NS,
                *(self.box.telemetry(path, event, package=0) for event in self._events),
            ]
            if vm in self._before:
                moved = [after - before for after, before in zip(now, self._before[vm], strict=True)]
                yield VmWindow(vm, self.box.number(path, "llc_occupancy", BLOCK), *moved)
            self._before[vm] = now


def three_vms(*, has_work: bool = True) -> Node:
    """A victim, and two quiet VMs, watched until they can be judged."""
    node = Node(has_work=has_work)
    for vm, profile in (("victim", VICTIM), ("quiet", QUIET), ("noisy", QUIET)):
        node.add(vm, profile)
    assert node.watch(UNTIL_JUDGED) == []
    assert set(node.detector.judgements.values()) == {Judgement.UNDISTURBED}
    return node


def about(changes: list[Change], victim: str) -> list[tuple[str, str]]:
    return [(change.verdict.suspect, change.step) for change in changes if change.verdict.victim == victim]


def test_the_streaming_vm_is_named_with_the_slowdown_of_the_books_and_verified_when_it_stops(tmp_path: Path) -> None:
    node = three_vms()
    alone = node.books(tmp_path, "victim")
    node.work("noisy", AGGRESSOR)
    changes = node.watch(UNTIL_SURE)
    assert about(changes, "victim")[-1] == ("noisy", Level.CONFIRMED)
    verdict = next(change.verdict for change in changes if change.step is Level.CONFIRMED)
    assert verdict.resource is Resource.CACHE
    hurt = node.books(tmp_path, "victim")
    before = alone.cpu_ns / alone.work_ns
    since = (hurt.cpu_ns - alone.cpu_ns) / (hurt.work_ns - alone.work_ns)
    assert verdict.slowdown_ratio == pytest.approx(since / before - 1, rel=0.05)
    node.work("noisy", QUIET)
    assert about(node.watch(UNTIL_CHECKED), "victim") == [("noisy", Outcome.VERIFIED)]
    assert node.detector.judgements["victim"] is Judgement.UNDISTURBED


def test_a_streaming_thread_that_nobody_watches_makes_others_of_the_node_the_suspect() -> None:
    node = three_vms()
    node.box.profile(node.box.threads.process(), AGGRESSOR)
    assert about(node.watch(UNTIL_SURE), "victim")[-1] == (OTHERS, Level.CONFIRMED)


def test_without_telemetry_the_streaming_vm_only_takes_cache() -> None:
    node = three_vms(has_work=False)
    node.work("noisy", AGGRESSOR)
    assert about(node.watch(UNTIL_SURE), "victim") == [("noisy", Level.TAKING_CACHE)]


def test_nobody_is_named_when_a_vm_needs_less_by_itself() -> None:
    node = three_vms()
    node.work("victim", replace(VICTIM, hot_set_bytes=4 * MI))
    assert node.watch(UNTIL_SURE) == []


def test_nobody_is_named_when_a_vm_only_uses_more_cpu_time() -> None:
    node = three_vms()
    node.work("noisy", replace(QUIET, cpu_share=0.9))
    assert node.watch(UNTIL_SURE) == []
