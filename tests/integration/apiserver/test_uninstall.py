"""An agent that gets the signal to end, in a pod: when its mon_groups go, and when they stay."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from kubernetes.client import ApiException

from lab.cluster import NAMESPACE, TWO_BLOCKS, program
from lab.emulator import Emulator
from lab.kubernetes.control_plane import ControlPlane
from lab.kubernetes.prepare import prepare
from lab.wait import until
from tests.integration.apiserver.examples import nodes_path
from tests.integration.apiserver.in_pod import InPod

AGENT = "cachemon-agent"
ACCOUNT = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{AGENT}"
BINDING = f"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/{AGENT}"

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="mounting the emulator takes root"),
    pytest.mark.timeout(300),
]


class RunningAgent:
    """An agent that runs as in a pod of the DaemonSet, and a mon_group of its kind."""

    def __init__(self, control_plane: ControlPlane, folder: Path) -> None:
        self._control_plane = control_plane
        self.has_all_rights = True
        for name in ("node", "pod"):
            (folder / name).mkdir()
        self.emulator = Emulator(folder / "node", blocks=TWO_BLOCKS)
        self.agent = InPod(
            control_plane,
            folder / "pod",
            AGENT,
            program(AGENT),
            f"--node-name={AGENT}",
            "--node-period=1",
            "--scan-period=60",
            f"--resctrl={self.emulator.mountpoint}",
            f"--sysfs={self.emulator.sysfs}",
            "--metrics-address=",
            "--log-level=DEBUG",
        )
        until("the agent to know its account", lambda: self.agent.has_logged("of the agents is there"), seconds=60)
        before = self._heartbeat()
        until("a heartbeat", lambda: self._heartbeat() > before, seconds=60)
        # After the first pass, which removes what nobody wants; the next one comes in a minute.
        self.mon_group = self.emulator.mountpoint / "mon_groups" / "cachemon-of-a-test"
        self.mon_group.mkdir()

    def delete(self, path: str) -> None:
        self.has_all_rights = False
        self._control_plane.request("DELETE", path, {"kind": "DeleteOptions"})

    def end(self) -> None:
        """SIGTERM, as the kubelet sends."""
        self.agent.process.stop(60)
        assert self.agent.process.exit_status == 0, self.agent.process.log_tail()

    def _heartbeat(self) -> str:
        items = self._control_plane.request("GET", nodes_path())["items"]
        return max((item.get("status", {}).get("observedTime", "") for item in items), default="")


def forget_node(control_plane: ControlPlane) -> None:
    """Delete the Node, and what is its own: there is nobody here who collects garbage."""
    for path in (f"/api/v1/nodes/{AGENT}", nodes_path(AGENT)):
        with suppress(ApiException):
            control_plane.request("DELETE", path, {"kind": "DeleteOptions"})


@pytest.fixture
def running(control_plane: ControlPlane, tmp_path: Path) -> Iterator[RunningAgent]:
    forget_node(control_plane)
    made = RunningAgent(control_plane, tmp_path)
    yield made
    made.end()
    made.emulator.stop()
    forget_node(control_plane)
    if not made.has_all_rights:
        prepare(control_plane)


def test_an_agent_that_is_replaced_leaves_its_mon_groups(running: RunningAgent) -> None:
    running.end()
    assert running.mon_group.exists()
    assert running.agent.has_logged("mon_groups stay for the next agent")


def test_an_agent_whose_pod_was_deleted_by_force_leaves_its_mon_groups(running: RunningAgent) -> None:
    running.agent.end_token()
    until("401", lambda: running.agent.has_logged("does not take our token"))
    running.end()
    assert running.mon_group.exists()
    assert running.agent.has_logged("mon_groups stay for the next agent")


def test_an_agent_that_lost_its_rights_alone_leaves_its_mon_groups(running: RunningAgent) -> None:
    running.delete(BINDING)
    until("403", lambda: running.agent.has_logged("forbidden"))
    running.end()
    assert running.mon_group.exists()


def test_an_agent_of_a_cachemon_that_is_uninstalled_removes_its_mon_groups(running: RunningAgent) -> None:
    running.delete(BINDING)
    running.delete(ACCOUNT)
    until("the news", lambda: running.agent.has_logged("the service account of the agents was deleted"))
    running.end()
    assert not running.mon_group.exists()
    assert running.agent.has_logged("cachemon is being uninstalled")
