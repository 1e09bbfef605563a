"""Processes that do what they can to hold up the agent's look at others, or to be taken for them; all real."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest

from cachemon.qemu.discovery import QemuFinder
from cachemon.qemu.pod_processes import PodProcesses
from lab.vms.cgroups import pod_cgroup, remove_pod_cgroup, writable_home
from lab.vms.launcher import container_id
from lab.vms.lock_holder import lock_holders
from lab.wait import until

PROC = Path("/proc")
GUEST = "tenant-a_vm1"
HOLDERS = 3
SLACK_SECONDS = 2.0  # for a machine at work


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def pod(stack: ExitStack) -> tuple[str, Path]:
    """The UID and the cgroup of a pod that ends with the test."""
    home = writable_home()
    if home is None:
        pytest.skip("no cgroup can be made here")
    uid = str(uuid4())
    cgroup = pod_cgroup(home, uid, container_id(uid))
    cgroup.mkdir(parents=True)

    def remove() -> bool:
        remove_pod_cgroup(home, cgroup)
        return not cgroup.exists()

    stack.callback(lambda: until("the pod's processes to leave its cgroup", remove, seconds=20))
    return uid, cgroup


def start_qemu(stack: ExitStack, folder: Path, cgroup: Path | None, *before: str) -> int:
    """A process that looks like a QEMU of the guest: its shell reads all that stands on its command line."""
    program = folder / "qemu-system-x86_64"
    if not program.exists():
        shutil.copy(shutil.which("bash") or "/bin/bash", program)
    arguments = [str(program), "-c", "read forever; true", "-name", f"guest={GUEST},debug-threads=on"]
    child = stack.enter_context(subprocess.Popen([*before, *arguments], stdin=subprocess.PIPE))
    stack.callback(child.kill)
    if cgroup:
        (cgroup / "cgroup.procs").write_text(str(child.pid))
    return child.pid


@pytest.mark.timeout(300)
def test_processes_that_hold_their_mmap_lock_hold_up_no_scan_and_their_pod_is_reported(
    stack: ExitStack, tmp_path: Path
) -> None:
    uid, cgroup = pod(stack)
    pid = start_qemu(stack, tmp_path, cgroup)
    attackers = [pod(stack) for _ in range(HOLDERS)]
    stack.enter_context(lock_holders(theirs for _, theirs in attackers))
    guests = dict.fromkeys((uid, *(their_uid for their_uid, _ in attackers)), GUEST)
    finder = QemuFinder(PROC, PodProcesses(PROC))
    unreadable: set[str] = set()
    took: list[float] = []

    def scan() -> bool:
        began = time.monotonic()
        found = finder.find(guests)[uid]
        took.append(time.monotonic() - began)
        assert [qemu.pid for qemu in found] == [pid]
        unreadable.update(
            owner for owner, obstacle in finder.obstacles.items() if obstacle.reason == "ProcessUnreadable"
        )
        return len(took) > 20 and bool(unreadable)

    until("a pod whose process can't be read", scan, seconds=120)
    assert uid not in unreadable
    assert max(took) < SLACK_SECONDS, took
    print(f"{HOLDERS} holders: scans took {sorted(took)[len(took) // 2]:.4f} s, the longest {max(took):.3f} s")


def test_a_process_outside_of_pods_whose_mounts_name_a_pod_is_not_its(stack: ExitStack, tmp_path: Path) -> None:
    uid = str(uuid4())
    volume = tmp_path / f"pods/{uid}/volumes/kubernetes.io~empty-dir/sockets"
    target = tmp_path / "target"
    for folder in (volume, target):
        folder.mkdir(parents=True)
    mounting = f'mount --bind "{volume}" "{target}" && exec "$@"'
    forger = start_qemu(
        stack, tmp_path, None, "unshare", "--mount", "--propagation", "private", "--", "sh", "-c", mounting, "sh"
    )
    mountinfo = PROC / str(forger) / "mountinfo"
    until("the forged mount", lambda: uid in mountinfo.read_text())
    lab = QemuFinder(PROC, PodProcesses(PROC, by_mounts=True))
    until("a lab to believe it", lambda: [qemu.pid for qemu in lab.find({uid: GUEST})[uid]] == [forger])
    assert QemuFinder(PROC, PodProcesses(PROC)).find({uid: GUEST}) == {uid: ()}
