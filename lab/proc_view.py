"""A view of /proc in which threads use the CPU time of their profiles (`resctrl_emulator.thread_profile`).

A profile with a CPU share makes the emulator count CPU time that the thread does not use. An agent that reads
/proc/PID/task/TID/schedstat must see the same CPU time. So the lab's agents can have a view of /proc, mounted by
FUSE. In it, the emulator provides the `schedstat` of such threads. All else is that of /proc.

Why not real CPU time: an agent judges only a VM that runs a quarter of the time and waits for CPUs a tenth of it at
most. On two CPUs with an API server and other tests beside, QEMU's threads wait for much longer. Here the guests
rest, and what they seem to use is the same on each machine.

Run it as `python -m lab.proc_view MOUNTPOINT CONTROL_SOCKET`.
"""

import itertools
import os
import re
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.server_process import ServerProcess
from lab.wait import until
from resctrl_emulator.client import ControlClient, ControlError
from resctrl_emulator.main import load_fuse

PROC = "/proc"
STOP_SECONDS = 10.0
_MOUNTED = "the view of /proc is mounted"
_SCHEDSTAT = re.compile(r"/(?:\d+/task/)?(\d+)/schedstat")
_NAMESPACE = re.compile(r"/(?:\d+|self)(?:/task/\d+)?/ns/\w+")
_ATTRIBUTES = ("st_mode", "st_ino", "st_nlink", "st_uid", "st_gid", "st_size")
_TIMES = ("st_atime", "st_mtime", "st_ctime")


@dataclass(frozen=True, slots=True)
class _Opened:
    descriptor: int
    tid: int | None  # of a schedstat file


class ProcFileSystem:
    """The object that mfusepy calls.

    Args:
        schedstat: the text for a thread; None where /proc has the right one.
        caller: uid, gid and TID of who calls (`mfusepy.fuse_get_context`).
        on_mounted: called once the view is mounted.
    """

    use_ns = True

    def __init__(
        self,
        schedstat: Callable[[int], str | None],
        caller: Callable[[], tuple[int, int, int]],
        on_mounted: Callable[[], None],
    ) -> None:
        self._schedstat = schedstat
        self._caller = caller
        self._on_mounted = on_mounted
        self._numbers = itertools.count(1)
        self._opened: dict[int, _Opened] = {}

    def init_with_config(self, _connection: Any, config: Any) -> None:
        """FUSE_INIT: nothing is cached, and inodes are those of /proc."""
        config.direct_io = config.use_ino = 1
        config.attr_timeout = config.entry_timeout = config.negative_timeout = 0
        self._on_mounted()

    def getattr(self, path: str, _handle: int | None = None) -> dict[str, int]:
        """Attributes; of a namespace, those of what its link leads to, which has no path."""
        found = Path(PROC + path).stat(follow_symlinks=bool(_NAMESPACE.fullmatch(path)))
        times = {name: getattr(found, f"{name}_ns") for name in _TIMES}
        return {name: getattr(found, name) for name in _ATTRIBUTES} | times

    def readlink(self, path: str) -> str:
        """The target of a link; `self` is who asks."""
        if path == "/self":
            return str(self._caller()[2])
        return str(Path(PROC + path).readlink())

    def readdir(self, path: str, _handle: int) -> Iterator[tuple[str, dict[str, int], int]]:
        """Names with type and inode."""
        with os.scandir(PROC + path) as entries:
            listed = [
                (entry.name, entry.inode(), stat.S_IFDIR if entry.is_dir(follow_symlinks=False) else stat.S_IFREG)
                for entry in entries
            ]
        return iter([(name, {"st_ino": inode, "st_mode": mode}, 0) for name, inode, mode in listed])

    def open(self, path: str, _flags: int) -> int:
        """Open a file for reading."""
        named = _SCHEDSTAT.fullmatch(path)
        number = next(self._numbers)
        self._opened[number] = _Opened(os.open(PROC + path, os.O_RDONLY), int(named[1]) if named else None)
        return number

    def read(self, _path: str, size: int, offset: int, handle: int) -> bytes:
        """Read; an ended thread answers ESRCH, whatever the emulator has of it."""
        opened = self._opened[handle]
        content = os.pread(opened.descriptor, size, offset)
        text = None if opened.tid is None else self._schedstat(opened.tid)
        return content if text is None else text.encode()[offset : offset + size]

    def release(self, _path: str, handle: int) -> int:
        """Close a file."""
        os.close(self._opened.pop(handle).descriptor)
        return 0


class ProcView:
    """A mounted view, started by the constructor and unmounted by `stop`.

    Args:
        directory: an existing directory for its mountpoint and log.
        control_socket: of the emulator that knows the profiles.

    Attributes:
        mountpoint: for an agent's --proc.
    """

    def __init__(self, directory: Path, control_socket: Path) -> None:
        self.mountpoint = directory / "proc"
        self.mountpoint.mkdir()
        log = directory / "proc-view.log"
        command = [sys.executable, "-m", "lab.proc_view", str(self.mountpoint), str(control_socket)]
        self._process = ServerProcess(command, log)
        try:
            until(f"the view of /proc at {self.mountpoint}", lambda: self._says_mounted(log))
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Unmount and end it."""
        self._process.stop(STOP_SECONDS)

    def _says_mounted(self, log: Path) -> bool:
        if self._process.exit_status is not None:
            raise RuntimeError(f"the view of /proc ended; {self._process.log_tail()}")
        return _MOUNTED in log.read_text(errors="replace")


def main(mountpoint: str, control_socket: str) -> None:
    """Mount the view, and serve it until a signal ends it."""
    control = ControlClient(Path(control_socket))

    def schedstat(tid: int) -> str | None:
        try:
            return control.schedstat(tid)
        except (ControlError, OSError):
            return None

    mfusepy = load_fuse()
    view = ProcFileSystem(schedstat, mfusepy.fuse_get_context, lambda: print(_MOUNTED, flush=True))
    mfusepy.FUSE(view, mountpoint, foreground=True, nothreads=True, ro=True, fsname="proc-view")


if __name__ == "__main__":
    main(*sys.argv[1:])
