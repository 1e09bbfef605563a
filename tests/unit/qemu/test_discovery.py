import errno
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.model.errors import ProcUnreadableError
from cachemon.model.threads import MOST_QEMUS, Qemu, Thread, ThreadClass
from cachemon.qemu.discovery import MOST_PROCESSES, QemuFinder
from cachemon.qemu.pod_processes import PodProcesses
from cachemon.qemu.proc_files import read_file
from lab.repository import REPOSITORY
from lab.wait import until
from tests.unit.qemu.fake_proc import NAME, FakeProc

POD = "514b34ab-10e8-4c14-ae4a-ca800d5b96c3"
OTHER_POD = "08ff2263-5cf1-49f7-b3e7-80b6e0840fd5"
GUEST = "tenant-a_vm1"
WANTED = {POD: GUEST}
BOTH = {POD: GUEST, OTHER_POD: GUEST}
VCPU = ThreadClass.VCPU


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def fake(tmp_path: Path) -> FakeProc:
    return FakeProc(tmp_path)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def finder_of(root: Path, *, in_pod: bool = False, by_mounts: bool = False, **settings: Any) -> QemuFinder:
    return QemuFinder(root, PodProcesses(root, in_pod=in_pod, by_mounts=by_mounts), **settings)


@pytest.fixture
def finder(fake: FakeProc, clock: Clock) -> QemuFinder:
    return finder_of(fake.root, clock=clock)


def settle(finder: QemuFinder, clock: Clock) -> None:
    """Scan until everything that is there has been known for a while, and was looked at a moment ago."""
    for seconds in (0, 1, 10, 100):
        clock.now += seconds
        finder.find(WANTED)


def only(found: dict[str, tuple[Qemu, ...]]) -> Qemu:
    (qemu,) = found[POD]
    return qemu


def test_a_qemu_is_found_by_the_pod_in_its_cgroup_with_its_threads_classed(
    fake: FakeProc, finder: QemuFinder
) -> None:
    fake.process(1, "systemd", ["/sbin/init"])
    fake.process(50, "virt-launcher-m", ["virt-launcher-monitor", "--name", "vm1"], pod=POD)
    fake.qemu(60, POD, start_time=4242)
    fake.thread(60, 62, "CPU 0/KVM", 4243)
    fake.thread(60, 63, "IO iothread1", 4243)
    fake.thread(60, 70, "CPU 1/KVM", 4250)
    fake.qemu(80, OTHER_POD)
    found = finder.find(WANTED)
    assert found == {
        POD: (
            Qemu(
                pid=60,
                start_time=4242,
                owner_uid=POD,
                guest_name="tenant-a_vm1",
                threads=(
                    Thread(60, 4242, ThreadClass.EMULATOR, None),
                    Thread(62, 4243, VCPU, 0),
                    Thread(63, 4243, ThreadClass.IO_THREAD, None),
                    Thread(70, 4250, VCPU, 1),
                ),
                identifiable=True,
            ),
        )
    }


def test_the_thread_that_kvm_makes_inside_of_qemu_is_known(fake: FakeProc, finder: QemuFinder) -> None:
    fake.qemu(60, POD)
    fake.thread(60, 71, "kvm-nx-lpage-re")
    assert [thread.tid for thread in only(finder.find(WANTED)).threads if thread.is_made_by_kvm] == [71]


def test_where_the_cgroup_says_nothing_only_a_lab_takes_the_pod_from_the_mounts(
    fake: FakeProc, finder: QemuFinder
) -> None:
    fake.qemu(60, None)
    root = f"/var/lib/kubelet/pods/{POD}/volumes/kubernetes.io~empty-dir/sockets"
    (fake.root / "60" / "mountinfo").write_text(f"9 1 0:1 {root} /run/sockets rw - tmpfs tmpfs rw\n")
    assert only(finder_of(fake.root, by_mounts=True).find(WANTED)).pid == 60
    assert finder.find(WANTED) == {POD: ()}


