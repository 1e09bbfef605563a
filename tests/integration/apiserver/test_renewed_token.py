"""Programs in a pod: credentials as the kubelet projects them, in a file that changes."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lab.cluster import NAMESPACE, program
from lab.kubernetes.control_plane import ControlPlane
from lab.server_process import ServerProcess
from lab.wait import until
from tests.integration.apiserver.examples import group_object, groups_path, nodes_path

RENEWED_SECONDS = 100
"""The token's file is read again after a minute."""

MOUNTED = """
mount -t tmpfs tmpfs /run
mkdir -p /run/secrets/kubernetes.io
ln -s "$0" /run/secrets/kubernetes.io/serviceaccount
exec "$@"
"""


class InPod:
    """A program with the files and variables that a pod has; its token ends with the record of its pod.

    Args:
        control_plane: has the pod.
        folder: an empty folder.
        account: a service account; the node that its pod runs on has its name.
        command: the program.
    """

    def __init__(self, control_plane: ControlPlane, folder: Path, account: str, *command: str | Path) -> None:
        self._control_plane = control_plane
        self._folder = folder
        self._account = account
        control_plane.add_node(account)
        shutil.copy(control_plane.ca_file, folder / "ca.crt")
        self._pod = ""
        self.renew()
        address = urlsplit(control_plane.url)
        environment = os.environ | {
            "KUBERNETES_SERVICE_HOST": str(address.hostname),
            "KUBERNETES_SERVICE_PORT": str(address.port),
        }
        user = () if os.geteuid() == 0 else ("--map-root-user",)
        self.process = ServerProcess(
            ["unshare", "--mount", *user, "sh", "-ec", MOUNTED, folder, *command],
            folder / "log",
            environment,
        )

    def renew(self) -> None:
        """Write a fresh token, as the kubelet does; made for a new pod if the old one is gone."""
        self._pod = self._control_plane.add_agent_pod(self._account, service_account=self._account)
        token = self._control_plane.service_account_token(NAMESPACE, self._account, bound_pod=self._pod)
        fresh = self._folder / "fresh"
        fresh.write_text(token)
        fresh.rename(self._folder / "token")

    def end_token(self) -> None:
        """Let the token be valid no more."""
        path = f"/api/v1/namespaces/{NAMESPACE}/pods/{self._pod}"
        self._control_plane.request("DELETE", path, {"kind": "DeleteOptions", "gracePeriodSeconds": 0})

    def said(self, text: str) -> bool:
        """Whether it logged that."""
        return text in self.process.log.read_text(errors="replace")


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
    until("the agent to be refused", lambda: programs["cachemon-agent"].said("does not take our token"))
    add_group("after")
    for running in programs.values():
        running.renew()
    last = heartbeat()
    until("the next heartbeat", lambda: heartbeat() > last, seconds=RENEWED_SECONDS)
    until("the operator's next word", lambda: is_judged("after"), seconds=RENEWED_SECONDS)
    assert {running.process.exit_status for running in programs.values()} == {None}
