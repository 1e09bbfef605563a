"""The whole way from threads to verdicts, with real QEMUs in the emulator's model; time runs fifty times as fast."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest

from cachemon.agent.interference_fields import undisturbed_condition
from cachemon.agent.kubevirt_terms import KUBEVIRT_TERMS
from cachemon.agent.targets import BoundLayout, BoundTarget, judged_guests
from cachemon.engine.guest_windows import GuestWindows
from cachemon.engine.interference_watch import InterferenceWatch
from cachemon.engine.node_traffic import NodeTraffic
from cachemon.engine.reconciler import Reconciler
from cachemon.engine.sampler import Sampler
from cachemon.interference.detector import Detector
from cachemon.interference.thresholds import Thresholds, Times
from cachemon.interference.verdict_log import NodeVerdicts
from cachemon.interference.verdicts import Judgement, Level, Outcome, Verdict
from cachemon.model.api import CacheMonitorGroup, ObjectName
from cachemon.qemu.pod_processes import PodProcesses
from cachemon.qemu.proc_files import ProcFiles
from cachemon.qemu.run_times import VcpuRunTimes
from cachemon.resctrl.tree_writer import ResctrlTree
from lab.emulator import Emulator
from lab.vms.launcher import Pod
from lab.vms.vm import Hardware, VirtualMachine
from lab.vms.workloads import AGGRESSOR, BLOCK, MIB, QUIET, VICTIM, let_work, work_done
from lab.wait import until
from tests.unit.agent.builders import NODE, make_object, make_target

WINDOW_SECONDS = 0.2
TIMES = Times(
    window=WINDOW_SECONDS, now=1.0, pause=1.2, reference=6.0, far_pause=7.2, far_reference=12.0, recovery=2.4
)
ENOUGH_WORK_NS = 500_000_000
DB, BATCH = ObjectName("tenant-a", "db"), ObjectName("tenant-b", "batch")


@pytest.fixture
def emulator(folder: Path) -> Iterator[Emulator]:
    if os.geteuid() != 0 or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("mounting needs root and /dev/fuse")
    blocks = {BLOCK: 32 * MIB, 1: 32 * MIB}
    with Emulator(folder, blocks=blocks, more=("--packages=1",), has_proc_view=True) as emulator:
        yield emulator


@pytest.fixture
def vms(folder: Path, programs: None) -> Iterator[dict[ObjectName, VirtualMachine]]:  # noqa: ARG001
    with ExitStack() as stack:
        vms = {}
        for name, vcpus in ((DB, 2), (BATCH, 1)):
            pod = Pod(str(uuid4()), name.namespace, name.name, str(uuid4()))
            vms[name] = stack.enter_context(VirtualMachine(pod, Hardware(vcpus=vcpus), folder))
            vms[name].start()
        yield vms


class Node:
    """What an agent does with its node, step by step."""

    def __init__(self, emulator: Emulator, vms: dict[ObjectName, VirtualMachine]) -> None:
        tree, files = ResctrlTree(emulator.mountpoint), ProcFiles(emulator.proc)
        owners = PodProcesses(emulator.proc, by_mounts=True)
        reconciler = Reconciler[CacheMonitorGroup](tree, emulator.proc, emulator.sysfs, owners, KUBEVIRT_TERMS)
        targets = [self._target(name, vm) for name, vm in vms.items()]
        self.layout = until("a layout", lambda: self._whole(reconciler.run(targets)))
        self.sampler = Sampler(tree, 10)
        windows = GuestWindows(
            VcpuRunTimes(files), NodeTraffic(tree), lambda _: {}, seconds=WINDOW_SECONDS, wall_offset=0.0
        )
        self.watch = InterferenceWatch(
            windows, judged_guests, lambda: Detector(Thresholds(TIMES)), grain_seconds=WINDOW_SECONDS
        )

    @staticmethod
    def _target(name: ObjectName, vm: VirtualMachine) -> BoundTarget:
        placements = [{"nodeName": NODE, "podUID": vm.pod.uid, "role": "Active"}]
        obj = make_object(name.name, status={"vcpuCount": vm.hardware.vcpus, "placements": placements})
        obj["metadata"]["namespace"] = name.namespace
        return make_target(obj)

    @staticmethod
    def _whole(layout: BoundLayout) -> BoundLayout | None:
        return layout if layout.targets and not layout.incomplete else None

    def verdicts(self) -> NodeVerdicts:
        """Take a sample; what is known after it."""
        found = self.watch.judge(self.layout, self.sampler.sample(self.layout)).verdicts
        assert found is not None
        return found

    def against(self, name: ObjectName) -> list[Verdict]:
        return self.verdicts().of_victim(str(name))

    def cost(self, vm: VirtualMachine, emulator: Emulator) -> float:
        """CPU time / work of a VM for a while, by the emulator's books; sampling goes on."""
        before = work_done(vm, emulator)

        def worked() -> float | None:
            self.verdicts()
            done = work_done(vm, emulator)
            work = done.work_ns - before.work_ns
            return (done.cpu_ns - before.cpu_ns) / work if work > ENOUGH_WORK_NS else None

        return until("the VM to work", worked)


def test_a_vm_whose_neighbour_floods_the_cache_gets_a_verdict_that_names_it_and_is_verified(
    emulator: Emulator, vms: dict[ObjectName, VirtualMachine]
) -> None:
    let_work(vms[DB], emulator, VICTIM)
    let_work(vms[BATCH], emulator, QUIET)
    node = Node(emulator, vms)
    until(
        "both VMs to be judged",
        lambda: set(node.verdicts().judgements.values()) == {Judgement.UNDISTURBED},
        seconds=60,
    )
    assert undisturbed_condition(node.verdicts(), DB).is_true

    alone = node.cost(vms[DB], emulator)
    let_work(vms[BATCH], emulator, AGGRESSOR)
    until("a verdict", lambda: [it for it in node.against(DB) if it.level is Level.CONFIRMED], seconds=60)
    (verdict,) = node.against(DB)
    assert verdict.suspect == str(BATCH)
    assert verdict.slowdown_ratio == pytest.approx(node.cost(vms[DB], emulator) / alone - 1, rel=0.2)
    assert verdict.lost_bytes > MIB
    assert node.against(BATCH) == []
    assert undisturbed_condition(node.verdicts(), DB).status == "False"

    let_work(vms[BATCH], emulator, QUIET)
    until("the end of the verdict", lambda: not node.against(DB), seconds=60)
    (ended,) = [it for its in node.verdicts().verdicts.values() for it in its]
    assert ended.outcome is Outcome.VERIFIED