def test_the_cgroup_is_believed_before_the_mounts(fake: FakeProc) -> None:
    fake.qemu(60, OTHER_POD)
    root = f"/var/lib/kubelet/pods/{POD}/volumes/kubernetes.io~empty-dir/sockets"
    (fake.root / "60" / "mountinfo").write_text(f"9 1 0:1 {root} /run/sockets rw - tmpfs tmpfs rw\n")
    assert finder_of(fake.root, by_mounts=True).find(WANTED) == {POD: ()}


def test_a_pod_without_qemu_has_an_empty_answer_and_no_pods_none(fake: FakeProc, finder: QemuFinder) -> None:
    fake.qemu(60, OTHER_POD)
    assert finder.find(WANTED) == {POD: ()}
    assert finder.find({}) == {}


# comm and argv[0] of QEMUs: RHEL, Debian, Ubuntu, NixOS, `set_process_name` of libvirt, own values of <emulator>.
PROGRAMS = [
    ("qemu-kvm", "/usr/libexec/qemu-kvm"),
    ("kvm", "/usr/bin/kvm"),
    ("kvm-spice", "/usr/bin/kvm-spice"),
    (".qemu-system-x8", "/nix/store/0000-qemu-9.2.1/bin/.qemu-system-x86_64-wrapped"),
    ("qemu:tenant-a_v", "/usr/bin/qemu-system-x86_64"),
    ("emulator", "/opt/hypervisor/bin/emulator"),
    ("x", ""),
]


@pytest.mark.parametrize(("name", "program"), PROGRAMS)
def test_a_qemu_is_found_under_any_name_by_its_pod_and_its_guest(
    fake: FakeProc, finder: QemuFinder, name: str, program: str
) -> None:
    fake.process(60, name, [program, "-name", NAME, "-S"], pod=POD)
    fake.thread(60, 62, "CPU 0/KVM")
    qemu = only(finder.find(WANTED))
    assert (qemu.pid, qemu.guest_name, len(qemu.threads)) == (60, "tenant-a_vm1", 2)


def test_programs_of_a_pod_that_run_no_guest_are_no_qemu(fake: FakeProc, finder: QemuFinder) -> None:
    fake.process(
        50, "virt-launcher-m", ["virt-launcher-monitor", "--name", "vm1", "--namespace", "tenant-a"], pod=POD
    )
    fake.process(51, "virtqemud", ["/usr/sbin/virtqemud", "-f", "/var/run/libvirt/virtqemud.conf"], pod=POD)
    fake.process(52, "qemu-kvm", ["/usr/libexec/qemu-kvm", "-S", "-machine", "none"], pod=POD)
    fake.process(53, "kvm", ["/usr/bin/kvm", "-name", "guest=tenant-a_vm2"], pod=POD)
    assert finder.find(WANTED) == {POD: ()}


@pytest.mark.parametrize(("name", "program"), [("kvm", "/usr/bin/kvm"), ("qemu-kvm", "/usr/libexec/qemu-kvm")])
def test_a_program_that_waits_for_its_qemu_is_not_a_second_one(
    fake: FakeProc, finder: QemuFinder, name: str, program: str
) -> None:
    fake.process(59, "timeout", ["timeout", "1h", program, "-name", NAME], pod=POD)
    fake.process(60, name, [program, "-name", NAME], pod=POD)
    assert only(finder.find(WANTED)).pid == 60


@pytest.mark.parametrize("name", ["CPU 0/KVM", "IO iothread1"])
def test_the_main_thread_is_the_emulator_under_any_name(fake: FakeProc, finder: QemuFinder, name: str) -> None:
    process = f"guest={GUEST},process={name},debug-threads=on"
    fake.process(60, name, ["/usr/bin/qemu-system-x86_64", "-name", process], pod=POD)
    fake.thread(60, 62, "CPU 0/KVM", 120)
    assert only(finder.find(WANTED)).threads == (
        Thread(60, 100, ThreadClass.EMULATOR, None),
        Thread(62, 120, VCPU, 0),
    )


def test_a_qemu_that_names_no_thread_is_not_identifiable(fake: FakeProc, finder: QemuFinder) -> None:
    fake.qemu(60, POD, name="guest=tenant-a_vm1")
    fake.thread(60, 61, "qemu-system-x86")
    assert not only(finder.find(WANTED)).identifiable


