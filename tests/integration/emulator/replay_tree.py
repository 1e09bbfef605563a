"""Parts of the replay: the tree, what else a name can be used for, and descriptors that are kept."""

# System calls are what this is about, one by one.
# ruff: noqa: PTH101, PTH102, PTH106, PTH108, PTH116, PTH211
import ctypes
import fcntl
import os
import select
import stat
import struct
import tempfile
from pathlib import Path

from tests.integration.emulator.replay_calls import LIBC, Calls, attempt, emit, escape, libc_call, name_of

MS_RDONLY, MS_REMOUNT, MS_BIND = 1, 32, 4096
MNT_DETACH = 2
IN_ALL_EVENTS, IN_MODIFY, IN_NONBLOCK = 0xFFF, 0x2, 0x800
INOTIFY_HEAD = struct.Struct("iIII")
LLC = "/mon_groups/a/mon_data/mon_L3_00/llc_occupancy"
TOTAL = "/mon_groups/a/mon_data/mon_L3_00/mbm_total_bytes"


def mount_flags(calls: Calls) -> None:
    """Bind mounts and read-only remounts."""
    root = os.fsencode(calls.at(""))
    elsewhere = Path(tempfile.mkdtemp(prefix="cachemon-replay-"))
    target = os.fsencode(elsewhere)
    bind = attempt(lambda: libc_call("mount", root, target, None, MS_BIND, None))
    emit(f"bind mount -> {bind}")
    LIBC.umount2(target, MNT_DETACH)
    elsewhere.rmdir()

    def remount(flags: int) -> str:
        return attempt(lambda: libc_call("mount", b"resctrl", root, b"resctrl", MS_REMOUNT | flags, None))

    emit(f"remount,ro -> {remount(MS_RDONLY)}")
    emit(f"mkdir on ro -> {attempt(lambda: os.mkdir(calls.at('/mon_groups/ro'), 0o755))}")
    emit(f"remount,rw -> {remount(0)}")
    buffer = ctypes.create_string_buffer(256)
    libc_call("statfs", root, buffer)
    magic, bsize, blocks, _, _, files = struct.unpack_from("6q", buffer)
    (longest_name,) = struct.unpack_from("q", buffer, 64)
    emit(f"statfs f_type=0x{magic:x} bsize={bsize} blocks={blocks} files={files} namelen={longest_name}")


def fresh_tree(calls: Calls, *, allocation: bool) -> None:
    """The fresh tree."""
    calls.tree("", 3)
    monitoring = ("num_rmids", "mon_features", "max_threshold_occupancy", "mbm_assign_mode")
    counters = ("num_mbm_cntrs", "available_mbm_cntrs", "mbm_assign_on_mkdir")
    for name in (*monitoring, *counters):
        calls.read(f"/info/L3_MON/{name}")
    calls.read("/info/last_cmd_status")
    for name in ("tasks", "cpus", "cpus_list", "schemata", "mode", "size"):
        calls.read(f"/{name}")
    if allocation:
        for name in ("num_closids", "cbm_mask", "min_cbm_bits", "shareable_bits", "bit_usage", "sparse_masks"):
            calls.read(f"/info/L3/{name}")
    found = os.stat(calls.at("/mon_data/mon_L3_00/mbm_total_bytes"))
    emit(f"stat file size={found.st_size} blocks={found.st_blocks} blksize={found.st_blksize}")


def other_operations(calls: Calls) -> None:
    """What else can be done with names."""
    emit("## other namespace ops")
    at = calls.at
    tasks, link = at("/mon_groups/a/tasks"), at("/mon_groups/l")

    def opened(path: str, flags: int) -> str:
        return attempt(lambda: os.close(os.open(path, flags, 0o644)))

    emit(f"open(O_CREAT) -> {opened(at('/mon_groups/f'), os.O_CREAT | os.O_WRONLY)}")
    emit(f"symlink -> {attempt(lambda: os.symlink('/tmp', link))}")
    emit(f"link -> {attempt(lambda: os.link(at('/tasks'), link))}")
    emit(f"mknod -> {attempt(lambda: os.mknod(link, stat.S_IFIFO | 0o600))}")
    emit(f"unlink tasks -> {attempt(lambda: os.unlink(tasks))}")
    emit(f"truncate tasks -> {attempt(lambda: os.truncate(tasks, 0))}")
    emit(f"open(O_TRUNC) tasks -> {opened(tasks, os.O_WRONLY | os.O_TRUNC)}")
    emit(f"root open(W) llc_occupancy -> {opened(at(LLC), os.O_WRONLY)}")
    emit(f"root open(RW) llc_occupancy -> {opened(at(LLC), os.O_RDWR)}")
    emit(f"chmod 0644 llc_occupancy -> {attempt(lambda: os.chmod(at(LLC), 0o644))}")
    calls.write(LLC, "1\n")
    emit(f"chown tasks 1000 -> {attempt(lambda: os.chown(tasks, 1000, 1000))}")
    group = at("/mon_groups/a")
    emit(f"setxattr user -> {attempt(lambda: os.setxattr(group, 'user.foo', b'1'))}")
    emit(f"setxattr trusted -> {attempt(lambda: os.setxattr(group, 'trusted.foo', b'1'))}")
    emit(f"utimens -> {attempt(lambda: os.utime(group))}")


