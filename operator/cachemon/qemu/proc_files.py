"""Reads files of /proc. Every read is bounded, and a process that has vanished is a value.

Of these files only `cmdline` takes a lock that the process itself can hold. The kernel copies `cmdline` out of the
process's memory under its mmap lock (get_mm_cmdline in fs/proc/base.c, access_remote_vm in mm/memory.c). It does the
same for `environ`, `maps` and `smaps`. `stat` reads numbers of the mm without its lock (do_task_stat in
fs/proc/array.c), `cgroup` takes css_set_lock (proc_cgroup_show in kernel/cgroup/cgroup.c), and `mountinfo` the
kernel's namespace_sem (fs/proc_namespace.c). Measured on Linux 6.18 beside a process whose 48 threads move 2 GiB each
by mremap(2): `cmdline` took up to 1.4 s, the others at most 5 ms. `cachemon.qemu.command_lines` reads `cmdline`.
"""

import errno
import os
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from cachemon.qemu.proc import Stat, parse_cmdline, parse_stat

STAT_BYTES = 4096
CGROUP_BYTES = 64 * 1024
CMDLINE_BYTES = 256 * 1024
MOUNTINFO_BYTES = 1024 * 1024
SCHEDSTAT_BYTES = 256

_LONGEST_ID = 10  # digits; PID_MAX_LIMIT of the kernel has seven
_AGENT_ERRORS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)

Read = Callable[[str, int], bytes]
"""Reads a file up to a number of bytes; raises OSError."""


def read_file(path: str, most: int) -> bytes:
    """Read at most `most` bytes of a file, from one open.

    Raises:
        OSError: the file can't be opened or read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        content = bytearray()
        while len(content) < most and (piece := os.read(descriptor, most - len(content))):
            content += piece
        return bytes(content)
    finally:
        os.close(descriptor)


class ProcFiles:
    """The files of one /proc.

    A method returns None on an error that concerns the process: ENOENT and ESRCH after its end, EACCES and EPERM
    under hidepid=1, ENAMETOOLONG for a cgroup whose path is too long to print, EIO. It raises an error that concerns
    this program (no descriptors, no memory).

    Args:
        root: the directory, /proc as a rule.
        read: reads a file.
    """

    def __init__(self, root: Path, read: Read = read_file) -> None:
        self.root = os.fspath(root)
        self._read = read

    def processes(self) -> dict[int, int]:
        """Return the inode of each process's directory by PID. Raises OSError."""
        return _numbered(self.root, None)

    def threads(self, pid: int, most: int) -> dict[int, int]:
        """Return the inodes of a process's `most` oldest threads by TID; empty when the process has gone."""
        try:
            return _numbered(f"{self.root}/{pid}/task", most)
        except OSError as err:
            if err.errno in _AGENT_ERRORS:
                raise
            return {}

    def stat(self, entry: int | str) -> Stat | None:
        """Read the stat of a process or thread, by its number or its path below the root."""
        content = self._content(f"{entry}/stat", STAT_BYTES)
        return None if content is None else parse_stat(content.decode(errors="replace"))

    def cmdline(self, pid: int) -> tuple[str, ...] | None:
        """Read the command line. Blocks for as long as the process holds its mmap lock."""
        content = self._content(f"{pid}/cmdline", CMDLINE_BYTES)
        return None if content is None else parse_cmdline(content)

    def cgroup(self, entry: int | str) -> str | None:
        """Read the cgroup file."""
        content = self._content(f"{entry}/cgroup", CGROUP_BYTES)
        return None if content is None else content.decode(errors="replace")

    def schedstat(self, entry: int | str) -> str | None:
        """Read the schedstat file."""
        content = self._content(f"{entry}/schedstat", SCHEDSTAT_BYTES)
        return None if content is None else content.decode(errors="replace")

    def mountinfo(self, entry: int | str) -> str | None:
        """Read the mountinfo file."""
        content = self._content(f"{entry}/mountinfo", MOUNTINFO_BYTES)
        return None if content is None else content.decode(errors="replace")

    def _content(self, path: str, most: int) -> bytes | None:
        try:
            return self._read(f"{self.root}/{path}", most)
        except OSError as err:
            if err.errno in _AGENT_ERRORS:
                raise
            return None


def _numbered(directory: str, most: int | None) -> dict[int, int]:
    """Return the inodes of entries whose name is a number, by number, among the first `most` entries."""
    with os.scandir(directory) as entries:
        return {
            int(name): entry.inode()
            for entry in islice(entries, most)
            if len(name := entry.name) <= _LONGEST_ID and name.isascii() and name.isdigit()
        }