def test_a_qemu_that_is_still_starting_is_identifiable_before_its_first_vcpu(
    fake: FakeProc, finder: QemuFinder
) -> None:
    fake.qemu(60, POD)
    qemu = only(finder.find(WANTED))
    assert qemu.identifiable
    assert not [thread for thread in qemu.threads if thread.thread_class is VCPU]


@pytest.mark.pitfall(13)
def test_a_hotplugged_vcpu_is_seen_at_the_next_scan(fake: FakeProc, finder: QemuFinder, clock: Clock) -> None:
    fake.qemu(60, POD)
    fake.thread(60, 62, "CPU 0/KVM")
    settle(finder, clock)
    fake.thread(60, 90, "CPU 1/KVM", 300)
    assert Thread(90, 300, VCPU, 1) in only(finder.find(WANTED)).threads


def test_a_thread_that_is_named_after_it_was_created_gets_its_class(
    fake: FakeProc, finder: QemuFinder, clock: Clock
) -> None:
    fake.qemu(60, POD)
    fake.thread(60, 62, "qemu-system-x86", 120)
    assert Thread(62, 120, ThreadClass.EMULATOR, None) in only(finder.find(WANTED)).threads
    fake.thread(60, 62, "CPU 0/KVM", 120)
    clock.now += 0.2
    assert Thread(62, 120, VCPU, 0) in only(finder.find(WANTED)).threads


def test_a_thread_that_ends_is_left_out(fake: FakeProc, finder: QemuFinder, clock: Clock) -> None:
    fake.qemu(60, POD)
    fake.thread(60, 62, "CPU 0/KVM")
    fake.thread(60, 63, "worker")
    settle(finder, clock)
    fake.bury("60/task/63")
    assert [thread.tid for thread in only(finder.find(WANTED)).threads] == [60, 62]


def test_a_thread_that_ends_between_listing_and_reading_is_left_out(fake: FakeProc, finder: QemuFinder) -> None:
    fake.qemu(60, POD)
    (fake.root / "60" / "task" / "62").mkdir()
    assert [thread.tid for thread in only(finder.find(WANTED)).threads] == [60]


@pytest.mark.pitfall(12)
def test_a_reused_tid_is_another_thread(fake: FakeProc, finder: QemuFinder, clock: Clock) -> None:
    fake.qemu(60, POD)
    fake.thread(60, 62, "CPU 1/KVM", 120)
    settle(finder, clock)
    fake.bury("60/task/62")
    fake.thread(60, 62, "worker", 500)
    assert Thread(62, 500, ThreadClass.EMULATOR, None) in only(finder.find(WANTED)).threads


@pytest.mark.pitfall(14)
def test_a_killed_qemu_is_gone_even_while_nobody_has_waited_for_it(
    fake: FakeProc, finder: QemuFinder, clock: Clock
) -> None:
    fake.qemu(60, POD)
    settle(finder, clock)
    fake.stat(fake.root / "60", 60, "qemu-system-x86", 100, state="Z")
    assert finder.find(WANTED) == {POD: ()}
    fake.bury("60")
    assert finder.find(WANTED) == {POD: ()}


def test_a_qemu_that_dies_between_two_reads_is_left_out(fake: FakeProc, finder: QemuFinder) -> None:
    fake.qemu(60, POD)
    fake.bury("60/task")
    assert finder.find(WANTED) == {POD: ()}


@pytest.mark.pitfall(14)
def test_a_pid_that_another_program_got_is_no_qemu_any_more(fake: FakeProc, finder: QemuFinder, clock: Clock) -> None:
    fake.qemu(60, POD)
    settle(finder, clock)
    fake.bury("60")
    fake.process(60, "sh", ["sh"], pod=POD, start_time=900)
    assert finder.find(WANTED) == {POD: ()}


def test_a_qemu_with_the_pid_of_a_long_known_program_is_found_at_once(
    fake: FakeProc, finder: QemuFinder, clock: Clock
) -> None:
    fake.process(60, "sh", ["sh"])
    settle(finder, clock)
    fake.bury("60")
    fake.qemu(60, POD, start_time=900)
    assert only(finder.find(WANTED)).start_time == 900


