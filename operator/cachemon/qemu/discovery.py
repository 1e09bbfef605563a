"""Finds the QEMU processes of owners (pods or libvirt domains), and their threads.

A scan lists /proc and reads only what may have changed since the last one (`cachemon.qemu.scan_times`). The listing
alone reveals a reused PID: the kernel takes inode numbers of /proc from a counter (fs/proc/base.c
proc_pid_make_inode, get_next_ino) and drops the entry when its task is released (proc_flush_pid).

A scan reads nothing of a process but its owner, until the owner is a wanted one. `cachemon.qemu.evidence` says what
proves that a process is a QEMU. A slow read delays the owner of the process alone: `cachemon.qemu.command_lines`.
"""

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cachemon.model.errors import ProcUnreadableError
from cachemon.model.reasons import Reason
from cachemon.model.threads import MOST_QEMUS, Obstacle, Qemu, ThreadClass, distinguish
from cachemon.qemu import proc
from cachemon.qemu.command_lines import WAIT_SECONDS, CommandLine, CommandLines, Process
from cachemon.qemu.evidence import has_name_of_qemu
from cachemon.qemu.proc_files import ProcFiles, Read, read_file
from cachemon.qemu.scan_times import ScanTimes, scan_times
from cachemon.qemu.thread_table import ThreadTable

MOST_THREADS = 8192
"""Limit for all QEMUs of one owner together; KVM has at most 4096 vCPUs. The kernel lists the oldest first."""
MOST_PROCESSES = 256
"""Limit of processes of one owner that a scan reads. KubeVirt's virt-launcher has about ten."""

_HIDDEN = (
    "{root}/1 can't be read: processes of other users are hidden from the agent; mount /proc without hidepid "
    "(mount -o remount,hidepid=0 /proc), and where SELinux enforces run the agent as type spc_t"
)
_UNREADABLE = (
    "the command line of process {pid} can't be read in {seconds:g} s; the process may hold its mmap lock, as a "
    "process does that changes its memory map; the agent tries again. To see its name: cat /proc/{pid}/comm"
)
_CROWDED = "it has more than {most} processes, and its QEMU is not among the {most} that the agent reads"


class ProcessOwners(Protocol):
    """Finds the owner of a process, a pod or a libvirt domain, from files whose read the process can't delay."""

    def check_view(self) -> None:
        """Check that /proc shows the processes of the owners.

        Raises:
            ProcUnreadableError: it does not.
        """

    def owners_by_pid(self, entries: Mapping[int, int], guests: Mapping[str, str], now: float) -> dict[int, str]:
        """Return the owner's UID by PID, for the processes of wanted owners.

        Args:
            entries: the inode of every process's directory in /proc, by PID.
            guests: the name of the guest by UID of each wanted owner.
            now: seconds of the finder's clock.
        """

    def confirms(self, uid: str, guest: str, argv: Sequence[str]) -> bool:
        """Whether the command line is that of the guest's QEMU. Any process of the owner can forge it."""


@dataclass(frozen=True, slots=True)
class _Identity:
    """What the command line of a QEMU says about it.

    Attributes:
        guest_name: from `-name guest=`.
        names_its_threads: whether it asks for `debug-threads=on`.
        has_usual_name: whether its program has a usual name of QEMU. It decides between processes with equal proof.
    """

    guest_name: str | None
    names_its_threads: bool
    has_usual_name: bool


@dataclass(slots=True)
class _KnownProcess:
    """A process of a wanted owner.

    Attributes:
        scan: when it was read, and when it is due again.
        owner_uid: its owner.
        stat: as last read; None when the process has gone.
        identity: None if it was no QEMU when last read.
        is_unread: whether its command line is still to be read.
        table: its threads.
        qemu: the result of the last scan.
    """

    scan: ScanTimes
    owner_uid: str
    stat: proc.Stat | None
    identity: _Identity | None = None
    is_unread: bool = False
    table: ThreadTable = field(default_factory=ThreadTable)
    qemu: Qemu | None = None