def inotify(calls: Calls, tid: int) -> None:
    """The events of changes made by system calls."""
    emit("## inotify")
    descriptor = libc_call("inotify_init1", IN_NONBLOCK)
    tasks = calls.at("/mon_groups/a/tasks")
    first = libc_call("inotify_add_watch", descriptor, os.fsencode(calls.at("/mon_groups")), IN_ALL_EVENTS)
    second = libc_call("inotify_add_watch", descriptor, os.fsencode(tasks), IN_MODIFY)
    emit(f"add_watch -> {first} {second}")
    os.mkdir(calls.at("/mon_groups/ino"), 0o755)
    os.rmdir(calls.at("/mon_groups/ino"))
    written = os.open(tasks, os.O_WRONLY)
    os.write(written, f"{tid}\n".encode())
    os.close(written)
    data, at = os.read(descriptor, 65536), 0
    while at < len(data):
        watch, mask, _, length = INOTIFY_HEAD.unpack_from(data, at)
        at += INOTIFY_HEAD.size
        name = data[at : at + length].rstrip(b"\0").decode()
        at += length
        emit(f"event wd={watch} mask=0x{mask:x} name={name}")
    os.close(descriptor)


class KeptDescriptors:
    """Descriptors of a group that is removed under them."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self.counter = os.open(calls.at(TOTAL), os.O_RDONLY)
        self._tasks = os.open(calls.at("/mon_groups/a/tasks"), os.O_RDWR)
        self._directory = os.open(calls.at("/mon_groups/a"), os.O_RDONLY | os.O_DIRECTORY)

    def poll(self) -> list[tuple[int, int]]:
        poller = select.poll()
        poller.register(self.counter, select.POLLIN | select.POLLPRI | select.POLLOUT)
        return poller.poll(100)

    def after_rmdir(self, tid: int) -> None:
        """Remove the group, and look."""
        calls = self._calls
        emit("## rmdir with tasks and open fds")
        calls.groups_of("p", tid)
        calls.rmdir("/mon_groups/a")
        calls.groups_of("p after rmdir", tid)
        emit(f"pread kept mon_data fd -> -1 {attempt(lambda: os.pread(self.counter, 64, 0))}")
        emit(f"pread kept tasks fd -> -1 {attempt(lambda: os.pread(self._tasks, 64, 0))}")
        written = attempt(lambda: os.write(self._tasks, b"1\n"))
        emit(f"write kept tasks fd -> -1 {written}  | status: {calls.status()}")
        emit(f"openat(kept dirfd) -> {attempt(lambda: os.open('tasks', os.O_RDONLY, dir_fd=self._directory))}")
        emit(f"mkdirat(kept dirfd) -> {attempt(lambda: os.mkdir('z', 0o755, dir_fd=self._directory))}")
        emit(f"readdir kept dirfd -> {_count_entries(self._directory)} entries")
        emit(f"poll after rmdir revents=0x{self.poll()[0][1]:x}")
        try:
            emit(f"fstat kept fd nlink={os.fstat(self.counter).st_nlink}")
        except OSError as error:
            emit(f"fstat kept fd -> {name_of(error.errno or 0)}")
        for descriptor in (self.counter, self._tasks, self._directory):
            os.close(descriptor)


def reads_and_kept_descriptors(calls: Calls) -> KeptDescriptors:
    """Reading the same descriptor in all the ways there are."""
    emit("## mon_data reads, kept-open fds")
    calls.read(LLC)
    calls.read(TOTAL)
    calls.read("/mon_groups/a/mon_data/mon_L3_01/mbm_local_bytes")
    kept = KeptDescriptors(calls)
    for number in range(3):
        _emit_data(f"pread#{number}", os.pread(kept.counter, 64, 0))
    _emit_data("read (cursor 0)", os.read(kept.counter, 64))
    emit(f"read again -> {len(os.read(kept.counter, 64))} (EOF)")
    os.lseek(kept.counter, 0, os.SEEK_SET)
    _emit_data("lseek0+read", os.read(kept.counter, 64))
    _emit_data("pread 1 byte", os.pread(kept.counter, 1, 0))
    ready = kept.poll()
    emit(f"poll -> {len(ready)} revents=0x{ready[0][1]:x}")
    return kept


def locks(calls: Calls) -> None:
    """flock on the root."""
    emit("## flock")
    first, second = (os.open(calls.root, os.O_RDONLY | os.O_DIRECTORY) for _ in range(2))
    fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
    refused = attempt(lambda: fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB))
    emit(f"flock f1 -> 0, f2 -> -1 {refused}")
    os.close(second)
    os.close(first)


def _emit_data(what: str, data: bytes) -> None:
    emit(f'{what} -> {len(data)} "{escape(data)}"')


def _count_entries(directory: int) -> int:
    """With `.` and `..`, which os.listdir leaves out; none where they can't be read."""
    buffer = ctypes.create_string_buffer(4096)
    try:
        length = libc_call("getdents64", directory, buffer, len(buffer))
    except OSError:
        return 0
    count, at = 0, 0
    while at < length:
        (size,) = struct.unpack_from("H", buffer, at + 16)
        count, at = count + 1, at + size
    return count