def test_a_start_time_of_another_process_is_never_paired_with_old_threads(
    fake: FakeProc, finder: QemuFinder, clock: Clock
) -> None:
    fake.qemu(60, POD)
    fake.thread(60, 62, "CPU 0/KVM", 100)
    settle(finder, clock)
    fake.qemu(60, POD, start_time=900)
    fake.thread(60, 62, "CPU 0/KVM", 901)
    assert finder.find(WANTED) == {POD: ()}
    qemu = only(finder.find(WANTED))
    assert qemu.start_time == 900
    assert Thread(62, 901, VCPU, 0) in qemu.threads


@pytest.mark.parametrize("waited", [0.0, 0.3, 1.0, 7.0, 40.0, 3600.0])
def test_a_process_that_turns_into_qemu_by_exec_is_found_however_late(
    fake: FakeProc, finder: QemuFinder, clock: Clock, waited: float
) -> None:
    fake.process(60, "rpc-virtqemud", ["virtqemud"], pod=POD)
    start = clock.now
    while clock.now <= start + waited:
        assert finder.find(WANTED) == {POD: ()}
        clock.now += 0.2
    fake.qemu(60, POD)
    clock.now += max(0.2, min(60.0, waited / 4))
    assert only(finder.find(WANTED)).pid == 60


def test_a_qemu_whose_command_line_is_not_there_yet_is_looked_at_again(
    fake: FakeProc, finder: QemuFinder, clock: Clock
) -> None:
    fake.process(60, "qemu-system-x86", [], pod=POD)
    assert finder.find(WANTED) == {POD: ()}
    fake.qemu(60, POD)
    clock.now += 0.2
    assert only(finder.find(WANTED)).guest_name == "tenant-a_vm1"


def test_a_qemu_that_is_moved_to_its_cgroup_after_its_start_is_found(
    fake: FakeProc, finder: QemuFinder, clock: Clock
) -> None:
    fake.qemu(60, None)
    assert finder.find(WANTED) == {POD: ()}
    fake.qemu(60, POD)
    clock.now += 0.2
    assert only(finder.find(WANTED)).pid == 60


def test_settled_processes_are_not_read_again(fake: FakeProc, finder: QemuFinder, clock: Clock) -> None:
    fake.process(50, "sh", ["sh"])
    fake.qemu(60, POD)
    fake.thread(60, 62, "CPU 0/KVM")
    settle(finder, clock)
    before = only(finder.find(WANTED))
    for path in ("50/stat", "50/cmdline", "60/cmdline", "60/cgroup", "60/task/62/stat"):
        (fake.root / path).unlink()
    assert only(finder.find(WANTED)) == before


@pytest.mark.pitfall(14)
def test_two_qemus_of_one_pod_are_both_found(fake: FakeProc, finder: QemuFinder) -> None:
    fake.qemu(60, POD)
    fake.qemu(7, POD)
    assert [qemu.pid for qemu in finder.find(WANTED)[POD]] == [7, 60]


def test_a_missing_proc_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ProcUnreadableError, match="hostPID") as caught:
        finder_of(tmp_path / "nowhere").find(WANTED)
    assert caught.value.reason == "ProcUnreadable"


def test_a_proc_that_hides_other_users_processes_is_an_error_that_says_what_to_do(fake: FakeProc) -> None:
    fake.process(4711, "cachemon-agent", ["cachemon-agent"])
    (fake.root / "self").unlink()
    (fake.root / "self").symlink_to("4711")
    with pytest.raises(ProcUnreadableError, match="hidepid=0") as caught:
        finder_of(fake.root).find(WANTED)
    assert caught.value.reason == "ProcHidden"
    fake.process(1, "systemd", ["/sbin/init"])
    assert finder_of(fake.root).find(WANTED) == {POD: ()}


