"""The bundle for OLM, made once."""

from pathlib import Path

import pytest

from tests.integration.olm.bundle import REGISTRY
from tools.release.olm.bundle import make_olm_bundle


@pytest.fixture(scope="session")
def olm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with bundle and installer, for images in a registry."""
    folder = tmp_path_factory.mktemp("olm")
    make_olm_bundle(folder, {"IMAGES": REGISTRY})
    return folder / "olm"
