"""Programs in a pod: credentials as the kubelet projects them, in a file that changes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.cluster import program
from lab.kubernetes.control_plane import ControlPlane
from lab.wait import until
from tests.integration.apiserver.examples import group_object, groups_path, nodes_path
from tests.integration.apiserver.in_pod import InPod

RENEWED_SECONDS = 100
"""The token's file is read again after a minute."""


@pytest.fixture
def programs(control_plane: ControlPlane, tmp_path: Path) -> Iterator[dict[str, InPod]]:
    found = {}
    commands = {
        "cachemon-operator": (),
        "cachemon-agent": (
            "--node-name=cachemon-agent",
            "--node-period=1",
            f"--resctrl={tmp_path}",
            "--metrics-address=",
        ),
    }
    for name, flags in commands.items():
        folder = tmp_path / name
        folder.mkdir()
        found[name] = InPod(control_plane, folder, name, program(name), *flags)
    yield found
    for running in found.values():
        running.process.stop(10)


@pytest.mark.timeout(RENEWED_SECONDS + 100)
def test_a_token_that_is_no_longer_valid_is_replaced_by_the_renewed_one(
    control_plane: ControlPlane, namespace: str, programs: dict[str, InPod]
) -> None:
    def add_group(name: str) -> None:
        control_plane.request("POST", groups_path(namespace), group_object(name, {"vmiName": name}))

    def is_judged(name: str) -> bool:
        return bool(control_plane.request("GET", groups_path(namespace, name)).get("status", {}).get("conditions"))

    def heartbeat() -> str:
        items = control_plane.request("GET", nodes_path())["items"]
        found = [item.get("status", {}) for item in items if item["metadata"]["name"] == "cachemon-agent"]
        return str(found[0].get("observedTime", "")) if found else ""

    until("the agent's heartbeat", heartbeat)
    add_group("before")
    until("the operator's word", lambda: is_judged("before"))
    for running in programs.values():
        running.end_token()
    until("the agent to be refused", lambda: programs["cachemon-agent"].has_logged("does not take our token"))
    add_group("after")
    for running in programs.values():
        running.renew()
    last = heartbeat()
    until("the next heartbeat", lambda: heartbeat() > last, seconds=RENEWED_SECONDS)
    until("the operator's next word", lambda: is_judged("after"), seconds=RENEWED_SECONDS)
    assert {running.process.exit_status for running in programs.values()} == {None}