@pytest.mark.pitfall(15)
def test_the_error_in_a_pod_without_the_hosts_pids_asks_for_them(fake: FakeProc) -> None:
    fake.process(1, "cachemon-agent", ["cachemon-agent"], pod=OTHER_POD)
    (fake.root / "1" / "ns").mkdir()
    (fake.root / "1" / "ns" / "pid").touch()
    with pytest.raises(ProcUnreadableError, match="hostPID: true") as caught:
        finder_of(fake.root, in_pod=True).find(WANTED)
    assert caught.value.reason == "HostPIDMissing"
    assert finder_of(fake.root).find(WANTED) == {POD: ()}, "a program outside of pods may share what PID 1 has"
    fake.process(4711, "cachemon-agent", ["cachemon-agent"], pod=OTHER_POD)
    fake.process(1, "systemd", ["/sbin/init"])
    (fake.root / "self").unlink()
    (fake.root / "self").symlink_to("4711")
    (fake.root / "1" / "ns").rename(fake.root / "4711" / "ns")
    assert finder_of(fake.root, in_pod=True).find(WANTED) == {POD: ()}


@pytest.mark.pitfall(15)
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting /proc anew needs root")
def test_a_real_proc_with_hidepid_is_noticed_by_a_root_without_capabilities(tmp_path: Path) -> None:
    script = (
        "import sys; sys.path[:0] = ['operator']\n"
        "from pathlib import Path\n"
        "from cachemon.model.errors import ProcUnreadableError\n"
        "from cachemon.qemu.discovery import QemuFinder\n"
        "from cachemon.qemu.pod_processes import PodProcesses\n"
        "root = Path(sys.argv[1])\n"
        "try: print(QemuFinder(root, PodProcesses(root)).find({'x': 'y'}))\n"
        "except ProcUnreadableError as err: print(err.reason)"
    )
    proc = tmp_path / "proc"
    proc.mkdir()
    mounted = f"mount -t proc -o $0 proc {proc} && exec setpriv --bounding-set=-all --inh-caps=-all -- "
    mounted += '"$1" -c "$2" "$3"'
    answers = {}
    # Group 0 is let in unless another one is named (fs/proc/base.c has_pid_permissions).
    for option in ("hidepid=2", "hidepid=1,gid=4242", "hidepid=2,gid=4242", "hidepid=ptraceable"):
        command = ["unshare", "--mount", "sh", "-c", mounted, option, sys.executable, script, str(proc)]
        run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        if "mount:" in run.stderr:
            pytest.skip(f"/proc can't be mounted here: {run.stderr.strip()}")
        answers[option] = run.stdout.strip() or run.stderr
    assert list(answers.values()) == ["{'x': ()}", "ProcHidden", "ProcHidden", "ProcHidden"]


def test_a_process_that_claims_another_pod_is_found_in_its_own(fake: FakeProc, finder: QemuFinder) -> None:
    fake.qemu(60, OTHER_POD)
    nested = f"0::/kubepods/burstable/pod{OTHER_POD}/{'a1' * 32}/kubepods/pod{POD}/{'b2' * 32}\n"
    (fake.root / "60" / "cgroup").write_text(nested)
    found = finder.find(BOTH)
    assert found[POD] == ()
    assert [qemu.pid for qemu in found[OTHER_POD]] == [60]


def test_a_process_whose_mounts_name_two_pods_is_in_neither(fake: FakeProc) -> None:
    fake.qemu(60, None)
    own, forged = f"/pods/{OTHER_POD}/etc-hosts", f"/{POD}/volumes/kubernetes.io~empty-dir/sockets"
    lines = [f"9 1 0:1 {own} /etc/hosts rw - xfs a rw", f"10 1 0:2 {forged} /disk/x rw - ext4 b rw", ""]
    (fake.root / "60" / "mountinfo").write_text("\n".join(lines))
    assert finder_of(fake.root, by_mounts=True).find(BOTH) == {POD: (), OTHER_POD: ()}


def test_mounts_of_a_pod_that_the_agent_sees_do_not_hide_the_pod_from_its_cgroup(fake: FakeProc) -> None:
    fake.process(1, "cachemon-agent", ["cachemon-agent"])
    root = f"/var/lib/kubelet/pods/{POD}/volumes/kubernetes.io~empty-dir/data/sub"
    (fake.root / "1" / "mountinfo").write_text(f"9 1 0:1 {root} /var/lib/kubelet/x rw - xfs a rw\n")
    fake.qemu(60, POD)
    assert only(finder_of(fake.root, by_mounts=True).find(WANTED)).pid == 60


