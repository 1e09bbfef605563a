"""Reading files of /proc: every read is bounded, and a process that has vanished is a value.

None of these files but `cmdline` takes a lock that the process itself can hold. `cmdline` is copied out of the
process's memory under its mmap lock (get_mm_cmdline in fs/proc/base.c, access_remote_vm in mm/memory.c), and so are
`environ`, `maps` and `smaps`. `stat` takes numbers from the mm without its lock (do_task_stat in fs/proc/array.c),
`cgroup` takes css_set_lock (proc_cgroup_show in kernel/cgroup/cgroup.c), and `mountinfo` the kernel's namespace_sem
(fs/proc_namespace.c). Measured on Linux 6.18 beside a process of 48 threads that move 2 GiB each by mremap(2):
`cmdline` took up to 1.4 s, the others 5 ms at most. `cachemon.qemu.command_lines` reads that one.
"""

import errno
import os
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from cachemon.model.numbers import parse_count
from cachemon.qemu.proc import Stat, parse_cmdline, parse_stat

__all__ = ["ProcFiles", "Read", "read_file"]

STAT_BYTES = 4096
CGROUP_BYTES = 64 * 1024
CMDLINE_BYTES = 256 * 1024
MOUNTINFO_BYTES = 1024 * 1024

_LONGEST_ID = 10  # digits; PID_MAX_LIMIT of the kernel has seven
_OURS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)

Read = Callable[[str, int], bytes]
"""Reads at most so many bytes of a file; raises OSError."""


def read_file(path: str, most: int) -> bytes:
    """At most `most` bytes of a file, from one open.

    Raises:
        OSError: it can't be opened or read.
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

    An error that says something about the process makes its answer None: ENOENT and ESRCH of one that has ended,
    EACCES and EPERM under hidepid=1, ENAMETOOLONG of a cgroup whose path is too long to print, EIO. Errors that say
    something about this program (no descriptors, no memory) are raised.

    Args:
        root: the directory.
        read: reads a file.
    """

    def __init__(self, root: Path, read: Read = read_file) -> None:
        self.root = os.fspath(root)
        self._read = read

    def processes(self) -> dict[int, int]:
        """By PID the inode of each process's directory. Raises OSError."""
        return _numbered(self.root, None)

    def threads(self, pid: int, most: int) -> dict[int, int]:
        """By TID the inode of the directories of a process's `most` oldest threads; empty when it is gone."""
        try:
            return _numbered(f"{self.root}/{pid}/task", most)
        except OSError as err:
            if err.errno in _OURS:
                raise
            return {}

    def stat(self, entry: int | str) -> Stat | None:
        """Of a process or thread, by its number or its path below the root."""
        content = self._content(f"{entry}/stat", STAT_BYTES)
        return None if content is None else parse_stat(content.decode(errors="replace"))

    def cmdline(self, pid: int) -> tuple[str, ...] | None:
        """The command line. Blocks for as long as the process holds its mmap lock."""
        content = self._content(f"{pid}/cmdline", CMDLINE_BYTES)
        return None if content is None else parse_cmdline(content)

    def cgroup(self, entry: int | str) -> str | None:
        """Text of the cgroup file."""
        content = self._content(f"{entry}/cgroup", CGROUP_BYTES)
        return None if content is None else content.decode(errors="replace")

    def mountinfo(self, entry: int | str) -> str | None:
        """Text of the mountinfo file."""
        content = self._content(f"{entry}/mountinfo", MOUNTINFO_BYTES)
        return None if content is None else content.decode(errors="replace")

    def _content(self, path: str, most: int) -> bytes | None:
        try:
            return self._read(f"{self.root}/{path}", most)
        except OSError as err:
            if err.errno in _OURS:
                raise
            return None


def _numbered(directory: str, most: int | None) -> dict[int, int]:
    """By number the inode of the first entries that have a number for a name."""
    with os.scandir(directory) as entries:
        numbered = ((parse_count(entry.name, _LONGEST_ID), entry.inode()) for entry in islice(entries, most))
        return {number: inode for number, inode in numbered if number is not None}
