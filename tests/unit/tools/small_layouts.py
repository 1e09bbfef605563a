"""Layouts of OCI images of a few bytes, as buildah writes them."""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.release.images.layout import Layout

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"


def layer(files: Mapping[str, bytes]) -> bytes:
    """A gzipped tar of files by name."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
    return packed.getvalue()


def image_layout(folder: Path, architecture: str, layers: Sequence[bytes]) -> Layout:
    """A layout with one image.

    Args:
        folder: that is made.
        architecture: in the image's configuration.
        layers: from the lowest to the highest, each as `layer` makes it.
    """
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)

    def blob(content: bytes, media_type: str) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        (blobs / digest).write_bytes(content)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    prefix = "application/vnd.oci.image"
    config = {"architecture": architecture, "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": blob(json.dumps(config).encode(), f"{prefix}.config.v1+json"),
        "layers": [blob(each, f"{prefix}.layer.v1.tar+gzip") for each in layers],
    }
    top = blob(json.dumps(manifest).encode(), MANIFEST_TYPE)
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [top]}))
    return Layout(folder)
