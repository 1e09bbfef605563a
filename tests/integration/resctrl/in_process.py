"""The emulator's kernel without a mount: the system calls that the agent makes go straight into it.

A thousand reconciles with a call that fails take seconds this way. The same kernel is behind the mounted emulator.
"""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cachemon.resctrl.system_calls import SystemCalls
from resctrl_emulator.kernfs import Directory, OpenFile
from tests.integration.emulator.fakes import ROOT, Box

RESCTRL = Path("/sys/fs/resctrl")
_WORD = re.compile(r"/(\d+)/cpu_resctrl_groups$")


class KernelCalls(SystemCalls):
    """System calls on a `Box`, counted; one of them, or all from one on, can be made to fail.

    Attributes:
        made: operation and path of every call that could fail within the last `failing`.
        struck: how many of them failed because they were to.
        held: open descriptors and what they are of.
    """

    def __init__(self, box: Box) -> None:
        self.box = box
        self.made: list[tuple[str, str]] = []
        self.struck = 0
        self.held: dict[int, Directory | OpenFile | bytes] = {}
        self._offsets: dict[int, int] = {}
        self._next = 1000
        self._fails: tuple[int, int, int] | None = None
        self.pread = self._pread

    @contextmanager
    def failing(self, place: int, number: int, *, times: int = 1) -> Iterator[None]:
        """Within the block this call, and those right after it up to this number, answer an errno."""
        self.made, self.struck, self._fails = [], 0, (place, place + times, number)
        yield
        self._fails = None

    def _step(self, operation: str, path: object) -> None:
        if self._fails is None:
            return
        place = len(self.made)
        self.made.append((operation, str(path)))
        if self._fails[0] <= place < self._fails[1]:
            self.struck += 1
            raise OSError(self._fails[2], os.strerror(self._fails[2]), str(path))

    def open(self, path: str | Path, flags: int, dir_fd: int | None = None) -> int:
        self._step("open", path)
        self._next += 1
        word = _WORD.search(str(path))
        if word:
            self.held[self._next] = self._word_of(int(word[1]))
        elif flags & os.O_DIRECTORY:
            self.held[self._next] = self.box.resctrl.kernfs.directory(_inside(path))
        else:
            below = self.held[dir_fd].path if dir_fd else ""  # type: ignore[union-attr]
            where = f"{below}/{path}" if dir_fd else _inside(path)
            self.held[self._next] = self.box.resctrl.open(where, flags & os.O_ACCMODE)
        self._offsets[self._next] = 0
        return self._next

    def _word_of(self, tid: int) -> bytes:
        identity = self.box.threads.identify(tid)
        if identity is None:
            raise FileNotFoundError(errno.ENOENT, "no such thread")
        group = self.box.resctrl.membership.group_of(identity)
        home = group.control.directory.name or "/"
        return f"res:{home}\nmon:{group.directory.name if group.parent else ''}\n".encode()

    def close(self, descriptor: int) -> None:
        del self.held[descriptor]

    def read(self, descriptor: int, length: int) -> bytes:
        self._step("read", descriptor)
        offset = self._offsets[descriptor]
        data = self._content(descriptor, length, offset)
        self._offsets[descriptor] += len(data)
        return data

    def _pread(self, descriptor: int, length: int, offset: int) -> bytes:
        self._step("pread", descriptor)
        return self._content(descriptor, length, offset)

    def _content(self, descriptor: int, length: int, offset: int) -> bytes:
        handle: Any = self.held[descriptor]
        if isinstance(handle, bytes):
            return handle[offset : offset + length]
        return self.box.resctrl.read(handle, length, offset, ROOT)

    def write(self, descriptor: int, data: bytes) -> int:
        self._step("write", data.decode().strip())
        handle: Any = self.held[descriptor]
        return self.box.resctrl.write(handle, data, ROOT)

    def inode(self, descriptor: int) -> int:
        self._step("fstat", descriptor)
        handle: Any = self.held[descriptor]
        return int(handle.ino)

    def subdirectories(self, path: Path) -> list[str]:
        self._step("scandir", path)
        directory = self.box.resctrl.kernfs.directory(_inside(path))
        return sorted(name for name, node in directory.children.items() if isinstance(node, Directory))

    def is_directory(self, path: Path) -> bool:
        try:
            self._step("stat", path)
            if not path.is_relative_to(RESCTRL):
                return path.is_dir()
            return isinstance(self.box.resctrl.kernfs.find(_inside(path)), Directory)
        except OSError as err:
            return err.errno not in (errno.ENOENT, errno.ENOTDIR)

    def mkdir(self, path: Path) -> None:
        self._step("mkdir", path)
        self.box.mkdir(_inside(path))

    def rmdir(self, path: Path) -> None:
        self._step("rmdir", path)
        self.box.rmdir(_inside(path))

    def try_lock(self, descriptor: int) -> None:
        self._step("flock", descriptor)


def _inside(path: str | Path) -> str:
    return "/" + "/".join(Path(path).relative_to(RESCTRL).parts)
