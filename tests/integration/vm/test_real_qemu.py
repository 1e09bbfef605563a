import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from cachemon.model.threads import Qemu, ThreadClass
from cachemon.qemu import proc
from cachemon.qemu.discovery import QemuFinder
from cachemon.qemu.pod_processes import PodProcesses
from cachemon.qemu.proc_files import ProcFiles
from lab.repository import REPOSITORY
from lab.vms import guest
from lab.vms.cgroups import pod_cgroup, writable_home
from lab.vms.launcher import Identity, LauncherError, container_id
from lab.vms.live_migration import LiveMigration
from lab.vms.vm import Hardware, VirtualMachine, VirtualMachineError, accelerator
from lab.wait import until

MakeVm = Callable[..., VirtualMachine]
GUEST = "tenant-a_vm1"
PROC = ProcFiles(Path("/proc"))
TCG = "tcg,thread=multi,tb-size=16"
ACCELERATORS = sorted({TCG, accelerator()})
PREAMBLE = (  # of programs that play the lab in a process of its own; the pod's UID is their first argument
    "import sys; sys.path[:0] = ['operator', '.']\n"
    "from pathlib import Path\n"
    "from cachemon.qemu.discovery import QemuFinder\n"
    "from cachemon.qemu.pod_processes import PodProcesses\n"
    "from lab.vms.launcher import Identity, Pod\n"
    "from lab.vms.vm import Hardware, VirtualMachine\n"
    "pod = Pod(sys.argv[1], 'tenant-a', 'vm1', 'vmi-uid')\n"
    "finder = QemuFinder(Path('/proc'), PodProcesses(Path('/proc'), by_mounts=True))\n"
)


def new_finder() -> QemuFinder:
    return QemuFinder(Path("/proc"), PodProcesses(Path("/proc"), by_mounts=True))


def found(finder: QemuFinder, vm: VirtualMachine) -> Qemu:
    (qemu,) = finder.find({vm.pod.uid: GUEST})[vm.pod.uid]
    return qemu


def vcpu_tids(qemu: Qemu) -> dict[int, int]:
    return {thread.vcpu: thread.tid for thread in qemu.threads if thread.vcpu is not None}


def cpu_seconds(vm: VirtualMachine) -> dict[int, float]:
    """CPU time of each vCPU thread so far (schedstat counts ns)."""
    tasks = Path(f"/proc/{vm.pid}/task")
    return {
        vcpu: int((tasks / str(tid) / "schedstat").read_text().split()[0]) / 1e9 for vcpu, tid in vm.vcpu_tids.items()
    }


def used_until(vm: VirtualMachine, vcpu: int, seconds: float) -> dict[int, float]:
    """CPU time that each vCPU used while one of them used `seconds`."""
    before = cpu_seconds(vm)

    def enough() -> dict[int, float] | None:
        used = {number: now - before[number] for number, now in cpu_seconds(vm).items()}
        return used if used[vcpu] >= seconds else None

    return until(f"vCPU {vcpu} to compute for {seconds} s", enough, seconds=20)


@pytest.mark.parametrize("accel", ACCELERATORS)
def test_the_finder_and_qemu_agree_on_the_vcpu_threads(make_vm: MakeVm, accel: str) -> None:
    vm = make_vm(Hardware(vcpus=4), accel=accel)
    vm.start()
    qemu = found(new_finder(), vm)
    assert qemu.pid == vm.pid
    assert qemu.guest_name == "tenant-a_vm1"
    assert qemu.identifiable
    assert vcpu_tids(qemu) == vm.vcpu_tids
    assert sorted(vm.vcpu_tids) == [0, 1, 2, 3]
    classes = {thread.thread_class for thread in qemu.threads}
    assert classes >= {ThreadClass.VCPU, ThreadClass.IO_THREAD, ThreadClass.EMULATOR}


