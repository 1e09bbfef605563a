"""Which QEMU processes are whose, and what threads they have.

A scan lists /proc and looks only at what may have changed since the last one (`cachemon.qemu.scan_times`). The
listing itself tells a reused PID: the kernel takes inode numbers of /proc from a counter (fs/proc/base.c
proc_pid_make_inode, get_next_ino) and drops the entry when its task is released (proc_flush_pid).

Of a process that belongs to nobody of whom something is wanted no more is read than what tells so. What it takes
long to read of the others costs their owner alone: `cachemon.qemu.command_lines`.
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
from cachemon.model.threads import MOST_QEMUS, Obstacle, Qemu, ThreadClass, tell_apart
from cachemon.qemu import proc
from cachemon.qemu.command_lines import WAIT_SECONDS, CommandLine, CommandLines, Process
from cachemon.qemu.proc_files import ProcFiles, Read, read_file
from cachemon.qemu.scan_times import Sighting, sighting
from cachemon.qemu.thread_table import ThreadTable

__all__ = ["MOST_PROCESSES", "Owners", "QemuFinder"]

MOST_THREADS = 8192
"""Of all QEMUs of one owner together; KVM has 4096 vCPUs at most. The kernel lists threads by age."""
MOST_PROCESSES = 256
"""Of one owner that are looked at. KubeVirt's virt-launcher has about ten."""

_PROGRAMS = ("qemu-system", "qemu-kvm")  # KubeVirt pkg/hypervisor/kvm/runtime.go, v1.9

_HIDDEN = (
    "{root}/1 can't be read: processes of other users are hidden from the agent; mount /proc without hidepid "
    "(mount -o remount,hidepid=0 /proc), and where SELinux enforces run the agent as type spc_t"
)
_UNREADABLE = (
    "the command line of process {pid} can't be read in {seconds:g} s; the process may be holding its mmap lock, as "
    "one does that moves its memory about; it is tried again. See what it is: cat /proc/{pid}/comm"
)
_CROWDED = "it has more than {most} processes, and its QEMU is not among the {most} that the agent looks at"


class Owners(Protocol):
    """Tells whose a process is, by nothing that it can hold up: the pod's that it runs in, or the domain's."""

    def check_view(self) -> None:
        """Whether /proc shows the processes that we are after.

        Raises:
            ProcUnreadableError: it does not.
        """

    def owned(self, entries: Mapping[int, int], guests: Mapping[str, str], now: float) -> dict[int, str]:
        """By PID the owner's UID of the processes that belong to wanted owners.

        Args:
            entries: by PID the inode of every process's directory in /proc.
            guests: by UID of each wanted owner the name of its guest.
            now: seconds of the finder's clock.
        """

    def confirms(self, uid: str, guest: str, argv: Sequence[str]) -> bool:
        """Whether the command line of a QEMU, which anybody may have made up, fits its owner."""


@dataclass(frozen=True, slots=True)
class _Identity:
    """What the command line of a QEMU says."""

    guest_name: str | None
    names_its_threads: bool


@dataclass(slots=True)
class _Seen:
    """A process of a wanted owner.

    Attributes:
        sighting: when it was looked at.
        owner_uid: whose it is.
        stat: as last read; None when it has gone.
        identity: None: no QEMU when last looked at.
        is_unread: whether its command line has still to come.
        table: its threads.
        qemu: what was made of it all at the last scan.
    """

    sighting: Sighting
    owner_uid: str
    stat: proc.Stat | None
    identity: _Identity | None = None
    is_unread: bool = False
    table: ThreadTable = field(default_factory=ThreadTable)
    qemu: Qemu | None = None


