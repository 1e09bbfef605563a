"""All objects in one file, for `kubectl apply --server-side -f` from an address."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from cachemon import __version__
from lab.kubernetes.cluster_api import kubectl_program
from lab.repository import REPOSITORY
from tools.release.chart_archive import UNPUBLISHED


def make_cluster_manifest(folder: Path, environment: Mapping[str, str] = os.environ) -> None:
    """Make `cachemon-VERSION.yaml`: manifests/ as kubectl's kustomize prints it, CRDs included.

    Args:
        folder: of the release.
        environment: `IMAGES` names the registry and path of the images; without it they are those of manifests/.
    """
    done = subprocess.run(
        [kubectl_program(), "kustomize", REPOSITORY / "manifests", "--load-restrictor=LoadRestrictionsNone"],
        capture_output=True,
        check=True,
    )
    registry = environment.get("IMAGES") or UNPUBLISHED
    manifest = done.stdout.replace(f"image: {UNPUBLISHED}/".encode(), f"image: {registry}/".encode())
    (folder / f"cachemon-{__version__}.yaml").write_bytes(manifest)
