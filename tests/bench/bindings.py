"""Waiting until the operator has given every group its node."""

from urllib.parse import urlencode

from cachemon.model.api import API_VERSION, GROUPS
from lab.kubernetes.control_plane import ControlPlane
from lab.wait import until

_POLL_SECONDS = 0.5
"""A tighter loop would take the API server's CPU from the operator."""


def await_bindings(api: ControlPlane, seconds: float) -> None:
    """Wait until no group lacks a node. Each request lists one group only: all of them are megabytes."""
    until("every group to be bound", lambda: _all_bound(api), seconds=seconds, poll_seconds=_POLL_SECONDS)


def _all_bound(api: ControlPlane) -> bool:
    query = urlencode({"fieldSelector": "status.nodeName=", "limit": "1"})
    answer = api.request("GET", f"/apis/{API_VERSION}/{GROUPS.plural}?{query}")
    return not answer["items"] and not answer["metadata"].get("continue")
