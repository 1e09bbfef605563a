import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from lab.emulator import Emulator
from lab.vms.vm import Hardware, VirtualMachine
from lab.vms.workloads import AGGRESSOR, BLOCK, MIB, VICTIM, let_work, work_done
from lab.wait import until
from resctrl_emulator.client import ThreadBooks

MakeVm: TypeAlias = Callable[..., VirtualMachine]

CAPACITY = 32 * MIB


def occupancy(emulator: Emulator, group: str) -> int:
    return int((emulator.mountpoint / f"mon_groups/{group}/mon_data/mon_L3_{BLOCK:02d}/llc_occupancy").read_text())


@pytest.fixture
def emulator(folder: Path) -> Emulator:
    if os.geteuid() != 0 or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("mounting needs root and /dev/fuse")
    return Emulator(folder, blocks={BLOCK: CAPACITY, 1: CAPACITY})


def test_a_resting_guest_is_hurt_by_a_resting_neighbour(make_vm: MakeVm, emulator: Emulator) -> None:
    with emulator:
        vms = {"victim": make_vm(Hardware(vcpus=2)), "noisy": make_vm(Hardware(vcpus=1))}
        for name, vm in vms.items():
            vm.start()
            group = emulator.mountpoint / "mon_groups" / name
            group.mkdir()
            for tid in vm.vcpu_tids.values():
                (group / "tasks").write_text(str(tid))
        victim = vms["victim"]

        def slowdown(before: ThreadBooks) -> float:
            done = work_done(victim, emulator)
            worked = done.work_ns - before.work_ns
            return (done.cpu_ns - before.cpu_ns) / worked if worked else 0.0

        let_work(victim, emulator, VICTIM)
        until("the victim to hold its hot sets", lambda: occupancy(emulator, "victim") > 20 * MIB)
        alone = work_done(victim, emulator)
        until("the victim to work", lambda: slowdown(alone) > 1)
        before = slowdown(alone)
        let_work(vms["noisy"], emulator, AGGRESSOR)
        until("the neighbour to take the cache", lambda: occupancy(emulator, "noisy") > 16 * MIB)
        disturbed = work_done(victim, emulator)
        until("the victim to work at a slower rate", lambda: slowdown(disturbed) > 1.2 * before)
        assert occupancy(emulator, "victim") < 16 * MIB
