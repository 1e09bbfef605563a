"""OCI image layouts (image-spec 1.1): folders of blobs that are read, joined to one index, and packed."""

import hashlib
import json
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.release.reproducible import TIME

INDEX_TYPE = "application/vnd.oci.image.index.v1+json"

_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
_REFERENCE = "org.opencontainers.image.ref.name"


@dataclass(frozen=True, slots=True)
class Descriptor:
    """Names a blob by its content."""

    media_type: str
    digest: str
    size: int

    def as_json(self) -> dict[str, Any]:
        """In the specification's words."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


@dataclass(frozen=True, slots=True)
class Layout:
    """A folder with `index.json` and `blobs/`."""

    folder: Path

    def top(self) -> Descriptor:
        """The one image, or the one index, that it holds.

        Raises:
            ValueError: it holds several.
        """
        (only,) = self.read_json(self.folder / "index.json")["manifests"]
        return Descriptor(only["mediaType"], only["digest"], only["size"])

    def json(self, digest: str) -> dict[str, Any]:
        """A manifest, an index or a configuration."""
        return self.read_json(self.path(digest))

    def path(self, digest: str) -> Path:
        """The file of a blob."""
        return self.folder / "blobs" / digest.replace(":", "/")

    @staticmethod
    def read_json(path: Path) -> dict[str, Any]:
        """A JSON object in a file."""
        found: dict[str, Any] = json.loads(path.read_bytes())
        return found

    def images(self) -> dict[str, Descriptor]:
        """Every image by its architecture."""
        return {
            it["platform"]["architecture"]: Descriptor(it["mediaType"], it["digest"], it["size"])
            for it in self.json(self.top().digest)["manifests"]
        }

    def files(self, image: Descriptor, is_wanted: Callable[[str], bool]) -> dict[str, bytes]:
        """Regular files of an image as a container sees them, by path without the first slash.

        Args:
            image: of this layout.
            is_wanted: selects paths: the others are not read.
        """
        found: dict[str, bytes] = {}
        for layer in self.json(image.digest)["layers"]:
            with tarfile.open(self.path(layer["digest"])) as members:
                added = {}
                for member in members:
                    name = member.name.removeprefix("./")
                    found = {path: it for path, it in found.items() if not is_hidden(path, name)}
                    is_file = member.isfile() and not name.rpartition("/")[2].startswith(_WHITEOUT)
                    content = members.extractfile(member) if is_file and is_wanted(name) else None
                    if content:
                        added[name] = content.read()
            found |= added
        return found


def is_hidden(path: str, by: str) -> bool:
    """Whether an entry of a layer hides a file of the layers below: a whiteout, or another file in its place.

    Args:
        path: of the file below.
        by: name of the entry.
    """
    folder, _, name = by.rpartition("/")
    if name == _OPAQUE:
        return path.startswith(f"{folder}/") if folder else True
    if name.startswith(_WHITEOUT):
        by = f"{folder}/{name.removeprefix(_WHITEOUT)}".removeprefix("/")
        return path == by or path.startswith(f"{by}/")
    return path == by


def joined_index(images: Mapping[str, Descriptor], annotations: Mapping[str, str]) -> bytes:
    """The index of images for several architectures, the same bytes for the same images.

    Args:
        images: by architecture, as Go names it.
        annotations: of the index.
    """
    manifests = [
        {**image.as_json(), "platform": {"architecture": architecture, "os": "linux"}}
        for architecture, image in sorted(images.items())
    ]
    return _bytes(
        {
            "schemaVersion": 2,
            "mediaType": INDEX_TYPE,
            "manifests": manifests,
            "annotations": dict(sorted(annotations.items())),
        }
    )


def join(layouts: Mapping[str, Layout], annotations: Mapping[str, str], folder: Path, reference: str) -> Layout:
    """Make one layout of the images of several architectures.

    Args:
        layouts: with one image each, by architecture.
        annotations: of the index.
        folder: that is made.
        reference: the tag by which programs find the index.
    """
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)
    for layout in layouts.values():
        for blob in sorted((layout.folder / "blobs/sha256").iterdir()):
            (blobs / blob.name).write_bytes(blob.read_bytes())
    index = joined_index({name: layout.top() for name, layout in layouts.items()}, annotations)
    digest = hashlib.sha256(index).hexdigest()
    (blobs / digest).write_bytes(index)
    top = {**Descriptor(INDEX_TYPE, f"sha256:{digest}", len(index)).as_json(), "annotations": {_REFERENCE: reference}}
    (folder / "oci-layout").write_bytes(_bytes({"imageLayoutVersion": "1.0.0"}))
    (folder / "index.json").write_bytes(_bytes({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [top]}))
    return Layout(folder)


def pack(layout: Layout, archive: Path) -> None:
    """Write a layout as an OCI archive: a tar, with the same bytes each time.

    Args:
        layout: to pack.
        archive: the file that is made.
    """
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as packed:
        for path in sorted(_regular_files(layout.folder)):
            about = tarfile.TarInfo(str(path.relative_to(layout.folder)))
            about.size, about.mode, about.mtime = path.stat().st_size, 0o644, TIME
            with path.open("rb") as content:
                packed.addfile(about, content)


def unpack(archive: Path, folder: Path) -> Layout:
    """Read an OCI archive.

    Args:
        archive: as `pack` writes it.
        folder: that its files go to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["tar", "-xf", archive, "-C", folder], check=True)
    return Layout(folder)


def _regular_files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _bytes(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
