"""A release of this checkout, made once for all tests."""

from pathlib import Path

import pytest

from tools.release.__main__ import make_release
from tools.release.python_packages import make_python_packages


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with every artefact."""
    folder = tmp_path_factory.mktemp("release") / "artefacts"
    make_release(folder)
    return folder


@pytest.fixture(scope="session")
def python_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with wheels and source archives alone: quickly made, under any Python."""
    folder = tmp_path_factory.mktemp("python_packages")
    make_python_packages(folder)
    return folder
