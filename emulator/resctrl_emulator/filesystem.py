"""The operations that libfuse calls, implemented with `Resctrl`."""

import ctypes
import errno
import itertools
import select
import stat
from collections.abc import Callable, Iterator
from typing import Any

from resctrl_emulator.faults import Faults
from resctrl_emulator.kernel import Resctrl
from resctrl_emulator.kernfs import Caller, Directory, Node, OpenFile
from resctrl_emulator.status import refuse

BLOCK_BYTES = 4096
NAME_BYTES = 255
UNCHANGED = -1
KEPT_ATTRIBUTES = ("trusted.", "security.")
"""Extended attributes that kernfs keeps; it refuses those of users."""


class FileSystem:
    """The object that mfusepy calls; mfusepy accepts any object with these methods.

    It finds files by handle, never by path (nullpath_ok). A descriptor kept open across a rmdir must answer ENODEV,
    and a group created again under the same name has other files. The kernel caches nothing: it asks for attributes,
    names, absent names and content each time. There is no method for flock, so the kernel handles it.

    Args:
        resctrl: the file system's state.
        faults: the injected faults.
        context: uid, gid and TID of the caller (`mfusepy.fuse_get_context`).
        on_mounted: called once the file system is mounted.
    """

    use_ns = True

    def __init__(
        self,
        resctrl: Resctrl,
        faults: Faults,
        context: Callable[[], tuple[int, int, int]],
        on_mounted: Callable[[], None],
    ) -> None:
        self._resctrl = resctrl
        self._faults = faults
        self._context = context
        self._on_mounted = on_mounted
        self._numbers = itertools.count(1)
        self._files: dict[int, OpenFile] = {}
        self._directories: dict[int, Directory] = {}

    def init_with_config(self, _connection: Any, config: Any) -> None:
        """FUSE_INIT: the mount works from now on."""
        config.nullpath_ok = 1
        config.direct_io = 1
        config.use_ino = 1
        config.attr_timeout = config.entry_timeout = config.negative_timeout = 0
        self._on_mounted()

    def getattr(self, path: str | None, handle: int | None = None) -> dict[str, int]:
        """Attributes by path or, if there is no path any more, by handle."""
        if path is not None:
            self._faults.meet("getattr", lambda: path)
        with self._resctrl.lock:
            node: Node = (
                self._files[handle].file
                if path is None and handle is not None
                else self._resctrl.kernfs.find(path or "/")
            )
            if not node.alive:
                refuse(errno.ENODEV)
            return _attributes(node)

    def opendir(self, path: str) -> int:
        """Open a directory."""
        self._faults.meet("opendir", lambda: path)
        with self._resctrl.lock:
            number = next(self._numbers)
            self._directories[number] = self._resctrl.kernfs.directory(path)
            return number

    def readdir(self, _path: str | None, handle: int) -> Iterator[tuple[str, dict[str, int], int]]:
        """Names with type and inode."""
        directory = self._directories[handle]
        self._faults.meet("readdir", lambda: directory.path)
        with self._resctrl.lock:
            here = [(".", directory), ("..", directory.parent or directory)]
            nodes = [*here, *directory.children.items()] if directory.alive else []
            return iter([(name, _attributes(node), 0) for name, node in nodes])

    def releasedir(self, _path: str | None, handle: int) -> int:
        """Close a directory."""
        self._directories.pop(handle, None)
        return 0

    def mkdir(self, path: str, mode: int) -> int:
        """Create a group; the umask is already applied."""
        self._faults.meet("mkdir", lambda: path)
        self._resctrl.mkdir(path, mode & 0o7777, self._caller())
        return 0

    def rmdir(self, path: str) -> int:
        """Remove a group."""
        self._faults.meet("rmdir", lambda: path)
        self._resctrl.rmdir(path)
        return 0

    def rename(self, old: str, new: str) -> int:
        """Rename or move a monitoring group."""
        self._faults.meet("rename", lambda: old)
        self._resctrl.rename(old, new)
        return 0

    def open(self, path: str, flags: int) -> int:
        """Open a file; ignores O_TRUNC."""
        self._faults.meet("open", lambda: path)
        handle = self._resctrl.open(path, flags)
        number = next(self._numbers)
        self._files[number] = handle
        return number

    def read(self, _path: str | None, size: int, offset: int, handle: int) -> bytes:
        """Read an open file."""
        opened = self._files[handle]
        self._faults.meet("read", lambda: opened.file.path)
        if self._faults.contents and (content := self._faults.contents.get(opened.file.path)) is not None:
            return content[offset : offset + size]
        return self._resctrl.read(opened, size, offset, self._caller())

    def write(self, _path: str | None, data: bytes, _offset: int, handle: int) -> int:
        """Write an open file; ignores the offset."""
        opened = self._files[handle]
        self._faults.meet("write", lambda: opened.file.path)
        return self._resctrl.write(opened, data, self._caller())

    def poll(self, _path: str | None, handle: int, _wake: Any, events: Any) -> int:
        """Always ready; of a removed file, with an exception and an error (kernfs_generic_poll)."""
        ready = select.POLLIN | select.POLLOUT
        gone = 0 if self._files[handle].file.alive else select.POLLPRI | select.POLLERR
        ctypes.cast(events, ctypes.POINTER(ctypes.c_uint)).contents.value = ready | gone
        return 0

    def release(self, _path: str | None, handle: int) -> int:
        """Close a file."""
        self._files.pop(handle, None)
        return 0

    def chmod(self, path: str, mode: int) -> int:
        """Change mode bits; a file without a writer stays read-only."""
        with self._resctrl.lock:
            self._resctrl.kernfs.find(path).mode = stat.S_IMODE(mode)
        return 0

    def chown(self, path: str, uid: int, gid: int) -> int:
        """Change the owner of a node, as the delegation of a subtree does."""
        with self._resctrl.lock:
            node = self._resctrl.kernfs.find(path)
            node.uid = node.uid if uid == UNCHANGED else uid
            node.gid = node.gid if gid == UNCHANGED else gid
        return 0

    def truncate(self, _path: str | None, _length: int, _handle: int | None = None) -> int:
        """Accepted and ignored, as in kernfs."""
        return 0

    def utimens(self, _path: str | None, _times: tuple[int, int] | None = None) -> int:
        """Accepted and ignored."""
        return 0

    def setxattr(self, path: str, name: str, value: bytes, _options: int, _position: int = 0) -> int:
        """Keep a trusted or security attribute."""
        if not name.startswith(KEPT_ATTRIBUTES):
            refuse(errno.EOPNOTSUPP)
        with self._resctrl.lock:
            self._resctrl.kernfs.find(path).xattrs[name] = value
        return 0

    def getxattr(self, path: str, name: str, _position: int = 0) -> bytes:
        """Return an attribute."""
        with self._resctrl.lock:
            try:
                return self._resctrl.kernfs.find(path).xattrs[name]
            except KeyError:
                refuse(errno.ENODATA)

    def listxattr(self, path: str) -> list[str]:
        """Return the names of attributes."""
        with self._resctrl.lock:
            return list(self._resctrl.kernfs.find(path).xattrs)

    def removexattr(self, path: str, name: str) -> int:
        """Remove an attribute."""
        with self._resctrl.lock:
            if self._resctrl.kernfs.find(path).xattrs.pop(name, None) is None:
                refuse(errno.ENODATA)
        return 0

    def statfs(self, _path: str) -> dict[str, int]:
        """No blocks, no files."""
        return {"f_bsize": BLOCK_BYTES, "f_frsize": BLOCK_BYTES, "f_namemax": NAME_BYTES}

    def create(self, _path: str, _mode: int, _flags: int) -> int:
        """Always refused: no program creates files here."""
        return refuse(errno.EACCES)

    def mknod(self, _path: str, _mode: int, _device: int) -> int:
        """No such operation in kernfs."""
        return refuse(errno.EPERM)

    def symlink(self, _target: str, _source: str) -> int:
        """No such operation in kernfs."""
        return refuse(errno.EPERM)

    def link(self, _target: str, _source: str) -> int:
        """No such operation in kernfs."""
        return refuse(errno.EPERM)

    def unlink(self, _path: str) -> int:
        """No such operation in kernfs."""
        return refuse(errno.EPERM)

    def _caller(self) -> Caller:
        return Caller(*self._context())


def _attributes(node: Node) -> dict[str, int]:
    return {
        "st_mode": node.mode | (stat.S_IFDIR if isinstance(node, Directory) else stat.S_IFREG),
        "st_ino": node.ino,
        "st_nlink": _links(node),
        "st_uid": node.uid,
        "st_gid": node.gid,
        "st_blksize": BLOCK_BYTES,
        "st_atime": node.time_ns,
        "st_mtime": node.time_ns,
        "st_ctime": node.time_ns,
    }


def _links(node: Node) -> int:
    if not isinstance(node, Directory):
        return 1
    return 2 + sum(isinstance(child, Directory) for child in node.children.values())
