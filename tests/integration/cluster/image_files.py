"""What is in an image: an OCI archive (image-spec), read without a container engine."""

import io
import json
import tarfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

_WHITEOUT = ".wh."


@dataclass(frozen=True)
class ImageArchive:
    """An image in an archive."""

    path: Path

    @cached_property
    def config(self) -> dict[str, Any]:
        """What a container is started with: User, Entrypoint, Env, ..."""
        found: dict[str, Any] = json.loads(self._blob(self._manifest["config"]["digest"]))["config"]
        return found

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Bytes of every file, by path, as a container sees them."""
        found: dict[str, int] = {}
        for layer in self._manifest["layers"]:
            with tarfile.open(fileobj=io.BytesIO(self._blob(layer["digest"]))) as members:
                for member in members:
                    folder, _, name = member.name.rpartition("/")
                    if name.startswith(_WHITEOUT):
                        gone = f"{folder}/{name.removeprefix(_WHITEOUT)}"
                        found = {path: size for path, size in found.items() if not f"{path}/".startswith(f"{gone}/")}
                    elif not member.isdir():
                        found[member.name] = member.size
        return found

    @property
    def unpacked_bytes(self) -> int:
        """Of all layers together, what later ones replace included."""
        total = 0
        for layer in self._manifest["layers"]:
            with tarfile.open(fileobj=io.BytesIO(self._blob(layer["digest"]))) as members:
                total += sum(member.size for member in members)
        return total

    @cached_property
    def _manifest(self) -> dict[str, Any]:
        (one,) = json.loads(self._read("index.json"))["manifests"]
        manifest: dict[str, Any] = json.loads(self._blob(one["digest"]))
        return manifest

    def _blob(self, digest: str) -> bytes:
        return self._read(f"blobs/{digest.replace(':', '/')}")

    def _read(self, name: str) -> bytes:
        with tarfile.open(self.path) as archive:
            member = archive.extractfile(name)
            assert member, name
            return member.read()
