"""Ends what a libvirt host of the lab has left: its QEMU processes are children of nobody, and outlive libvirtd.

`python -m lab.host.sweeper NAME` waits until its standard input ends, as it does when the process that started it
dies in whatever way, and then kills every process that has the host's folder at /run/libvirt.
"""

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

__all__ = ["processes_of"]

_ROUNDS = 50
_PAUSE_SECONDS = 0.1


def processes_of(name: str, proc: Path = Path("/proc")) -> list[int]:
    """The processes in a host's mount namespaces.

    Args:
        name: of the host's folder.
        proc: a proc file system.
    """
    found = []
    for folder in proc.iterdir():
        if folder.name.isdecimal():
            with suppress(OSError):  # it has ended, or is not ours
                if f"/{name}/run /run/libvirt " in (folder / "mountinfo").read_text():
                    found.append(int(folder.name))
    return found


def main() -> None:
    """Wait, then kill until none is left."""
    sys.stdin.buffer.read()
    for _ in range(_ROUNDS):
        pids = processes_of(sys.argv[1])
        if not pids:
            return
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_PAUSE_SECONDS)


if __name__ == "__main__":
    main()
