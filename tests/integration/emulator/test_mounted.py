import errno
import fcntl
import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lab import wait
from lab.emulator import Emulator, limbo
from tests.integration.emulator.fakes import MI, refuses
from tests.integration.emulator.worker_process import Worker

NOBODY = 65534
Mount = Callable[..., Emulator]


def write(path: Path, text: str) -> int:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        return os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def names(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


def status(root: Path) -> str:
    return (root / "info/last_cmd_status").read_text()


def test_modes_sizes_and_link_counts_are_the_kernels(emulator: Emulator) -> None:
    root = emulator.mountpoint
    shown = {
        name: (stat.S_IMODE(found.st_mode), found.st_nlink, found.st_size, found.st_blksize, found.st_blocks)
        for name in ("", "info", "mon_groups", "tasks", "size", "mon_data/mon_L3_00/llc_occupancy")
        for found in [(root / name).stat()]
    }
    assert shown == {
        "": (0o555, 5, 0, 4096, 0),
        "info": (0o555, 3, 0, 4096, 0),
        "mon_groups": (0o555, 2, 0, 4096, 0),
        "tasks": (0o644, 1, 0, 4096, 0),
        "size": (0o444, 1, 0, 4096, 0),
        "mon_data/mon_L3_00/llc_occupancy": (0o444, 1, 0, 4096, 0),
    }
    assert os.statvfs(root).f_namemax == 255
    assert os.statvfs(root).f_blocks == 0


def test_a_groups_mode_follows_the_umask(emulator: Emulator) -> None:
    group = emulator.mountpoint / "mon_groups/a"
    group.mkdir(mode=0o770)
    old = os.umask(0)
    os.umask(old)
    for path in (group, group / "mon_data", group / "mon_data/mon_L3_01"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o770 & ~old


@pytest.mark.parametrize("profile", ["6.1", "7.3"])
def test_errnos_of_mkdir_and_rmdir_come_through(mount: Mount, profile: str) -> None:
    root = mount(profile=profile).mountpoint
    (root / "mon_groups/a").mkdir()
    in_info = errno.ENODEV if profile == "7.3" else errno.EPERM
    for path, number in {
        "mon_groups/a": errno.EEXIST,
        "mon_groups/x\ny": errno.EINVAL,
        "mon_groups/mon_groups": errno.EPERM,
        "c1": errno.EPERM,
        "mon_data/x": errno.EPERM,
        "info/x": in_info,
        "mon_groups/nope/b": errno.ENOENT,
    }.items():
        with refuses(number):
            (root / path).mkdir()
    for path, number in {
        "mon_groups/nope": errno.ENOENT,
        "mon_groups": errno.EPERM,
        "info": errno.EPERM,
        "mon_groups/a/mon_data": errno.EPERM,
        "mon_groups/a/tasks": errno.ENOTDIR,
    }.items():
        with refuses(number):
            (root / path).rmdir()
    for name in ("sp ace", ".dot", "é", "n" * 256):
        (root / "mon_groups" / name).mkdir()
        (root / "mon_groups" / name).rmdir()
    (root / "mon_groups/a").rmdir()
    assert names(root / "mon_groups") == []


def test_nothing_else_can_be_made_or_removed(emulator: Emulator) -> None:
    root = emulator.mountpoint
    with refuses(errno.EACCES):
        os.open(root / "mon_groups/f", os.O_CREAT | os.O_WRONLY)
    with refuses(errno.EPERM):
        (root / "mon_groups/l").symlink_to("/tmp")
    with refuses(errno.EPERM):
        (root / "mon_groups/l").hardlink_to(root / "tasks")
    with refuses(errno.EPERM):
        os.mkfifo(root / "mon_groups/l")
    with refuses(errno.EPERM):
        (root / "tasks").unlink()


def test_truncation_and_changes_of_mode_owner_and_time_are_accepted(emulator: Emulator) -> None:
    tasks, counter = emulator.mountpoint / "tasks", emulator.mountpoint / "mon_data/mon_L3_00/llc_occupancy"
    os.truncate(tasks, 0)
    os.close(os.open(tasks, os.O_WRONLY | os.O_TRUNC))
    os.chown(tasks, NOBODY, -1)
    os.utime(tasks)
    assert (tasks.stat().st_uid, tasks.stat().st_gid) == (NOBODY, 0)
    counter.chmod(0o644)
    for flags in (os.O_WRONLY, os.O_RDWR):
        with refuses(errno.EACCES):
            os.open(counter, flags)
    assert stat.S_IMODE(counter.stat().st_mode) == 0o644


def test_real_threads_earn_traffic_and_occupancy_in_their_group_only(emulator: Emulator, worker: Worker) -> None:
    root = emulator.mountpoint
    busy, idle = worker.thread(), worker.thread()
    for name, tid in (("busy", busy), ("idle", idle)):
        (root / "mon_groups" / name).mkdir()
        write(root / "mon_groups" / name / "tasks", f"{tid}\n")
    worker.burn(busy)
    emulator.control.freeze()
    books = emulator.control.books()
    total = sum(int(block["mbm_total_bytes"]) for block in books.groups["/mon_groups/busy"].blocks.values())
    assert total == pytest.approx(1 << 30, rel=0.1)
    idle_total = sum(int(block["mbm_total_bytes"]) for block in books.groups["/mon_groups/idle"].blocks.values())
    assert idle_total < total / 20
    assert books.groups["/mon_groups/busy"].tids == (busy,)
    for block, capacity in books.capacity_bytes.items():
        held = sum(int(group.blocks[block]["llc_occupancy"]) for group in books.groups.values())
        assert held == books.occupancy_bytes[block] <= capacity
        for event in ("llc_occupancy", "mbm_total_bytes", "mbm_local_bytes"):
            for path, group in books.groups.items():
                shown = int((root / path[1:] / f"mon_data/mon_L3_{block:02d}/{event}").read_text())
                own = int(group.blocks[block][event])
                children = [
                    int(books.groups[p].blocks[block][event]) for p in books.groups if path == "/" and p != path
                ]
                assert shown == own + sum(children)


def test_children_and_threads_of_a_member_become_members(emulator: Emulator, worker: Worker) -> None:
    group = emulator.mountpoint / "mon_groups/a"
    group.mkdir()
    old = worker.thread()
    write(group / "tasks", f"{worker.pid}\n")
    child, thread = worker.fork(), worker.thread()
    tids = {int(line) for line in (group / "tasks").read_text().split()}
    assert tids == {worker.pid, child, thread}
    assert old not in tids


def test_threads_of_a_dead_process_leave_once_it_is_reaped(emulator: Emulator) -> None:
    group = emulator.mountpoint / "mon_groups/a"
    group.mkdir()
    worker = Worker()
    write(group / "tasks", f"{worker.pid}\n")
    worker.process.kill()
    wait.until(
        "the process to be a zombie",
        lambda: ") Z " in Path(f"/proc/{worker.pid}/stat").read_text(),
    )
    assert (group / "tasks").read_text() == f"{worker.pid}\n"
    worker.stop()
    assert (group / "tasks").read_text() == ""


def test_a_kept_descriptor_gives_fresh_values_and_enodev_after_the_group(emulator: Emulator, worker: Worker) -> None:
    group = emulator.mountpoint / "mon_groups/a"
    group.mkdir()
    write(group / "tasks", f"{worker.pid}\n")
    files = [os.open(path, os.O_RDONLY) for path in sorted(group.glob("mon_data/*/mbm_total_bytes"))]
    tasks, directory = os.open(group / "tasks", os.O_RDWR), os.open(group, os.O_RDONLY)
    before = sum(int(os.pread(file, 64, 0)) for file in files)
    worker.burn(worker.pid)
    after = sum(int(os.pread(file, 64, 0)) for file in files)
    assert after - before > 1 << 29
    assert os.read(files[0], 64).endswith(b"\n")
    assert os.read(files[0], 64) == b""
    assert len(os.pread(files[0], 1, 0)) == 1
    inode = group.stat().st_ino
    group.rmdir()
    group.mkdir()
    for file in (*files, tasks):
        with refuses(errno.ENODEV):
            os.pread(file, 64, 0)
    with refuses(errno.ENODEV):
        os.write(tasks, b"1\n")
    # kernfs says ENOENT; libfuse has no path for the permission check and says ESTALE before that.
    with refuses(errno.ESTALE):
        os.open("tasks", os.O_RDONLY, dir_fd=directory)
    with refuses(errno.ESTALE):
        os.mkdir("z", dir_fd=directory)
    assert group.stat().st_ino != inode
    for file in (*files, tasks, directory):
        os.close(file)


def test_a_write_goes_to_the_file_whatever_its_offset(emulator: Emulator, worker: Worker) -> None:
    tasks = emulator.mountpoint / "mon_groups/a/tasks"
    tasks.parent.mkdir()
    text = f"{worker.pid}\n".encode()
    descriptor = os.open(tasks, os.O_RDWR | os.O_APPEND)
    assert os.pwrite(descriptor, text, 100) == len(text)
    assert os.write(descriptor, text) == len(text)
    os.lseek(descriptor, 0, os.SEEK_SET)
    assert os.read(descriptor, 100) == text
    with refuses(errno.E2BIG):
        os.write(descriptor, b" " * 4097)
    os.close(descriptor)


def test_the_status_explains_an_errno_until_the_next_operation(emulator: Emulator) -> None:
    root = emulator.mountpoint
    with refuses(errno.ESRCH):
        write(root / "tasks", "999999999\n")
    assert status(root) == "No task 999999999\nError while processing task 999999999\n"
    (root / "cpus").read_text()
    assert status(root) == "ok\n"


def test_rmids_run_out_and_come_back(mount: Mount) -> None:
    emulator = mount(rmids=3, more=[limbo()])
    root = emulator.mountpoint
    groups = [root / "mon_groups" / name for name in "abc"]
    groups[0].mkdir()
    groups[1].mkdir()
    with refuses(errno.ENOSPC):
        groups[2].mkdir()
    assert status(root) == "Out of RMIDs\n"
    groups[1].rmdir()
    with refuses(errno.EBUSY):
        groups[2].mkdir()

    wait.until("an RMID to leave limbo", lambda: emulator.control.books().free_rmids, seconds=5)
    groups[2].mkdir()


def test_zero_moves_the_writing_thread(emulator: Emulator) -> None:
    group = emulator.mountpoint / "mon_groups/a"
    group.mkdir()
    done = subprocess.run(
        ["sh", "-c", f"echo 0 > {group}/tasks; echo $$; cat {group}/tasks"],
        capture_output=True,
        text=True,
        check=True,
    )
    pid, *members = done.stdout.split()
    assert pid in members


def test_the_root_can_be_locked_as_the_kernel_documents(emulator: Emulator) -> None:
    first, second = (os.open(emulator.mountpoint, os.O_RDONLY) for _ in range(2))
    fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with refuses(errno.EAGAIN):
        fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(first)
    fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(second)


def test_a_block_that_goes_offline_vanishes_and_returns_as_another(mount: Mount) -> None:
    emulator = mount(blocks={0: 4 * MI, 7: 2 * MI})
    root = emulator.mountpoint
    group = root / "mon_groups/a"
    group.mkdir()
    file = group / "mon_data/mon_L3_07/mbm_total_bytes"
    kept, inode = os.open(file, os.O_RDONLY), file.parent.stat().st_ino
    emulator.control.set_block_online(7, online=False)
    assert names(group / "mon_data") == ["mon_L3_00"]
    assert not file.exists()
    with refuses(errno.ENODEV):
        os.pread(kept, 64, 0)
    emulator.control.set_block_online(7, online=True)
    assert file.read_text() == "0\n"
    assert file.parent.stat().st_ino != inode
    with refuses(errno.ENODEV):
        os.pread(kept, 64, 0)
    os.close(kept)


def test_control_groups_are_made_where_there_are_closids(mount: Mount, worker: Worker) -> None:
    root = mount(closids=2).mountpoint
    (root / "c1").mkdir()
    write(root / "c1/tasks", f"{worker.pid}\n")
    assert (root / "c1/tasks").read_text() == f"{worker.pid}\n"
    assert str(worker.pid) not in (root / "tasks").read_text().split()
    with refuses(errno.ENOSPC):
        (root / "c2").mkdir()
    assert status(root) == "Out of CLOSIDs\n"