class QemuFinder:
    """Finds the QEMU processes of owners; remembers processes from one scan to the next.

    Not safe for use by several threads at once.

    Args:
        root: the /proc to read. It must be the host's, because the host's resctrl takes the host's TIDs.
        owners: finds the owner of a process.
        most_threads: see MOST_THREADS.
        clock: seconds that never go back.
        read: reads a file.

    Attributes:
        obstacles: why the last scan may have missed the QEMU of an owner, by owner.
    """

    def __init__(
        self,
        root: Path,
        owners: ProcessOwners,
        *,
        most_threads: int = MOST_THREADS,
        clock: Callable[[], float] = time.monotonic,
        read: Read = read_file,
    ) -> None:
        self._root = os.fspath(root)
        self._files = ProcFiles(root, read)
        self._owners = owners
        self._most_threads = most_threads
        self._clock = clock
        self._command_lines = CommandLines(self._files.cmdline, clock=clock)
        self._processes: dict[int, _KnownProcess] = {}
        self.obstacles: Mapping[str, Obstacle] = {}

    def find(self, guests: Mapping[str, str]) -> dict[str, tuple[Qemu, ...]]:
        """Scan once.

        Args:
            guests: the name of the guest by UID of each owner to find.

        Returns:
            The QEMU processes of each of these owners in order of PID; empty for an owner that has none now. For an
            owner with more than MOST_QEMUS there is one more than that, to show the excess. Processes and threads
            that end during the scan are left out.

        Raises:
            ProcUnreadableError: /proc can't be listed, hides the node's processes, or is not the node's; or the
                agent has no descriptors left.
        """
        found: dict[str, list[Qemu]] = {uid: [] for uid in guests}
        threads_left = dict.fromkeys(guests, self._most_threads)
        try:
            self._check_view()
            self._scan_processes(guests)
            for pid, process, identity in self._identified():
                qemus = found[process.owner_uid]
                if len(qemus) <= MOST_QEMUS:
                    qemu = self._read_qemu(pid, process, identity, threads_left[process.owner_uid])
                    if qemu:
                        qemus.append(qemu)
                        threads_left[process.owner_uid] -= len(qemu.threads)
        except OSError as error:
            raise ProcUnreadableError(
                Reason.PROC_UNREADABLE,
                f"cannot read {self._root}: {error.strerror}; it must be the host's /proc (in a pod: hostPID: true)",
            ) from error
        return {uid: tuple(qemus) for uid, qemus in found.items()}

    def _identified(self) -> list[tuple[int, _KnownProcess, _Identity]]:
        """Return the QEMUs by PID. Without a usual name, only those of owners that have none with a usual name.

        A wrapper that waits for its QEMU (`timeout kvm -name ...`) has the same arguments.
        """
        found = [(pid, known, known.identity) for pid, known in sorted(self._processes.items()) if known.identity]
        with_usual_name = {known.owner_uid for _, known, identity in found if identity.has_usual_name}
        return [each for each in found if each[2].has_usual_name or each[1].owner_uid not in with_usual_name]

    def _check_view(self) -> None:
        """Check that /proc hides no process: PID 1 always exists, and the mount option hidepid hides it."""
        if self._files.stat("self") and not self._files.stat(1):
            raise ProcUnreadableError(Reason.PROC_HIDDEN, _HIDDEN.format(root=self._root))
        self._owners.check_view()

    def _scan_processes(self, guests: Mapping[str, str]) -> None:
        now, entries = self._clock(), self._files.processes()
        by_owner: defaultdict[str, list[int]] = defaultdict(list)
        for pid, owner in self._owners.owners_by_pid(entries, guests, now).items():
            by_owner[owner].append(pid)
        known, self._processes = self._processes, {}
        wanted: dict[str, list[Process]] = {}
        obstacles: dict[str, Obstacle] = {}
        for owner, pids in by_owner.items():
            if len(pids) > MOST_PROCESSES:
                obstacles[owner] = Obstacle(Reason.TOO_MANY_QEMUS, _CROWDED.format(most=MOST_PROCESSES))
            for pid in sorted(pids, key=lambda pid: (not _is_identified(known.get(pid)), pid))[:MOST_PROCESSES]:
                self._processes[pid] = self._update(pid, entries[pid], owner, known.get(pid), now)
            wanted[owner] = self._unread(pids)
        self._note_command_lines(self._command_lines.read(wanted), guests)
        for owner in by_owner:
            if unread := self._unread(by_owner[owner]):
                pid = self._command_lines.held_up_by(owner) or unread[0].pid
                obstacles[owner] = Obstacle(
                    Reason.PROCESS_UNREADABLE, _UNREADABLE.format(pid=pid, seconds=WAIT_SECONDS)
                )
        self.obstacles = obstacles

    def _update(self, pid: int, inode: int, owner: str, known: _KnownProcess | None, now: float) -> _KnownProcess:
        """Return the process, with its stat read again if it is new or due."""
        if known is None or known.scan.inode != inode or known.owner_uid != owner:
            stat = self._files.stat(pid)
            return _KnownProcess(scan_times(inode, now, now), owner, stat, is_unread=_may_be_read(stat))
        if known.scan.due <= now:
            before, known.stat = known.stat, self._files.stat(pid)
            known.scan = scan_times(inode, known.scan.first, now)
            known.is_unread, known.qemu = _may_be_read(known.stat), None
            if not _is_same_program(before, known.stat):
                known.identity = None
        return known

    def _unread(self, pids: Iterable[int]) -> list[Process]:
        """Return the processes whose command line is to be read; those with a usual name of QEMU come first."""
        unread = [
            (not has_name_of_qemu(known.stat.name), Process(pid, known.stat.start_time))
            for pid in pids
            if (known := self._processes.get(pid)) and known.is_unread and known.stat
        ]
        return [process for _, process in sorted(unread)]

    def _note_command_lines(self, argvs: Mapping[Process, CommandLine | None], guests: Mapping[str, str]) -> None:
        for process, argv in argvs.items():
            known = self._processes.get(process.pid)
            if known and known.is_unread and known.stat and known.stat.start_time == process.start_time:
                known.is_unread, known.qemu = False, None
                known.identity = self._identity(known.stat.name, argv or (), known.owner_uid, guests[known.owner_uid])

    def _identity(self, name: str, argv: CommandLine, owner: str, guest: str) -> _Identity | None:
        # exec sets the name before the command line (Linux fs/exec.c begin_new_exec, then fs/binfmt_elf.c): a QEMU
        # without arguments is about to get them.
        if not argv or not self._owners.confirms(owner, guest, argv):
            return None
        return _Identity(proc.guest_name(argv), proc.names_its_threads(argv), has_name_of_qemu(name, argv[0]))

    def _read_qemu(self, pid: int, process: _KnownProcess, identity: _Identity, most_threads: int) -> Qemu | None:
        """Return the process with its threads; None when it has gone or another process has its PID."""
        stat = self._files.stat(pid)
        if stat is None or stat.dead or process.stat is None or stat.start_time != process.stat.start_time:
            del self._processes[pid]
            return None
        if not process.table.scan(self._files, pid, most_threads, self._clock()) and process.qemu:
            return process.qemu
        if not process.table.threads:
            return None
        threads = distinguish(thread for _, (_, thread) in sorted(process.table.threads.items()))
        process.qemu = Qemu(
            pid=pid,
            start_time=stat.start_time,
            owner_uid=process.owner_uid,
            guest_name=identity.guest_name,
            threads=threads,
            identifiable=identity.names_its_threads
            or any(thread.thread_class in (ThreadClass.VCPU, ThreadClass.IO_THREAD) for thread in threads),
        )
        return process.qemu


def _is_identified(process: _KnownProcess | None) -> bool:
    return process is not None and process.identity is not None


def _may_be_read(stat: proc.Stat | None) -> bool:
    return stat is not None and not stat.dead


def _is_same_program(before: proc.Stat | None, now: proc.Stat | None) -> bool:
    """Whether name and start time are the same; exec of a program with the same name does not show."""
    return before is not None and now is not None and (before.name, before.start_time) == (now.name, now.start_time)
