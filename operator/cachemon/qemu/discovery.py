"""Which QEMU processes run in which pods, and what threads they have.

A scan lists /proc and looks only at what may have changed since the last one:

* An entry of /proc is known by its number and its inode. The kernel takes inode numbers of /proc from a
  counter (fs/proc/base.c proc_pid_make_inode, get_next_ino) and drops the entry when its task is released
  (proc_flush_pid), so a reused PID or TID has another inode, and the listing itself tells it at no cost.
* What an entry is can change while PID and start time stay: libvirt forks, waits and then calls exec; a
  thread is named after it was created; a process is moved to its cgroup. So everything is looked at again,
  at every scan while it is young and later after a quarter of the time it has been known, a minute at the
  most.
"""

import os
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from cachemon.model.errors import CachemonError
from cachemon.model.threads import Qemu, Thread, ThreadClass, classify
from cachemon.qemu import proc

__all__ = ["ProcUnreadableError", "QemuFinder"]

_PROGRAMS = ("qemu-system", "qemu-kvm")  # KubeVirt pkg/hypervisor/kvm/runtime.go, v1.9
_QUARTER = 0.25
_LONGEST_UNSEEN_SECONDS = 60.0
_MOST_THREADS = 8192  # of one QEMU; KVM has 4096 vCPUs at most, and the kernel lists threads by age


class ProcUnreadableError(CachemonError):
    """The /proc that was given can't be read."""


class _Sighting(NamedTuple):
    """When an entry of /proc was first looked at, and when it has to be again, in seconds of the finder's clock."""

    inode: int
    first: float
    due: float


def _sighting(inode: int, first: float, now: float) -> _Sighting:
    return _Sighting(inode, first, now + min(_LONGEST_UNSEEN_SECONDS, (now - first) * _QUARTER))


_UNSEEN = (_Sighting(-1, 0.0, 0.0), None)


@dataclass(frozen=True, slots=True)
class _Identity:
    """What one look at a QEMU process said about it."""

    start_time: int
    pod_uid: str | None
    container_id: str | None
    guest_name: str | None
    names_its_threads: bool


@dataclass(slots=True)
class _Process:
    sighting: _Sighting
    identity: _Identity | None  # None: no QEMU when last looked at
    threads: dict[int, tuple[_Sighting, Thread]]
    qemu: Qemu | None = None  # what was made of it all at the last scan