class QemuFinder:
    """Finds the QEMU processes of owners, and keeps what it knows between scans.

    Not safe for use by several threads at once.

    Args:
        root: the /proc to read. Of the host, if PIDs are to mean anything to the host's resctrl.
        owners: tells whose a process is.
        most_threads: see MOST_THREADS.
        clock: seconds that never go back.
        read: reads a file.

    Attributes:
        obstacles: by owner why its QEMU may have been overlooked in the last scan.
    """

    def __init__(
        self,
        root: Path,
        owners: Owners,
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
        self._processes: dict[int, _Seen] = {}
        self.obstacles: Mapping[str, Obstacle] = {}

    def find(self, guests: Mapping[str, str]) -> dict[str, tuple[Qemu, ...]]:
        """Scan once.

        Args:
            guests: by UID of each owner to look for the name of its guest.

        Returns:
            For each of these owners its QEMU processes in order of PID; empty for one that has none now. Of one
            with more than MOST_QEMUS one more than that, so that it shows. Processes and threads that end
            during the scan are left out.

        Raises:
            ProcUnreadableError: /proc can't be listed, hides the node's processes, or is not the node's; or the
                agent has no descriptors left.
        """
        found: dict[str, list[Qemu]] = {uid: [] for uid in guests}
        threads_left = dict.fromkeys(guests, self._most_threads)
        try:
            self._check_view()
            self._scan_processes(guests)
            for pid, seen in sorted(self._processes.items()):
                qemus = found[seen.owner_uid]
                if seen.identity and len(qemus) <= MOST_QEMUS:
                    qemu = self._look_inside(pid, seen, seen.identity, threads_left[seen.owner_uid])
                    if qemu:
                        qemus.append(qemu)
                        threads_left[seen.owner_uid] -= len(qemu.threads)
        except OSError as error:
            raise ProcUnreadableError(
                Reason.PROC_UNREADABLE,
                f"cannot read {self._root}: {error.strerror}; it must be the host's /proc (in a pod: hostPID: true)",
            ) from error
        return {uid: tuple(qemus) for uid, qemus in found.items()}

    def _check_view(self) -> None:
        """Whether /proc shows all: PID 1 is always there, and hidepid hides it from all but its group."""
        if self._files.stat("self") and not self._files.stat(1):
            raise ProcUnreadableError(Reason.PROC_HIDDEN, _HIDDEN.format(root=self._root))
        self._owners.check_view()

    def _scan_processes(self, guests: Mapping[str, str]) -> None:
        now, entries = self._clock(), self._files.processes()
        by_owner: defaultdict[str, list[int]] = defaultdict(list)
        for pid, owner in self._owners.owned(entries, guests, now).items():
            by_owner[owner].append(pid)
        known, self._processes = self._processes, {}
        wanted: dict[str, list[Process]] = {}
        obstacles: dict[str, Obstacle] = {}
        for owner, pids in by_owner.items():
            if len(pids) > MOST_PROCESSES:
                obstacles[owner] = Obstacle(Reason.TOO_MANY_QEMUS, _CROWDED.format(most=MOST_PROCESSES))
            for pid in sorted(pids, key=lambda pid: (not _is_identified(known.get(pid)), pid))[:MOST_PROCESSES]:
                self._processes[pid] = self._see(pid, entries[pid], owner, known.get(pid), now)
            wanted[owner] = self._unread(pids)
        self._take(self._command_lines.read(wanted), guests)
        for owner in by_owner:
            if unread := self._unread(by_owner[owner]):
                pid = self._command_lines.held_up_by(owner) or unread[0].pid
                obstacles[owner] = Obstacle(
                    Reason.PROCESS_UNREADABLE, _UNREADABLE.format(pid=pid, seconds=WAIT_SECONDS)
                )
        self.obstacles = obstacles

    def _see(self, pid: int, inode: int, owner: str, seen: _Seen | None, now: float) -> _Seen:
        """What is known of a process, with its stat read anew if that is due."""
        if seen is None or seen.sighting.inode != inode or seen.owner_uid != owner:
            stat = self._files.stat(pid)
            return _Seen(sighting(inode, now, now), owner, stat, is_unread=_may_be_read(stat))
        if seen.sighting.due <= now:
            before, seen.stat = seen.stat, self._files.stat(pid)
            seen.sighting = sighting(inode, seen.sighting.first, now)
            seen.is_unread, seen.qemu = _may_be_read(seen.stat), None
            if not _is_same_program(before, seen.stat):
                seen.identity = None
        return seen

    def _unread(self, pids: Iterable[int]) -> list[Process]:
        """Processes whose command line is to be read, those first that are called like a QEMU."""
        unread = [
            (not seen.stat.name.startswith(_PROGRAMS), Process(pid, seen.stat.start_time))
            for pid in pids
            if (seen := self._processes.get(pid)) and seen.is_unread and seen.stat
        ]
        return [process for _, process in sorted(unread)]

    def _take(self, argvs: Mapping[Process, CommandLine | None], guests: Mapping[str, str]) -> None:
        for process, argv in argvs.items():
            seen = self._processes.get(process.pid)
            if seen and seen.is_unread and seen.stat and seen.stat.start_time == process.start_time:
                seen.is_unread, seen.qemu = False, None
                seen.identity = self._identity(seen.stat.name, argv or (), seen.owner_uid, guests[seen.owner_uid])

    def _identity(self, name: str, argv: CommandLine, owner: str, guest: str) -> _Identity | None:
        # exec sets the name before it sets the command line (Linux fs/exec.c begin_new_exec, then
        # fs/binfmt_elf.c): a QEMU without arguments is one that is about to have them.
        if not argv or not argv[0] or not _is_qemu(name, argv[0]) or not self._owners.confirms(owner, guest, argv):
            return None
        return _Identity(proc.guest_name(argv), proc.names_its_threads(argv))

    def _look_inside(self, pid: int, seen: _Seen, identity: _Identity, most_threads: int) -> Qemu | None:
        """The process and its threads as they are now; None when it is gone or another has its PID."""
        stat = self._files.stat(pid)
        if stat is None or stat.dead or seen.stat is None or stat.start_time != seen.stat.start_time:
            del self._processes[pid]
            return None
        if not seen.table.scan(self._files, pid, most_threads, self._clock()) and seen.qemu:
            return seen.qemu
        if not seen.table.threads:
            return None
        threads = tell_apart(thread for _, (_, thread) in sorted(seen.table.threads.items()))
        seen.qemu = Qemu(
            pid=pid,
            start_time=stat.start_time,
            owner_uid=seen.owner_uid,
            guest_name=identity.guest_name,
            threads=threads,
            identifiable=identity.names_its_threads
            or any(thread.thread_class in (ThreadClass.VCPU, ThreadClass.IO_THREAD) for thread in threads),
        )
        return seen.qemu


def _is_identified(seen: _Seen | None) -> bool:
    return seen is not None and seen.identity is not None


def _may_be_read(stat: proc.Stat | None) -> bool:
    return stat is not None and not stat.dead


def _is_same_program(before: proc.Stat | None, now: proc.Stat | None) -> bool:
    """As far as can be told without its command line."""
    return before is not None and now is not None and (before.name, before.start_time) == (now.name, now.start_time)


def _is_qemu(name: str, program: str) -> bool:
    return name.startswith(_PROGRAMS) or program.rpartition("/")[2].startswith(_PROGRAMS)