def test_vcpus_that_are_not_plugged_have_no_thread_and_one_that_is_plugged_gets_one(make_vm: MakeVm) -> None:
    vm = make_vm(Hardware(vcpus=2))
    assert vm.hardware.most_vcpus == 8
    vm.start()
    finder = new_finder()
    before = vcpu_tids(found(finder, vm))
    assert sorted(before) == [0, 1]
    assert vm.plug_vcpu() == 2
    after = vcpu_tids(found(finder, vm))
    assert sorted(after) == [0, 1, 2]
    assert {vcpu: after[vcpu] for vcpu in before} == before


def test_no_more_vcpus_are_plugged_than_there_is_room_for(make_vm: MakeVm) -> None:
    vm = make_vm(Hardware(vcpus=1))
    vm.start()
    assert [vm.plug_vcpu() for _ in range(3)] == [1, 2, 3]
    with pytest.raises(VirtualMachineError, match="no room for vCPU 4"):
        vm.plug_vcpu()


def test_one_tcg_thread_for_all_vcpus_says_that_it_stands_for_all(make_vm: MakeVm) -> None:
    vm = make_vm(Hardware(vcpus=2), accel="tcg,thread=single,tb-size=16")
    vm.start()
    vcpus = [thread for thread in found(new_finder(), vm).threads if thread.stands_for_all_vcpus]
    assert [thread.tid for thread in vcpus] == list(set(vm.vcpu_tids.values()))


@pytest.mark.parametrize("accel", ACCELERATORS)
def test_vcpus_are_busy_for_their_share_of_the_time(make_vm: MakeVm, accel: str) -> None:
    # Shares of wall time shrink on a busy machine, all of them: compare them with each other.
    vm = make_vm(Hardware(vcpus=4, busy_percent=(0, 10, 0, 60)), accel=accel)
    vm.start()
    used_until(vm, 3, 0.1)
    used = used_until(vm, 3, 0.6)
    assert used[2] == pytest.approx(0, abs=0.005)
    assert used[0] < 0.3 * used[3]  # it only starts the others
    assert 0.02 < used[1] < 0.5 * used[3]


def test_a_vcpu_plugged_into_a_running_guest_goes_to_work(make_vm: MakeVm) -> None:
    vm = make_vm(Hardware(vcpus=2, busy_percent=(0, 0, 50)))
    vm.start()
    vm.plug_vcpu()
    used = used_until_exists(vm, 2, 0.2)
    assert used[1] < 0.02


def used_until_exists(vm: VirtualMachine, vcpu: int, seconds: float) -> dict[int, float]:
    def enough() -> dict[int, float] | None:
        used = cpu_seconds(vm)
        return used if used[vcpu] >= seconds else None

    return until(f"vCPU {vcpu} to have computed for {seconds} s", enough, seconds=20)


def test_a_paused_guest_keeps_its_threads_and_computes_no_more(make_vm: MakeVm) -> None:
    vm = make_vm(Hardware(vcpus=2, busy_percent=(100, 30)))
    vm.start()
    used_until(vm, 0, 0.1)
    threads = vm.vcpu_tids
    vm.pause()
    assert vm.guest_status == "paused"
    assert vm.vcpu_tids == threads
    before = cpu_seconds(vm)
    assert vm.guest_status == "paused"
    assert cpu_seconds(vm) == pytest.approx(before, abs=0.05)
    vm.unpause()
    used_until(vm, 0, 0.1)


@pytest.mark.parametrize("accel", ACCELERATORS)
def test_a_live_migration_moves_the_running_guest(make_vm: MakeVm, accel: str) -> None:
    hardware = Hardware(vcpus=3, busy_percent=(0, 0, 50))
    source, target = make_vm(hardware, accel=accel), make_vm(hardware, accel=accel)
    source.start()
    used_until(source, 2, 0.1)
    migration = LiveMigration(source, target)
    migration.prepare()
    finder = new_finder()
    assert target.guest_status == "inmigrate"
    both = finder.find(dict.fromkeys((source.pod.uid, target.pod.uid), GUEST))
    assert [sorted(vcpu_tids(qemu)) for (qemu,) in both.values()] == [[0, 1, 2]] * 2
    migration.begin()
    migration.complete()
    assert not source.running
    assert target.guest_status == "running"
    after = finder.find(dict.fromkeys((source.pod.uid, target.pod.uid), GUEST))
    assert [len(qemus) for qemus in after.values()] == [0, 1]
    used = used_until(target, 2, 0.2)
    assert used[1] == pytest.approx(0, abs=0.005)
    assert target.plug_vcpu() == 3