def test_mounts_are_not_asked_where_the_cgroups_contradict_each_other(fake: FakeProc) -> None:
    fake.qemu(60, OTHER_POD)
    (fake.root / "60" / "cgroup").write_text(f"2:cpu:/kubepods/pod{OTHER_POD}/x\n1:pids:/kubepods/pod{POD}/x\n")
    forged = f"/{POD}/volumes/kubernetes.io~empty-dir/sockets"
    (fake.root / "60" / "mountinfo").write_text(f"9 1 0:1 {forged} /disk/x rw - ext4 b rw\n")
    assert finder_of(fake.root, by_mounts=True).find(BOTH) == {POD: (), OTHER_POD: ()}


def test_the_pod_that_the_node_runs_in_is_nobodys(fake: FakeProc) -> None:
    around = f"/kubepods/pod{OTHER_POD}/{'c3' * 32}"
    fake.process(1, "init", ["init"])
    fake.qemu(60, POD)
    for pid, inside in ((1, ""), (60, f"/kubepods/pod{POD}/{'d4' * 32}")):
        (fake.root / str(pid) / "cgroup").write_text(f"0::{around}{inside}\n")
    assert [qemu.pid for qemu in finder_of(fake.root).find(WANTED)[POD]] == [60]


def test_of_two_threads_with_the_name_of_one_vcpu_the_older_is_it(fake: FakeProc, finder: QemuFinder) -> None:
    fake.qemu(60, POD)
    fake.thread(60, 62, "CPU 0/KVM", 120)
    fake.thread(60, 61, "CPU 0/KVM", 130)
    classes = {thread.tid: thread.thread_class for thread in only(finder.find(WANTED)).threads}
    assert classes == {60: ThreadClass.EMULATOR, 61: ThreadClass.EMULATOR, 62: VCPU}


def test_of_a_pod_full_of_qemus_only_enough_are_read_to_decide(fake: FakeProc, finder: QemuFinder) -> None:
    for pid in range(60, 90):
        fake.qemu(pid, POD)
    assert [qemu.pid for qemu in finder.find(WANTED)[POD]] == list(range(60, 61 + MOST_QEMUS))


def test_of_processes_of_others_no_command_line_is_read(fake: FakeProc) -> None:
    read: list[str] = []

    def reading(path: str, most: int) -> bytes:
        read.append(path.removeprefix(f"{fake.root}/"))
        return read_file(path, most)

    fake.qemu(60, POD)
    fake.qemu(70, OTHER_POD)
    fake.qemu(80, None)
    QemuFinder(fake.root, PodProcesses(fake.root, read=reading), read=reading).find(WANTED)
    assert {path for path in read if path.split("/")[0] in ("70", "80")} == {"70/cgroup", "80/cgroup"}
    assert "60/cmdline" in read


class Holding:
    """Reads files; the command lines of some processes are not to be had before they are let go."""

    def __init__(self, *pids: int) -> None:
        self.pids = pids
        self.let_go = threading.Event()

    def __call__(self, path: str, most: int) -> bytes:
        if path.endswith(tuple(f"/{pid}/cmdline" for pid in self.pids)):
            self.let_go.wait()
        return read_file(path, most)


def test_a_pod_whose_process_can_not_be_read_is_reported_and_the_others_are_found(
    fake: FakeProc, clock: Clock
) -> None:
    fake.qemu(60, POD)
    fake.qemu(70, OTHER_POD)
    kernel = Holding(60)
    finder = finder_of(fake.root, clock=clock, read=kernel)
    found = finder.find(BOTH)
    assert (found[POD], [qemu.pid for qemu in found[OTHER_POD]]) == ((), [70])
    assert finder.obstacles.keys() == {POD}
    assert finder.obstacles[POD].reason == "ProcessUnreadable"
    assert "process 60 " in finder.obstacles[POD].message
    kernel.let_go.set()
    until("the QEMU to be found", lambda: finder.find(BOTH)[POD], seconds=10)
    assert finder.obstacles == {}


