"""Processes of libvirt domains on a plain host: libvirt's pid file names the QEMU of a domain.

libvirt starts QEMU with `-uuid` and `-name guest=` of its domain. Anybody may start a process with these arguments,
but libvirt alone writes `NAME.pid` into its state directory, before the process becomes QEMU (src/util/vircommand.c,
virExec). So this module reads only processes that pid files name. Their arguments confirm that the file is not of an
earlier run. libvirt-python gives no TIDs (raw QMP would, and taints the domain). They come from /proc/PID/task, and
the names of threads distinguish vCPUs.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from cachemon.model.numbers import parse_count
from cachemon.qemu import proc
from cachemon.qemu.command_lines import CommandLines, Process
from cachemon.qemu.proc_files import ProcFiles, Read, read_file

_PID_BYTES = 32
_LONGEST_PID = 10


class Run(NamedTuple):
    """One run of a domain: its QEMU process.

    Attributes:
        pid: the process.
        start_time: clock ticks since boot; with `pid` it names the process.
    """

    pid: int
    start_time: int


class DomainProcesses:
    """Finds the process of a libvirt domain. The owner's UID is the domain's UUID, lower case with dashes.

    Args:
        root: the /proc to read.
        state_dir: where libvirt keeps its pid files: `/run/libvirt/qemu`; of a session
            `$XDG_RUNTIME_DIR/libvirt/qemu/run`.
        read: reads a file.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        root: Path,
        state_dir: Path,
        *,
        read: Read = read_file,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._files = ProcFiles(root, read)
        self._state_dir = os.fspath(state_dir)
        self._read = read
        self._command_lines = CommandLines(self._files.cmdline, clock=clock)
        self._runs: dict[tuple[str, str], Run] = {}

    def check_view(self) -> None:
        """Check nothing: on a plain host there is no container whose /proc this could be."""

    def owners_by_pid(self, entries: Mapping[int, int], guests: Mapping[str, str], now: float) -> dict[int, str]:  # noqa: ARG002
        """See `cachemon.qemu.discovery.ProcessOwners`. Reads the pid files at each call."""
        pids = ((self._pid_of(name), uuid) for uuid, name in guests.items())
        return {pid: uuid for pid, uuid in pids if pid is not None and pid in entries}

    def confirms(self, uid: str, guest: str, argv: Sequence[str]) -> bool:
        """Whether the process runs the domain that its pid file belongs to."""
        return (proc.domain_uuid(argv), proc.guest_name(argv)) == (uid, guest)

    def runs_of(self, guests: Mapping[str, str]) -> dict[str, Run]:
        """Find the runs of domains, by UUID; leaves out a domain that has no process now.

        Blocks for at most 0.2 s if a process can't be read. Not for use in the finder's thread.

        Args:
            guests: the names of the domains by UUID.
        """
        runs = {(uuid, name): run for uuid, name in guests.items() if (run := self._process_of(name))}
        known = {domain: run for domain, run in runs.items() if self._runs.get(domain) == run}
        unknown = {domain: Process(*run) for domain, run in runs.items() if domain not in known}
        argvs = self._command_lines.read({uuid: [process] for (uuid, _), process in unknown.items()})
        confirmed = {
            (uuid, name): runs[uuid, name]
            for (uuid, name), process in unknown.items()
            if self.confirms(uuid, name, argvs.get(process) or ())
        }
        self._runs = known | confirmed
        return {uuid: run for (uuid, _), run in self._runs.items()}

    def goes_on(self, run: Run) -> bool:
        """Whether the process is still alive."""
        stat = self._files.stat(run.pid)
        return stat is not None and not stat.dead and stat.start_time == run.start_time

    def _process_of(self, name: str) -> Run | None:
        pid = self._pid_of(name)
        stat = None if pid is None else self._files.stat(pid)
        return None if pid is None or stat is None or stat.dead else Run(pid, stat.start_time)

    def _pid_of(self, name: str) -> int | None:
        if "/" in name or "\0" in name:
            return None
        try:
            text = self._read(f"{self._state_dir}/{name}.pid", _PID_BYTES)
        except OSError:
            return None
        return parse_count(text, _LONGEST_PID)