def test_the_cgroup_gives_the_pod_where_one_can_be_made(make_vm: MakeVm) -> None:
    if writable_home() is None:
        pytest.skip("no cgroup can be made here")
    vm = make_vm(identity=Identity.CGROUP)
    vm.start()
    cgroup = PROC.cgroup(vm.pid) or ""
    assert proc.pod_uid_of_cgroup(cgroup) == vm.pod.uid
    assert found(new_finder(), vm).pid == vm.pid


@pytest.mark.pitfall(16)
def test_a_qemu_in_a_cgroup_that_its_pod_named_after_another_is_found_in_its_own(make_vm: MakeVm) -> None:
    if writable_home() is None:
        pytest.skip("no cgroup can be made here")
    vm, victim = make_vm(identity=Identity.CGROUP), str(uuid4())
    vm.start()
    home = writable_home()
    assert home
    own = pod_cgroup(home, vm.pod.uid, container_id(vm.pod.uid))
    nested = pod_cgroup(own, victim, container_id(victim))
    nested.mkdir(parents=True)
    (nested / "cgroup.procs").write_text(str(vm.pid))
    assert victim in (PROC.cgroup(vm.pid) or "")
    both = new_finder().find(dict.fromkeys((vm.pod.uid, victim), GUEST))
    assert [[qemu.pid for qemu in both[uid]] for uid in (vm.pod.uid, victim)] == [[vm.pid], []]
    vm.stop()
    assert not own.parent.exists()


def test_the_mounts_give_the_pod_where_no_cgroup_does(make_vm: MakeVm) -> None:
    vm = make_vm(identity=Identity.MOUNTINFO)
    vm.start()
    assert proc.pod_uid_of_cgroup(PROC.cgroup(vm.pid) or "") is None
    assert found(new_finder(), vm).pid == vm.pid


@pytest.mark.usefixtures("programs")
def test_a_user_namespace_is_enough_for_vms(folder: Path) -> None:
    namespaces = ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run([*namespaces, "true"], check=False).returncode:
        pytest.skip("no user namespace can be made here")
    script = PREAMBLE + (
        "vm = VirtualMachine(pod, Hardware(), Path(sys.argv[2]), identity=Identity.MOUNTINFO)\n"
        "with vm:\n"
        "    vm.start()\n"
        "    print(len(finder.find({pod.uid: 'tenant-a_vm1'})[pod.uid]), sorted(vm.vcpu_tids))"
    )
    command = [*namespaces, sys.executable, "-c", script, str(uuid4()), str(folder)]
    run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert run.stdout == "1 [0, 1]\n", run.stderr


def test_the_launcher_above_qemu_shows_what_kubevirts_shows(make_vm: MakeVm) -> None:
    vm = make_vm()
    vm.start()
    launcher = vm.launcher.pid
    assert Path(f"/proc/{vm.pid}/stat").read_text().rpartition(")")[2].split()[1] == str(vm.launcher.pid)
    stat = PROC.stat(launcher)
    assert stat is not None
    assert stat.name == "virt-launcher-m"
    argv = PROC.cmdline(launcher) or ()
    assert argv[0] == "/usr/bin/virt-launcher-monitor"
    assert argv[argv.index("--uid") + 1] == vm.pod.vmi_uid
    assert argv[-1] == "--allow-emulation"


def test_the_moment_of_exec_does_not_hide_a_qemu(make_vm: MakeVm) -> None:
    # A finder that scans all the time meets the child as launcher, as setpriv and as QEMU: one PID, one start
    # time.
    vm = make_vm()
    script = PREAMBLE + (
        "print('on', flush=True)\n"
        "while not (qemus := finder.find({pod.uid: 'tenant-a_vm1'})[pod.uid]): pass\n"
        "print(qemus[0].pid, flush=True)"
    )
    command = [sys.executable, "-c", script, vm.pod.uid]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as watcher:
        try:
            assert watcher.stdout
            assert watcher.stdout.readline() == "on\n"
            vm.start()
            assert int(watcher.stdout.readline()) == vm.pid
        finally:
            watcher.kill()


