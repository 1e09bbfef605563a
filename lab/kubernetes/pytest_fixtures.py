"""Fixtures of tests that need a real API server; a conftest.py imports the ones it offers."""

import secrets
import shutil
from collections.abc import Iterator

import pytest

from lab.kubernetes.binaries import find
from lab.kubernetes.control_plane import ControlPlane
from lab.kubernetes.prepare import empty_namespace, make_namespace, prepare


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """One running Kubernetes API for the session (with pytest-xdist: for each worker), prepared by `prepare`.

    It takes programs that are there already: making them takes longer than a test may.
    """
    work = tmp_path_factory.mktemp("control-plane")
    try:
        with ControlPlane(work, find()) as running:
            prepare(running)
            yield running
    finally:
        shutil.rmtree(work / "etcd", ignore_errors=True)  # over 100 MB; the logs stay as long as pytest keeps them


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A Kubernetes API that nothing of the project has been applied to, for the tests of a module."""
    with ControlPlane(tmp_path_factory.mktemp("empty"), find()) as running:
        yield running


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """The name of a fresh namespace, emptied after the test."""
    name = f"test-{secrets.token_hex(4)}"
    make_namespace(control_plane, name)
    yield name
    empty_namespace(control_plane, name)
