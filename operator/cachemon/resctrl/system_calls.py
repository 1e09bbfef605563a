"""The system calls on resctrl, on sysfs and on what the kernel says of threads, one method each.

All of them raise OSError. In one place, so that a test can let any of them fail, or answer them itself.
"""

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

__all__ = ["SystemCalls", "read_text"]

_PIECE_BYTES = 1 << 16
_MOST_BYTES = 64 * 1024 * 1024
"""Of a `tasks` file: those of eight million threads."""


class SystemCalls:
    """Those of the kernel that we run on."""

    pread: Callable[[int, int, int], bytes] = staticmethod(os.pread)
    """Of a descriptor so many bytes at an offset. Nothing of ours is around it: it is the hot path."""

    def open(self, path: str | Path, flags: int, dir_fd: int | None = None) -> int:
        """Open a file or directory; the descriptor ends with exec."""
        return os.open(path, flags | os.O_CLOEXEC, dir_fd=dir_fd)

    def close(self, descriptor: int) -> None:
        """Never fails on resctrl."""
        os.close(descriptor)

    def read(self, descriptor: int, length: int) -> bytes:
        """Read on from where the last read ended; empty at the end."""
        return os.read(descriptor, length)

    def write(self, descriptor: int, data: bytes) -> int:
        """Write all of it, or nothing: the kernel takes no part of a command."""
        return os.write(descriptor, data)

    def inode(self, descriptor: int) -> int:
        """The identity of an open directory."""
        return os.fstat(descriptor).st_ino

    def identity(self, descriptor: int) -> tuple[int, int]:
        """The same, and which mount it is on."""
        status = os.fstat(descriptor)
        return status.st_dev, status.st_ino

    def subdirectories(self, path: Path) -> list[str]:
        """Names, sorted."""
        with os.scandir(path) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))

    def is_directory(self, path: Path) -> bool:
        """Whether there is such a directory; what can't be told counts as one."""
        try:
            return path.is_dir()
        except OSError:
            return True

    def mkdir(self, path: Path) -> None:
        """Make one."""
        path.mkdir()

    def rmdir(self, path: Path) -> None:
        """Remove one; of resctrl's also one that is not empty."""
        path.rmdir()

    def try_lock(self, descriptor: int) -> None:
        """Take the lock that others may hold, or BlockingIOError."""
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def read_text(calls: SystemCalls, path: Path, most: int = _MOST_BYTES) -> str:
    """A whole file, from a single open: the kernel builds what a long one says at the first read.

    Raises:
        OSError: it can't be read; EFBIG: it has more than `most` bytes.
    """
    descriptor = calls.open(path, os.O_RDONLY)
    try:
        content = bytearray()
        while piece := calls.read(descriptor, _PIECE_BYTES):
            content += piece
            if len(content) > most:
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    finally:
        calls.close(descriptor)
    return content.decode("ascii", "replace")