def test_a_killed_qemu_is_gone_and_its_launcher_ends(make_vm: MakeVm) -> None:
    vm = make_vm()
    vm.start()
    finder = new_finder()
    assert found(finder, vm).pid == vm.pid
    launcher = vm.launcher
    vm.kill()
    assert launcher.ended
    assert not vm.running
    assert finder.find({vm.pod.uid: GUEST}) == {vm.pod.uid: ()}


@pytest.mark.parametrize("identity", list(Identity))
def test_a_stopped_vm_leaves_nothing_behind(make_vm: MakeVm, folder: Path, identity: Identity) -> None:
    if identity is Identity.CGROUP and writable_home() is None:
        pytest.skip("no cgroup can be made here")
    vm = make_vm(identity=identity)
    vm.start()
    pids = (vm.pid, vm.launcher.pid)
    vm.stop()
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    assert list(folder.iterdir()) == []
    home = writable_home()
    assert not home or not list(home.glob(f"**/pod{vm.pod.uid}"))


@pytest.mark.usefixtures("programs")
def test_a_lab_that_is_killed_takes_its_vms_with_it(folder: Path) -> None:
    uid = str(uuid4())
    script = PREAMBLE + (
        "vm = VirtualMachine(pod, Hardware(), Path(sys.argv[2]))\n"
        "vm.start()\n"
        "print(vm.pid, vm.launcher.pid, flush=True)\n"
        "sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, uid, str(folder)]
    with subprocess.Popen(
        command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as lab_process:
        assert lab_process.stdout
        pids = [int(pid) for pid in lab_process.stdout.readline().split()]
        assert len(pids) == 2
        lab_process.send_signal(signal.SIGKILL)
    until("QEMU and launcher to end", lambda: not any(map(alive, pids)), seconds=10)
    home = writable_home()
    if home:
        until("the cgroup to be removed", lambda: not list(home.glob(f"**/pod{uid}")), seconds=10)


def alive(pid: int) -> bool:
    stat = PROC.stat(pid)
    return stat is not None and not stat.dead


def test_a_launcher_that_is_killed_takes_its_qemu_with_it(make_vm: MakeVm) -> None:
    vm = make_vm()
    vm.start()
    os.kill(vm.launcher.pid, signal.SIGKILL)
    until("QEMU to end", lambda: not alive(vm.pid), seconds=10)
    vm.stop()
    home = writable_home()
    assert not home or not list(home.glob(f"**/pod{vm.pod.uid}"))


def test_a_qemu_that_does_not_start_says_why(make_vm: MakeVm, folder: Path) -> None:
    vm = make_vm(accel="nonsense")
    with pytest.raises((LauncherError, VirtualMachineError), match="invalid accelerator nonsense"):
        vm.start()
    assert list(folder.iterdir()) == []


def test_a_launcher_that_may_not_make_namespaces_says_why(folder: Path) -> None:
    (folder / "unshare").write_text("#!/bin/sh\necho unshare: Operation not permitted >&2\nexit 1\n")
    (folder / "unshare").chmod(0o755)
    environment = {"PATH": f"{folder}:{os.environ['PATH']}"}
    script = (
        "import sys; from pathlib import Path; from lab.vms.launcher import *\n"
        "try: Launcher(Pod('u', 'a', 'b', 'c'), ['true'], Path(sys.argv[1]), Identity.MOUNTINFO)\n"
        "except LauncherError as error: print(error)"
    )
    command = [sys.executable, "-c", script, str(folder)]
    run = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True)
    assert "unshare: Operation not permitted" in run.stdout


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize("shares", [(101,), (-1,), (0,) * 33])
def test_shares_that_no_guest_can_keep_are_refused(shares: tuple[int, ...], folder: Path) -> None:
    with pytest.raises(ValueError, match="shares of 0 to 100"):
        guest.with_shares(guest.firmware(folder), shares)
