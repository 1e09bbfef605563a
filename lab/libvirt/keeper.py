"""The parent of all processes of a libvirt host of the lab.

`python -m lab.libvirt.keeper FOLDER LOG COMMAND...` starts the command for each line that it reads, and answers with
the process id. QEMU is an orphan from its start, and libvirt waits for its zombie when a domain ends; process 1 may
take seconds to reap it, or in a container never does. So the keeper is a subreaper: prctl(2).

When its standard input ends, as it does when the process that started it dies in whatever way, it kills every process
that has the host's folder at /run/libvirt, as QEMU outlives libvirtd, and removes the folder.
"""

import ctypes
import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_ROUNDS = 300
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
    """Start programs on request until the requests end, then remove everything."""
    folder, log, *command = sys.argv[1:]
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGCHLD, _reap)
    for _ in sys.stdin:
        print(_start(command, log), flush=True)
    _kill_all(Path(folder).name)
    shutil.rmtree(folder, ignore_errors=True)


def _kill_all(name: str) -> None:
    for _ in range(_ROUNDS):
        pids = processes_of(name)
        if not pids:
            return
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_PAUSE_SECONDS)


def _start(command: list[str], log: str) -> int:
    files = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    # A process group of its own: Ctrl-C in a terminal is not for it. Python ignores SIGPIPE, which is inherited.
    ignored = [signal.SIGPIPE]
    return os.posix_spawnp(command[0], command, os.environ, file_actions=files, setpgroup=0, setsigdef=ignored)


def _reap(*_: object) -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


if __name__ == "__main__":
    main()