def test_a_qemu_that_is_known_stays_so_while_its_command_line_can_not_be_read_again(
    fake: FakeProc, clock: Clock
) -> None:
    fake.qemu(60, POD)
    kernel = Holding()
    finder = finder_of(fake.root, clock=clock, read=kernel)
    known = only(finder.find(WANTED))
    kernel.pids = (60,)
    for _ in range(5):
        clock.now += 100
        assert only(finder.find(WANTED)) == known
    fake.stat(fake.root / "60", 60, "another-name", 100)
    clock.now += 100
    assert finder.find(WANTED) == {POD: ()}, "it may be another program by now"
    kernel.let_go.set()


def test_a_process_beside_a_qemu_that_can_not_be_read_takes_nothing_from_it(fake: FakeProc, clock: Clock) -> None:
    fake.process(50, "sidecar", ["sidecar"], pod=POD)
    fake.qemu(60, POD)
    kernel = Holding(50)
    finder = finder_of(fake.root, clock=clock, read=kernel)
    assert only(finder.find(WANTED)).pid == 60
    kernel.let_go.set()


def test_of_a_pod_with_a_flood_of_processes_a_limited_number_is_read_and_its_qemu_stays_known(
    fake: FakeProc, clock: Clock
) -> None:
    read: list[str] = []

    def reading(path: str, most: int) -> bytes:
        read.append(path)
        return read_file(path, most)

    fake.qemu(5000, POD)
    finder = finder_of(fake.root, clock=clock, read=reading)
    known = only(finder.find(WANTED))
    for pid in range(100, 100 + 2 * MOST_PROCESSES):
        fake.process(pid, "bomb", ["bomb"], pod=POD)
    read.clear()
    clock.now += 1
    assert only(finder.find(WANTED)) == known
    assert sum(path.endswith("/cmdline") for path in read) <= MOST_PROCESSES
    assert finder.obstacles[POD].reason == "TooManyQEMUs"


def test_processes_that_no_scan_has_time_for_are_looked_at_in_the_next_ones(fake: FakeProc, clock: Clock) -> None:
    for pid in range(100, 150):
        fake.process(pid, "sh", ["sh"])
    fake.qemu(149, POD)
    finder = QemuFinder(fake.root, PodProcesses(fake.root, most_cgroups=20), clock=clock)
    scans = 0
    while not finder.find(WANTED)[POD]:
        scans, clock.now = scans + 1, clock.now + 0.05
    assert scans <= 50 / 15


@pytest.mark.parametrize("number", [errno.ENAMETOOLONG, errno.EIO, errno.EACCES, errno.ESRCH, errno.EINVAL])
@pytest.mark.parametrize("name", ["cgroup", "stat", "cmdline"])
def test_a_file_that_can_not_be_read_costs_its_process_alone(fake: FakeProc, name: str, number: int) -> None:
    def reading(path: str, most: int) -> bytes:
        if path.endswith(f"/70/{name}"):
            raise OSError(number, os.strerror(number))
        return read_file(path, most)

    fake.qemu(60, POD)
    fake.qemu(70, OTHER_POD)
    finder = QemuFinder(fake.root, PodProcesses(fake.root, read=reading), read=reading)
    found = finder.find(BOTH)
    assert ([qemu.pid for qemu in found[POD]], found[OTHER_POD]) == ([60], ())


