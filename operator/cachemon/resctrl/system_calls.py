"""The system calls on resctrl, sysfs and /proc/TID/cpu_resctrl_groups, one method each.

All of them raise OSError. They are methods of one class so that a test can replace each of them.
"""

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

_PIECE_BYTES = 1 << 16
_MOST_BYTES = 64 * 1024 * 1024
"""Limit of a file: a `tasks` file with eight million threads."""


class SystemCalls:
    """The system calls of this machine's kernel."""

    pread: Callable[[int, int, int], bytes] = staticmethod(os.pread)
    """`os.pread`, called directly: this is the hot path."""

    def open(self, path: str | Path, flags: int, dir_fd: int | None = None) -> int:
        """Open a file or directory; exec closes the descriptor."""
        return os.open(path, flags | os.O_CLOEXEC, dir_fd=dir_fd)

    def close(self, descriptor: int) -> None:
        """Never fails on resctrl."""
        os.close(descriptor)

    def read(self, descriptor: int, length: int) -> bytes:
        """Read from the end of the last read; empty at the end of the file."""
        return os.read(descriptor, length)

    def write(self, descriptor: int, data: bytes) -> int:
        """Write a command; the kernel accepts all of it or nothing."""
        return os.write(descriptor, data)

    def inode(self, descriptor: int) -> int:
        """Return the inode of an open directory."""
        return os.fstat(descriptor).st_ino

    def identity(self, descriptor: int) -> tuple[int, int]:
        """Return device and inode of an open directory."""
        status = os.fstat(descriptor)
        return status.st_dev, status.st_ino

    def subdirectories(self, path: Path) -> list[str]:
        """Return the names of subdirectories, sorted."""
        with os.scandir(path) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))

    def is_directory(self, path: Path) -> bool:
        """Whether there is such a directory; True also if that can't be read."""
        try:
            return path.is_dir()
        except OSError:
            return True

    def mkdir(self, path: Path) -> None:
        """Create a directory."""
        path.mkdir()

    def rmdir(self, path: Path) -> None:
        """Remove a directory; resctrl also removes a group that has files and threads."""
        path.rmdir()

    def try_lock(self, descriptor: int) -> None:
        """Take the lock; raise BlockingIOError if another program holds it."""
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def read_text(calls: SystemCalls, path: str | Path, most: int = _MOST_BYTES, *, dir_fd: int | None = None) -> str:
    """Read a whole file from a single open: the kernel builds the content of a long one at the first read.

    `path` is relative to the open directory `dir_fd`, if there is one.

    Raises:
        OSError: the file can't be read; EFBIG: it has more than `most` bytes.
    """
    descriptor = calls.open(path, os.O_RDONLY, dir_fd=dir_fd)
    try:
        content = bytearray()
        while piece := calls.read(descriptor, _PIECE_BYTES):
            content += piece
            if len(content) > most:
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    finally:
        calls.close(descriptor)
    return content.decode("ascii", "replace")
