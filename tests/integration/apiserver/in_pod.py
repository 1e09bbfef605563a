"""A program with the files and variables of a pod."""

import os
import shutil
from pathlib import Path
from urllib.parse import urlsplit

from lab.cluster import NAMESPACE
from lab.kubernetes.control_plane import ControlPlane
from lab.server_process import ServerProcess

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

    def has_logged(self, text: str) -> bool:
        """Whether its log has this text."""
        return text in self.process.log.read_text(errors="replace")
