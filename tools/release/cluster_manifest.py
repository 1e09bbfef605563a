"""All objects in one file, for `kubectl apply --server-side -f` from an address."""

import subprocess
from pathlib import Path

from cachemon import __version__
from lab.kubernetes.cluster_api import kubectl_program
from lab.repository import REPOSITORY


def make_cluster_manifest(folder: Path) -> None:
    """Make `cachemon-VERSION.yaml`: manifests/ as kubectl's kustomize prints it, CRDs included.

    Args:
        folder: of the release.
    """
    done = subprocess.run(
        [kubectl_program(), "kustomize", REPOSITORY / "manifests", "--load-restrictor=LoadRestrictionsNone"],
        capture_output=True,
        check=True,
    )
    (folder / f"cachemon-{__version__}.yaml").write_bytes(done.stdout)
