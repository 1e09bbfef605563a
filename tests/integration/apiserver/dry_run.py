"""Specs that are tried without being kept."""

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from lab.kubernetes.control_plane import ControlPlane
from lab.kubernetes.prepare import empty_namespace, make_namespace
from tests.integration.apiserver.examples import group_object, groups_path


@pytest.fixture(scope="module")
def place(control_plane: ControlPlane) -> Iterator[str]:
    """A namespace for dry runs, with a group `empty` that has no status."""
    name = f"crds-{secrets.token_hex(4)}"
    make_namespace(control_plane, name)
    control_plane.request("POST", groups_path(name), group_object("empty"))
    yield name
    empty_namespace(control_plane, name)


def dry_run(control_plane: ControlPlane, place: str, spec: Any, validation: str = "Strict") -> Any:
    """Create a CacheMonitorGroup without keeping it; returns the object as it would be."""
    path = f"{groups_path(place)}?dryRun=All&fieldValidation={validation}"
    return control_plane.request("POST", path, group_object("tried", spec))
