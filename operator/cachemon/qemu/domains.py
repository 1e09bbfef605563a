"""QEMUs of a plain libvirt host: whose a process is by libvirt's pid file of the domain that it says it runs.

libvirt starts QEMU with `-uuid` and `-name guest=` of its domain. Anybody may start a process with these words, but
libvirt alone writes `NAME.pid` into its state directory, before the process becomes QEMU (src/util/vircommand.c,
virExec): only the process that it names is the domain's. libvirt-python gives no TIDs (raw QMP would, and taints the
domain): they are those of /proc/PID/task, told by their names.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cachemon.qemu import proc

__all__ = ["Domains", "Run"]

_PID_BYTES = 32


class Run(NamedTuple):
    """One run of a domain: its QEMU process.

    Attributes:
        pid: the process.
        start_time: clock ticks since boot; with `pid` it names the process.
    """

    pid: int
    start_time: int


class Domains:
    """Owners by the UUID of the libvirt domain that a process runs, lower case with dashes.

    Args:
        root: the /proc that is read.
        state_dir: where libvirt keeps its pid files: `/run/libvirt/qemu`; of a session
            `$XDG_RUNTIME_DIR/libvirt/qemu/run`.
    """

    def __init__(self, root: Path, state_dir: Path) -> None:
        self._root = os.fspath(root)
        self._state_dir = os.fspath(state_dir)

    def check_view(self) -> None:
        """The host's /proc needs no more than that it shows its processes."""

    def owner_of(self, pid: int, argv: Sequence[str]) -> str | None:
        """The domain's UUID; None for a process that is not the one libvirt started for it."""
        uuid, name = proc.domain_uuid(argv), proc.guest_name(argv)
        return uuid if uuid and name and self._pid_of(name) == pid else None

    def run_of(self, uuid: str, name: str) -> Run | None:
        """The run of a domain; None when it has no process now."""
        pid = self._pid_of(name)
        stat = None if pid is None else proc.read_stat(f"{self._root}/{pid}")
        if pid is None or stat is None or stat.dead:
            return None
        argv = proc.read_cmdline(f"{self._root}/{pid}") or ()
        is_its = (proc.domain_uuid(argv), proc.guest_name(argv)) == (uuid, name)
        return Run(pid, stat.start_time) if is_its else None

    def goes_on(self, run: Run) -> bool:
        """Whether the process is still there."""
        stat = proc.read_stat(f"{self._root}/{run.pid}")
        return stat is not None and not stat.dead and stat.start_time == run.start_time

    def _pid_of(self, name: str) -> int | None:
        if "/" in name:
            return None
        try:
            with Path(self._state_dir, f"{name}.pid").open("rb") as file:
                text = file.read(_PID_BYTES).strip()
        except (OSError, ValueError):  # ValueError: a NUL in the name
            return None
        return int(text) if text.isdigit() else None