class QemuFinder:
    """Finds the QEMU processes of pods, and keeps what it knows between scans.

    Not safe for use by several threads at once.

    Args:
        root: the /proc to read. Of the host, if PIDs are to mean anything to the host's resctrl.
        clock: seconds that never go back.
    """

    def __init__(self, root: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._root = os.fspath(root)
        self._clock = clock
        self._processes: dict[int, _Process] = {}

    def find(self, pod_uids: Collection[str]) -> dict[str, tuple[Qemu, ...]]:
        """Scan once.

        Args:
            pod_uids: pods to look for. Threads of other QEMUs are not read.

        Returns:
            For each of `pod_uids` its QEMU processes in order of PID; empty for a pod that has none now.
            Processes and threads that end during the scan are left out.

        Raises:
            ProcUnreadableError: /proc can't be listed, or the agent has no descriptors left.
        """
        found: dict[str, list[Qemu]] = {uid: [] for uid in pod_uids}
        try:
            self._scan_processes()
            for pid, process in sorted(self._processes.items()):
                if process.identity and process.identity.pod_uid in found:
                    qemu = self._look_inside(pid, process, process.identity, process.identity.pod_uid)
                    if qemu:
                        found[qemu.pod_uid].append(qemu)
        except OSError as error:
            raise ProcUnreadableError(
                f"cannot read {self._root}: {error.strerror}; it must be the host's /proc (hostPID: true)"
            ) from error
        return {uid: tuple(qemus) for uid, qemus in found.items()}

    def _scan_processes(self) -> None:
        now = self._clock()
        known, self._processes = self._processes, {}
        for pid, inode in _numbered_entries(self._root):
            process = known.get(pid)
            if process is None or process.sighting.inode != inode:
                process = _Process(_sighting(inode, now, now), self._identify(pid), {})
            elif process.sighting.due <= now:
                process.sighting = _sighting(inode, process.sighting.first, now)
                process.identity = self._identify(pid)
                process.qemu = None
            self._processes[pid] = process

    def _identify(self, pid: int) -> _Identity | None:
        directory = f"{self._root}/{pid}"
        stat = proc.read_stat(directory)
        argv = proc.read_cmdline(directory)
        # exec sets the name before it sets the command line (Linux fs/exec.c begin_new_exec, then
        # fs/binfmt_elf.c): a QEMU without arguments is one that is about to have them.
        if stat is None or not argv or not _is_qemu(stat.name, argv[0]):
            return None
        cgroup = proc.read_cgroup(directory) or ""
        return _Identity(
            start_time=stat.start_time,
            pod_uid=proc.pod_uid_of_cgroup(cgroup) or proc.pod_uid_of_mountinfo(proc.read_mountinfo(directory) or ""),
            container_id=proc.container_id_of_cgroup(cgroup),
            guest_name=proc.guest_name(argv),
            names_its_threads=proc.names_its_threads(argv),
        )

    def _look_inside(self, pid: int, process: _Process, identity: _Identity, pod_uid: str) -> Qemu | None:
        """The process and its threads as they are now; None when it is gone or another has its PID."""
        stat = proc.read_stat(f"{self._root}/{pid}")
        if stat is None or stat.dead or stat.start_time != identity.start_time:
            del self._processes[pid]
            return None
        if not self._scan_threads(pid, process) and process.qemu:
            return process.qemu
        if not process.threads:
            return None
        threads = tuple(thread for _, (_, thread) in sorted(process.threads.items()))
        process.qemu = Qemu(
            pid=pid,
            start_time=identity.start_time,
            pod_uid=pod_uid,
            guest_name=identity.guest_name,
            threads=threads,
            identifiable=identity.names_its_threads
            or any(thread.thread_class in (ThreadClass.VCPU, ThreadClass.IO_THREAD) for thread in threads),
            container_id=identity.container_id,
        )
        return process.qemu

    def _scan_threads(self, pid: int, process: _Process) -> bool:
        """Whether any was looked at, or is gone: else all is as it was."""
        now, looked = self._clock(), False
        known, process.threads = process.threads, {}
        try:
            for tid, inode in islice(_numbered_entries(f"{self._root}/{pid}/task"), _MOST_THREADS):
                seen, thread = known.get(tid, _UNSEEN)
                if seen.inode != inode:
                    seen, thread, looked = _sighting(inode, now, now), self._read_thread(pid, tid), True
                elif seen.due <= now:
                    seen, thread, looked = _sighting(inode, seen.first, now), self._read_thread(pid, tid), True
                if thread:
                    process.threads[tid] = seen, thread
        except (FileNotFoundError, ProcessLookupError):
            process.threads = {}
        return looked or len(process.threads) != len(known)

    def _read_thread(self, pid: int, tid: int) -> Thread | None:
        stat = proc.read_stat(f"{self._root}/{pid}/task/{tid}")
        if stat is None or stat.dead:
            return None
        thread_class, vcpu = classify(stat.name)
        return Thread(tid, stat.start_time, thread_class, vcpu)


def _is_qemu(name: str, program: str) -> bool:
    return name.startswith(_PROGRAMS) or program.rpartition("/")[2].startswith(_PROGRAMS)


def _numbered_entries(directory: str) -> Iterator[tuple[int, int]]:
    """(number, inode) of the entries of /proc or a task directory that stand for a process or thread."""
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.isascii() and entry.name.isdigit():
                yield int(entry.name), entry.inode()
