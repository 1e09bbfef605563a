"""A file of lines that a program writes while it works, in a thread of its own and of bounded size."""

import errno
import logging
import os
import queue
import stat
import threading
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger(__name__)

MOST_BYTES = 64 * 1024 * 1024
"""Size at which the file becomes FILE.1, in place of an older one, and a new one begins."""

_MOST_WAITING = 1024
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""NONBLOCK is for a FIFO: a program must not wait for its reader."""


class RecordFile:
    """Appends lines to a file. A disk that is full or hangs costs lines, and never the program.

    It follows no symbolic link, and writes into no file of another user: the directory may be open to all.

    Args:
        path: the file. Lines of an earlier program stay.
        most_bytes: see MOST_BYTES.
        write: as `os.write`.
    """

    def __init__(
        self, path: Path, most_bytes: int = MOST_BYTES, *, write: Callable[[int, bytes], int] = os.write
    ) -> None:
        self._path = path
        self._most_bytes = most_bytes
        self._write_bytes = write
        self._lines: queue.Queue[str] = queue.Queue(_MOST_WAITING)
        self._is_full = False
        threading.Thread(target=self._run, name="record", daemon=True).start()

    def append(self, line: str) -> None:
        """Have a line written soon; it is dropped while the disk does not keep up."""
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            if not self._is_full:
                log.warning("%s is written too slowly; lines are dropped", self._path)
            self._is_full = True
        else:
            self._is_full = False

    def flush(self) -> None:
        """Return when all lines so far were written or failed."""
        self._lines.join()

    def _run(self) -> None:
        failed = False
        while True:
            line = self._lines.get()
            try:
                self._write(line.encode() + b"\n")
                failed = False
            except OSError as err:
                if not failed:
                    log.warning("%s can't be written: %s; lines are lost until it can", self._path, err)
                failed = True
            finally:
                self._lines.task_done()

    def _write(self, line: bytes) -> None:
        descriptor = self._open()
        try:
            size = os.fstat(descriptor).st_size
            if size and size + len(line) > self._most_bytes:
                self._path.replace(f"{self._path}.1")
                log.info("%s has its full size; renamed to %s.1", self._path, self._path)
                os.close(descriptor)
                descriptor, size = -1, 0
                descriptor = self._open()
            if self._write_bytes(descriptor, line) < len(line):
                os.ftruncate(descriptor, size)  # a part of a line would spoil the next one, too
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            if descriptor >= 0:
                os.close(descriptor)

    def _open(self) -> int:
        descriptor = os.open(self._path, _FLAGS, 0o600)
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid():
            return descriptor
        os.close(descriptor)
        raise OSError(errno.EPERM, "it is no regular file of this program's user")
