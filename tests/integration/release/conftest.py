"""A release of this checkout, made once for all tests."""

from pathlib import Path

import pytest

from tools.release.__main__ import make_release


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with every artefact."""
    folder = tmp_path_factory.mktemp("release") / "artefacts"
    make_release(folder)
    return folder
