"""A Kubernetes API on which nothing of the project is installed, and the programs of Operator Framework."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.kubernetes.binaries import find
from lab.kubernetes.control_plane import ControlPlane
from tests.integration.olm.bundle import REGISTRY
from tools.release.olm_bundle import make_olm_bundle


@pytest.fixture(scope="session")
def olm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with bundle and installer, for images in a registry."""
    folder = tmp_path_factory.mktemp("olm")
    make_olm_bundle(folder, {"IMAGES": REGISTRY})
    return folder / "olm"


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A Kubernetes API that nothing of the project has been applied to."""
    with ControlPlane(tmp_path_factory.mktemp("empty"), find()) as running:
        yield running
