"""Archives whose bytes depend on nothing but names, modes and contents."""

import gzip
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass

TIME = 1577836800
"""The mtime of every file, as hatchling's own archives have it; zip can't go below 1980."""

DAY = "2020-01-01"
"""That of TIME."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of an archive.

    Attributes:
        content: of the file.
        mode: its permissions.
    """

    content: bytes
    mode: int = 0o644


def tar_gz(entries: Mapping[str, Entry]) -> bytes:
    """A gzipped tar of some files by name, owned by root."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, entry in sorted(entries.items()):
            about = tarfile.TarInfo(name)
            about.size, about.mode, about.mtime = len(entry.content), entry.mode, TIME
            archive.addfile(about, io.BytesIO(entry.content))
    return gzip.compress(packed.getvalue(), mtime=0)


def untar_gz(content: bytes) -> dict[str, Entry]:
    """The files of a gzipped tar, by name."""
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        members = {about: archive.extractfile(about) for about in archive.getmembers() if about.isfile()}
        return {about.name: Entry(file.read(), about.mode) for about, file in members.items() if file}
