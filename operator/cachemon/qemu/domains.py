"""QEMUs of a plain libvirt host: whose a process is by libvirt's pid file of the domain that it says it runs."""

import os
from collections.abc import Sequence
from pathlib import Path

from cachemon.qemu import proc

__all__ = ["Domains"]

_PID_BYTES = 32


class Domains:
    """Owners by the UUID of the libvirt domain that a process runs, lower case with dashes.

    libvirt starts QEMU with `-uuid` and `-name guest=` of its domain. Anybody may start a process with the same
    words; but libvirt alone writes `NAME.pid` into its state directory, before the process becomes QEMU
    (src/util/vircommand.c, virExec): only the process that it names is the domain's.

    Args:
        state_dir: where libvirt keeps them: `/run/libvirt/qemu`; of a session `$XDG_RUNTIME_DIR/libvirt/qemu/run`.
    """

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = os.fspath(state_dir)

    def check_view(self) -> None:
        """The host's /proc needs no more than that it shows its processes."""

    def owner_of(self, pid: int, argv: Sequence[str]) -> str | None:
        """The domain's UUID; None for a process that is not the one libvirt started for it."""
        uuid, name = proc.domain_uuid(argv), proc.guest_name(argv)
        if not uuid or not name or "/" in name:
            return None
        return uuid if self._pid_of(name) == pid else None

    def _pid_of(self, name: str) -> int | None:
        try:
            with Path(self._state_dir, f"{name}.pid").open("rb") as file:
                text = file.read(_PID_BYTES).strip()
        except (OSError, ValueError):
            return None
        return int(text) if text.isdigit() else None
