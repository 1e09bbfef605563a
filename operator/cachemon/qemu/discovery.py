"""Which QEMU processes are whose, and what threads they have.

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
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Protocol

from cachemon.model.errors import ProcUnreadableError
from cachemon.model.reasons import Reason
from cachemon.model.threads import MOST_QEMUS, Qemu, Thread, ThreadClass, classify, tell_apart
from cachemon.qemu import proc

__all__ = ["Owners", "QemuFinder"]

MOST_THREADS = 8192  # KVM has 4096 vCPUs at most

_PROGRAMS = ("qemu-system", "qemu-kvm")  # KubeVirt pkg/hypervisor/kvm/runtime.go, v1.9
_QUARTER = 0.25
_LONGEST_UNSEEN_SECONDS = 60.0

_HIDDEN = (
    "{root}/1 can't be read: processes of other users are hidden from the agent; mount /proc without hidepid "
    "(mount -o remount,hidepid=0 /proc), and where SELinux enforces run the agent as type spc_t"
)


class Owners(Protocol):
    """Tells whose a QEMU process is: the pod's that it runs in, or the libvirt domain's that it runs."""

    def check_view(self) -> None:
        """Whether /proc shows the processes that we are after.

        Raises:
            ProcUnreadableError: it does not.
        """

    def owner_of(self, pid: int, argv: Sequence[str]) -> str | None:
        """UID of the pod, or UUID of the domain; None for a process of nobody.

        Args:
            pid: the process.
            argv: its command line, which anybody may have made up.
        """


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
    owner_uid: str | None
    guest_name: str | None
    names_its_threads: bool


@dataclass(slots=True)
class _Process:
    sighting: _Sighting
    identity: _Identity | None  # None: no QEMU when last looked at
    threads: dict[int, tuple[_Sighting, Thread]]
    entries: dict[int, int] = field(default_factory=dict)  # of its task directory at the last scan
    due: float = 0.0  # when the first of its threads has to be looked at again
    qemu: Qemu | None = None  # what was made of it all at the last scan


class QemuFinder:
    """Finds the QEMU processes of owners, and keeps what it knows between scans.

    Not safe for use by several threads at once.

    Args:
        root: the /proc to read. Of the host, if PIDs are to mean anything to the host's resctrl.
        owners: tells whose a process is; asked once per look at a process.
        most_threads: of one QEMU; later ones are not seen. The kernel lists them by age.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        root: Path,
        owners: Owners,
        *,
        most_threads: int = MOST_THREADS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._root = os.fspath(root)
        self._owners = owners
        self._most_threads = most_threads
        self._clock = clock
        self._processes: dict[int, _Process] = {}

    def find(self, owner_uids: Collection[str]) -> dict[str, tuple[Qemu, ...]]:
        """Scan once.

        Args:
            owner_uids: owners to look for. Threads of other QEMUs are not read.

        Returns:
            For each of `owner_uids` its QEMU processes in order of PID; empty for one that has none now. Of one
            with more than MOST_QEMUS one more than that, so that it shows. Processes and threads that end
            during the scan are left out.

        Raises:
            ProcUnreadableError: /proc can't be listed, hides the node's processes, or is not the node's; or the
                agent has no descriptors left.
        """
        found: dict[str, list[Qemu]] = {uid: [] for uid in owner_uids}
        try:
            self._check_view()
            self._scan_processes()
            for pid, process in sorted(self._processes.items()):
                if process.identity and process.identity.owner_uid in found:
                    qemus = found[process.identity.owner_uid]
                    if len(qemus) <= MOST_QEMUS and (
                        qemu := self._look_inside(pid, process, process.identity, process.identity.owner_uid)
                    ):
                        qemus.append(qemu)
        except OSError as error:
            raise ProcUnreadableError(
                Reason.PROC_UNREADABLE,
                f"cannot read {self._root}: {error.strerror}; it must be the host's /proc (in a pod: hostPID: true)",
            ) from error
        return {uid: tuple(qemus) for uid, qemus in found.items()}

    def _check_view(self) -> None:
        """Whether /proc shows all: PID 1 is always there, and hidepid hides it from all but its group."""
        if proc.read_stat(f"{self._root}/self") and not proc.read_stat(f"{self._root}/1"):
            raise ProcUnreadableError(Reason.PROC_HIDDEN, _HIDDEN.format(root=self._root))
        self._owners.check_view()

    def _scan_processes(self) -> None:
        now = self._clock()
        known, self._processes = self._processes, {}
        for pid, inode in _numbered_entries(self._root).items():
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
        program = proc.read_program(directory) if stat else ""
        # exec sets the name before it sets the command line (Linux fs/exec.c begin_new_exec, then
        # fs/binfmt_elf.c): a QEMU without arguments is one that is about to have them.
        if stat is None or not program or not _is_qemu(stat.name, program):
            return None
        argv = proc.read_cmdline(directory) or ()
        return _Identity(
            start_time=stat.start_time,
            owner_uid=self._owners.owner_of(pid, argv),
            guest_name=proc.guest_name(argv),
            names_its_threads=proc.names_its_threads(argv),
        )

    def _look_inside(self, pid: int, process: _Process, identity: _Identity, owner_uid: str) -> Qemu | None:
        """The process and its threads as they are now; None when it is gone or another has its PID."""
        stat = proc.read_stat(f"{self._root}/{pid}")
        if stat is None or stat.dead or stat.start_time != identity.start_time:
            del self._processes[pid]
            return None
        if not self._scan_threads(pid, process) and process.qemu:
            return process.qemu
        if not process.threads:
            return None
        threads = tell_apart(thread for _, (_, thread) in sorted(process.threads.items()))
        process.qemu = Qemu(
            pid=pid,
            start_time=identity.start_time,
            owner_uid=owner_uid,
            guest_name=identity.guest_name,
            threads=threads,
            identifiable=identity.names_its_threads
            or any(thread.thread_class in (ThreadClass.VCPU, ThreadClass.IO_THREAD) for thread in threads),
        )
        return process.qemu

    def _scan_threads(self, pid: int, process: _Process) -> bool:
        """Whether any was looked at, or is gone: else all is as it was."""
        now, looked = self._clock(), False
        try:
            entries = _numbered_entries(f"{self._root}/{pid}/task", self._most_threads)
            if entries == process.entries and now < process.due:
                return False
            known, process.threads, process.entries = process.threads, {}, entries
            for tid, inode in entries.items():
                seen, thread = known.get(tid, _UNSEEN)
                if seen.inode != inode:
                    seen, thread, looked = _sighting(inode, now, now), self._read_thread(pid, tid), True
                elif seen.due <= now:
                    seen, thread, looked = _sighting(inode, seen.first, now), self._read_thread(pid, tid), True
                if thread:
                    process.threads[tid] = seen, thread
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            known, process.threads, process.entries = process.threads, {}, {}
        whole = len(process.threads) == len(process.entries)
        process.due = min((seen.due for seen, _ in process.threads.values()), default=now) if whole else now
        return looked or len(process.threads) != len(known)

    def _read_thread(self, pid: int, tid: int) -> Thread | None:
        stat = proc.read_stat(f"{self._root}/{pid}/task/{tid}")
        if stat is None or stat.dead:
            return None
        thread_class, vcpu = classify(stat.name)
        return Thread(tid, stat.start_time, thread_class, vcpu)


def _is_qemu(name: str, program: str) -> bool:
    return name.startswith(_PROGRAMS) or program.rpartition("/")[2].startswith(_PROGRAMS)


def _numbered_entries(directory: str, most: int | None = None) -> dict[int, int]:
    """By number the inode of the first entries of /proc or a task directory that stand for a process or thread."""
    with os.scandir(directory) as entries:
        return {
            int(entry.name): entry.inode()
            for entry in islice(entries, most)
            if entry.name.isascii() and entry.name.isdigit()
        }
