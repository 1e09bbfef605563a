"""Archives that the kernel unpacks into its first file system (`newc`, Documentation/driver-api/early-userspace)."""

import os
import stat
from pathlib import Path, PurePosixPath
from typing import BinaryIO

_TRAILER = "TRAILER!!!"
_EXECUTABLE = 0o111


class CpioArchive:
    """A written archive; several, one after the other in one file, are unpacked in turn.

    Not compressed: for an emulated processor copying is much quicker than inflating. Times are those of the
    files, so the same files make the same archive, and Python finds its compiled modules up to date
    (CONFIG_INITRAMFS_PRESERVE_MTIME).

    Args:
        output: where to.
    """

    def __init__(self, output: BinaryIO) -> None:
        self._output = output
        self._known: set[PurePosixPath] = {PurePosixPath("/")}
        self._inode = 0

    def add_directory(self, path: PurePosixPath | str) -> None:
        """A directory and those above it, unless they are there."""
        path = PurePosixPath(path)
        if path not in self._known:
            self.add_directory(path.parent)
            self._entry(path, stat.S_IFDIR | 0o755, b"", 0)

    def add_bytes(
        self, path: PurePosixPath | str, content: bytes, *, executable: bool = False, mtime: int = 0
    ) -> None:
        """A file with this content; a second one of the same path is left out."""
        path = PurePosixPath(path)
        if path not in self._known:
            self.add_directory(path.parent)
            self._entry(path, stat.S_IFREG | (0o755 if executable else 0o644), content, mtime)

    def add_link(self, path: PurePosixPath | str, target: str) -> None:
        """A symbolic link."""
        path = PurePosixPath(path)
        if path not in self._known:
            self.add_directory(path.parent)
            self._entry(path, stat.S_IFLNK | 0o777, target.encode(), 0)

    def add_file(self, path: PurePosixPath | str, source: Path) -> None:
        """A copy of a file of this machine; links are followed."""
        status = source.stat()
        self.add_bytes(
            path, source.read_bytes(), executable=bool(status.st_mode & _EXECUTABLE), mtime=int(status.st_mtime)
        )

    def add_tree(self, path: PurePosixPath | str, source: Path) -> None:
        """Everything below a directory."""
        for folder, folders, files in os.walk(source):
            folders.sort()
            inside = PurePosixPath(path) / Path(folder).relative_to(source)
            self.add_directory(inside)
            for name in sorted(files):
                self.add_file(inside / name, Path(folder) / name)

    def finish(self) -> None:
        """The end of this archive; another may follow."""
        self._entry(PurePosixPath(_TRAILER), 0, b"", 0)

    def _entry(self, path: PurePosixPath, mode: int, content: bytes, mtime: int) -> None:
        self._known.add(path)
        self._inode += 1
        name = str(path).lstrip("/").encode() + b"\0"
        fields = (self._inode, mode, 0, 0, 1, mtime, len(content), 0, 0, 0, 0, len(name), 0)
        self._write(b"070701" + b"".join(b"%08X" % field for field in fields) + name)
        self._write(content)

    def _write(self, piece: bytes) -> None:
        self._output.write(piece + bytes(-len(piece) % 4))
