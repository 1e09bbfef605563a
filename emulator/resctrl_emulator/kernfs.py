"""The part of kernfs that users of resctrl see: nodes, modes, and open files that outlive their node.

fs/kernfs/file.c: reads are seq_files (built at offset 0, continued after), writes ignore the offset and take at
most a page, everything on a removed node is ENODEV, and KERNFS_ROOT_EXTRA_OPEN_PERM_CHECK refuses root too.
"""

import errno
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from resctrl_emulator.status import refuse

PAGE_BYTES = 4096
ANY_READ, ANY_WRITE = 0o444, 0o222

Show = Callable[["Caller"], str]
Store = Callable[["Caller", str], None]


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of a system call: effective ids and TID (0 for a thread outside of our PID namespace)."""

    uid: int
    gid: int
    tid: int


@dataclass(eq=False, slots=True)
class Node:
    """A file or directory. No `ino` is used twice, so a directory that is created again has another one."""

    name: str
    parent: "Directory | None"
    ino: int
    mode: int
    uid: int
    gid: int
    time_ns: int
    alive: bool = True
    xattrs: dict[str, bytes] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """From the root, which is `/`; of a removed node, where it was."""
        return f"{self.parent.path.rstrip('/')}/{self.name}" if self.parent else "/"


@dataclass(eq=False, slots=True)
class Directory(Node):
    """A directory, in order of creation."""

    children: dict[str, Node] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class File(Node):
    """A file that is read by `show` and, if it can be written at all, written by `store`."""

    show: Show = lambda _: ""
    store: Store | None = None


@dataclass(eq=False, slots=True)
class OpenFile:
    """One open file description: what its seq_file has built and how far it was read."""

    file: File
    content: bytes = b""
    position: int = 0


class Kernfs:
    """A tree of nodes; knows nothing of what they mean."""

    def __init__(self, wall_ns: Callable[[], int], owner: Caller) -> None:
        self._wall_ns = wall_ns
        self._inodes = itertools.count(1)
        self.root = Directory("", None, next(self._inodes), 0o555, owner.uid, owner.gid, wall_ns())

    def add_directory(self, parent: Directory, name: str, mode: int, owner: Caller) -> Directory:
        """Make a directory below `parent`."""
        made = Directory(name, parent, next(self._inodes), mode, owner.uid, owner.gid, self._wall_ns())
        parent.children[name] = made
        return made

    def add_file(
        self,
        parent: Directory,
        name: str,
        mode: int,
        owner: Caller,
        *,
        show: Show,
        store: Store | None = None,
    ) -> File:
        """Make a file below `parent`."""
        made = File(
            name,
            parent,
            next(self._inodes),
            mode,
            owner.uid,
            owner.gid,
            self._wall_ns(),
            show=show,
            store=store,
        )
        parent.children[name] = made
        return made

    def remove(self, node: Node) -> None:
        """Take a node and all below it away; open files on it answer ENODEV from now on."""
        if node.parent is not None:
            node.parent.children.pop(node.name, None)
        for gone in _with_descendants(node):
            gone.alive = False

    def move(self, node: Node, parent: Directory, name: str) -> None:
        """Give a node another name or place; it stays the same node.

        Raises:
            OSError: EEXIST.
        """
        if name in parent.children:
            refuse(errno.EEXIST)
        assert node.parent is not None
        del node.parent.children[node.name]
        node.name, node.parent = name, parent
        parent.children[name] = node

    def find(self, path: str) -> Node:
        """The node at an absolute path.

        Raises:
            OSError: ENOENT, ENOTDIR.
        """
        node: Node = self.root
        for part in path.split("/"):
            if not part:
                continue
            if not isinstance(node, Directory):
                refuse(errno.ENOTDIR)
            try:
                node = node.children[part]
            except KeyError:
                refuse(errno.ENOENT)
        return node

    def directory(self, path: str) -> Directory:
        """The directory at a path.

        Raises:
            OSError: ENOENT, ENOTDIR.
        """
        node = self.find(path)
        return node if isinstance(node, Directory) else refuse(errno.ENOTDIR)

    def open(self, path: str, flags: int) -> OpenFile:
        """Open a file.

        Raises:
            OSError: ENOENT, ENOTDIR, EISDIR; EACCES, also for root, if the mode or the file allows no read or
                write at all.
        """
        node = self.find(path)
        if not isinstance(node, File):
            refuse(errno.EISDIR)
        access = flags & os.O_ACCMODE
        if access != os.O_RDONLY and (not node.mode & ANY_WRITE or node.store is None):
            refuse(errno.EACCES)
        if access != os.O_WRONLY and not node.mode & ANY_READ:
            refuse(errno.EACCES)
        return OpenFile(node)

    def read(self, handle: OpenFile, size: int, offset: int, caller: Caller) -> bytes:
        """Read as a seq_file: fresh at offset 0 and after a jump, else the rest of what was built.

        Raises:
            OSError: ENODEV when the file is gone.
        """
        if not handle.file.alive:
            refuse(errno.ENODEV)
        if offset == 0 or offset != handle.position:
            handle.content = handle.file.show(caller).encode("utf-8", "surrogateescape")
        data = handle.content[offset : offset + size]
        handle.position = offset + len(data)
        return data

    def write(self, handle: OpenFile, data: bytes, caller: Caller) -> int:
        """Write; ignores the offset, and everything after a NUL byte.

        Raises:
            OSError: ENODEV when the file is gone, E2BIG over a page, and what the file itself refuses.
        """
        if not handle.file.alive:
            refuse(errno.ENODEV)
        if handle.file.store is None:
            refuse(errno.EACCES)
        if len(data) > PAGE_BYTES:
            refuse(errno.E2BIG)
        handle.file.store(caller, data.split(b"\0", 1)[0].decode("utf-8", "surrogateescape"))
        return len(data)


def _with_descendants(node: Node) -> Iterator[Node]:
    yield node
    if isinstance(node, Directory):
        for child in node.children.values():
            yield from _with_descendants(child)