HOSTILE_NAMES = [
    b"CPU 0/KVM\n", b"CPU 99999999999", b"CPU 16384/KVM", b"CPU 00/KVM", b"CPU -1/KVM", b"\xff\xfe\x00\x01",
    b"\x1b[31mCPU 0/KVM", b"a) R 1 (CPU 0/KVM", b")", b"(", b"", b"\xef\xbc\x90", b"CPU \xd9\xa3/KVM",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_no_threads_name_makes_a_vcpu_that_is_none(fake: FakeProc, finder: QemuFinder, name: bytes) -> None:
    fake.qemu(60, POD)
    fake.thread(60, 62, "CPU 0/KVM", 120)
    fake.thread(60, 63, "worker", 130)
    (fake.root / "60/task/63/stat").write_bytes(b"63 (" + name + b") S " + b"0 " * 18 + b"130 0\n")
    vcpus = {thread.tid: thread.vcpu for thread in only(finder.find(WANTED)).threads if thread.thread_class is VCPU}
    assert vcpus == {62: 0}


@given(
    stat=st.binary(max_size=64), cmdline=st.binary(max_size=300), cgroup=st.binary(max_size=300), mounts=st.binary()
)
def test_no_content_of_a_process_makes_a_scan_fail_or_hides_its_neighbour(
    tmp_path_factory: pytest.TempPathFactory, stat: bytes, cmdline: bytes, cgroup: bytes, mounts: bytes
) -> None:
    fake = FakeProc(tmp_path_factory.mktemp("hostile"))
    fake.qemu(60, POD)
    fake.thread(60, 62, "CPU 0/KVM")
    before = finder_of(fake.root).find(WANTED)
    fake.qemu(70, OTHER_POD)
    for name, content in (("stat", stat), ("cmdline", cmdline), ("cgroup", cgroup), ("mountinfo", mounts)):
        (fake.root / "70" / name).write_bytes(content)
    (fake.root / "70" / "task" / "70" / "stat").write_bytes(stat)
    assert finder_of(fake.root).find(WANTED) == before


def test_files_without_end_cost_their_own_pod_alone(fake: FakeProc, finder: QemuFinder) -> None:
    fake.qemu(60, POD)
    fake.qemu(70, OTHER_POD)
    for name in ("cmdline", "cgroup", "mountinfo"):
        (fake.root / "70" / name).unlink()
        (fake.root / "70" / name).symlink_to("/dev/zero")
    found = finder.find(BOTH)
    assert (len(found[POD]), found[OTHER_POD]) == (1, ())


def test_of_a_qemu_with_a_flood_of_threads_only_a_limited_number_is_read(fake: FakeProc, clock: Clock) -> None:
    fake.qemu(60, POD)
    for tid in range(61, 81):
        fake.thread(60, tid, "worker")
    finder = finder_of(fake.root, most_threads=10, clock=clock)
    assert len(only(finder.find(WANTED)).threads) == 10


class Own:
    """Owns some processes; all but shells run its guest."""

    def __init__(self, *pids: int) -> None:
        self.pids = pids

    def check_view(self) -> None:
        """It shows them."""

    def owners_by_pid(self, entries: Mapping[int, int], guests: Mapping[str, str], _now: float) -> dict[int, str]:
        return {pid: uid for uid in guests for pid in self.pids if pid in entries}

    def confirms(self, _uid: str, _guest: str, argv: Sequence[str]) -> bool:
        return argv[0] != "/bin/sh"


def test_a_real_process_that_becomes_qemu_by_exec_is_seen(tmp_path: Path) -> None:
    program = tmp_path / "qemu-system-x86_64"
    shutil.copy(shutil.which("sleep") or "/bin/sleep", program)
    script = f'read go; exec "{program}" 60'
    with subprocess.Popen(["/bin/sh", "-c", script], stdin=subprocess.PIPE) as child:
        try:
            finder = QemuFinder(Path("/proc"), Own(child.pid))
            assert finder.find(WANTED) == {POD: ()}
            assert child.stdin
            child.stdin.write(b"\n")
            child.stdin.flush()
            until("the shell to become QEMU", lambda: finder.find(WANTED)[POD], seconds=10)
        finally:
            child.kill()


def test_a_real_reused_pid_is_noticed_from_the_listing_alone() -> None:
    last_pid = Path("/proc/sys/kernel/ns_last_pid")
    if not os.access(last_pid, os.W_OK):
        pytest.skip("choosing a PID needs CAP_SYS_ADMIN and CONFIG_CHECKPOINT_RESTORE")
    clock = Clock()
    first = subprocess.Popen(["/bin/sleep", "60"])
    finder = QemuFinder(Path("/proc"), Own(first.pid), clock=clock)
    settle(finder, clock)
    known = finder._processes[first.pid]
    first.kill()
    first.wait()

    def again() -> bool:
        last_pid.write_text(str(first.pid - 1))
        with subprocess.Popen(["/bin/sleep", "60"]) as second:
            try:
                finder.find(WANTED)
            finally:
                second.kill()
        return second.pid == first.pid

    until("a second process with the same PID", again, seconds=20)
    assert finder._processes[first.pid].scan.inode != known.scan.inode
