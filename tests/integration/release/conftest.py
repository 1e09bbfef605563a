"""A release of this checkout, made once for all tests, whichever worker of pytest-xdist they run in."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.program_cache import locked
from lab.progress import say_on_stderr
from tools.release.__main__ import make_release
from tools.release.python_packages import make_python_packages


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with every artefact."""
    return made_once(tmp_path_factory, "release", make_release)


@pytest.fixture(scope="session")
def python_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with wheels and source archives alone: quickly made, under any Python."""
    return made_once(tmp_path_factory, "python_packages", make_python_packages)


def made_once(tmp_path_factory: pytest.TempPathFactory, what: str, make: Callable[[Path], object]) -> Path:
    """A folder that the first worker makes."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, unfinished = shared / what, shared / f"{what}-of-{os.getpid()}"
    with locked(shared / f"{what}.lock", what, say_on_stderr):
        if not folder.exists():
            unfinished.mkdir()
            make(unfinished)
            unfinished.rename(folder)
    return folder
