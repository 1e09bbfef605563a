"""The control plane of a real cluster: etcd, API server, controller manager, scheduler, in one network namespace."""

import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from lab.kubernetes.api_client import REFUSED_OR_AWAY
from lab.kubernetes.binaries import Binaries
from lab.kubernetes.cluster_api import ClusterApi, ControlPlaneError
from lab.nodes.network import API_ADDRESS, SERVICE_NETWORK, in_network, new_network
from lab.nodes.programs import NodePrograms
from lab.ports import free_port
from lab.server_process import ServerProcess
from lab.wait import GaveUpError, until

_ETCD = "http://127.0.0.1:2379"  # loopback of the namespace
_INNER_URL = f"https://{API_ADDRESS}:443"
_ISSUER = "https://kubernetes.default.svc"
_START_SECONDS = 60


class RealControlPlane(ClusterApi):
    """Used from outside of its namespace, through a port on loopback; a context manager.

    Args:
        work: an existing folder for all that it writes.
        binaries: etcd and API server.
        programs: the rest.
        nodes: names of the nodes that will join.
    """

    def __init__(self, work: Path, binaries: Binaries, programs: NodePrograms, nodes: Sequence[str]) -> None:
        self.log_folder = work / "log"
        self._binaries = binaries
        self._programs = programs
        self._nodes = nodes
        self._servers: list[ServerProcess] = []
        self._holder: ServerProcess | None = None
        self._port = free_port()
        # The server makes its certificate itself: for its addresses in the namespace, and for this name.
        url = f"https://localhost:{self._port}"
        super().__init__(work, url, work / "pki" / "apiserver.crt", admin_token=secrets.token_hex(16))

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def network_pid(self) -> int:
        """A process in its network namespace."""
        if self._holder is None:
            raise ControlPlaneError("the control plane is not started")
        return self._holder.pid

    def start(self) -> None:
        """Start all four and return when the API server is ready.

        Raises:
            ControlPlaneError: one ended or was not ready in time; the message has the end of its log.
        """
        self.log_folder.mkdir(exist_ok=True)
        self._holder = new_network(self._log("network"))
        users = self._write_tokens()
        self._start(self._binaries.etcd, *self._etcd_flags())
        self._start(self._binaries.kube_apiserver, *self._api_server_flags())
        door = ("-m", "lab.nodes.door", str(self._port), f"/proc/{self.network_pid}/ns/net", API_ADDRESS, "443")
        self._servers.append(ServerProcess([sys.executable, *door], self._log("door")))
        try:
            until("the API server", self._is_ready, seconds=_START_SECONDS)
        except GaveUpError as error:
            raise ControlPlaneError(f"{error}; {self._servers[1].log_tail()}") from error
        for name, token in users.items():
            self.kubeconfig(name, token, server=_INNER_URL)
        self.kubeconfig("admin", self.admin_token)
        self._start(
            self._programs.kube_controller_manager,
            f"--kubeconfig={self.work / 'kube-controller-manager.kubeconfig'}",
            f"--service-account-private-key-file={self.ca_file.with_suffix('.key')}",
            f"--root-ca-file={self.ca_file}",
            "--use-service-account-credentials",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
        )
        self._start(
            self._programs.kube_scheduler,
            f"--kubeconfig={self.work / 'kube-scheduler.kubeconfig'}",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
        )

    def stop(self) -> None:
        """End all, then the namespace. Nothing is to be kept, so nobody is given time."""
        self.close()
        while self._servers:
            self._servers.pop().kill()
        if self._holder is not None:
            self._holder.kill()
            self._holder = None

    def _start(self, program: Path, *flags: str) -> None:
        command = in_network(self.network_pid, program, *flags)
        self._servers.append(ServerProcess(command, self._log(program.name)))

    def _log(self, name: str) -> Path:
        return self.log_folder / f"{name}.log"

    def _write_tokens(self) -> dict[str, str]:
        """Everybody's token; returns those that need a kubeconfig, by its name."""
        users = {name: secrets.token_hex(16) for name in ("kube-controller-manager", "kube-scheduler", *self._nodes)}
        lines = [f'{self.admin_token},lab-admin,lab-admin,"system:masters"']
        for name, token in users.items():
            node = name in self._nodes
            groups = ',"system:nodes"' if node else ""
            lines.append(f"{token},system:{'node:' if node else ''}{name},{name}{groups}")
        tokens = self.work / "tokens.csv"
        tokens.touch(mode=0o600)
        tokens.write_text("\n".join(lines) + "\n", encoding="ascii")
        return users

    def _etcd_flags(self) -> Sequence[str]:
        return [
            f"--data-dir={self.work / 'etcd'}",
            "--unsafe-no-fsync",  # the data need not outlive the machine
            f"--listen-client-urls={_ETCD}",
            f"--advertise-client-urls={_ETCD}",
            "--log-level=warn",
        ]

    def _api_server_flags(self) -> Sequence[str]:
        return [
            f"--etcd-servers={_ETCD}",
            "--bind-address=0.0.0.0",
            f"--advertise-address={API_ADDRESS}",
            "--secure-port=443",
            f"--cert-dir={self.ca_file.parent}",
            f"--service-cluster-ip-range={SERVICE_NETWORK}",
            f"--service-account-issuer={_ISSUER}",
            f"--service-account-key-file={self.ca_file}",
            f"--service-account-signing-key-file={self.ca_file.with_suffix('.key')}",
            f"--token-auth-file={self.work / 'tokens.csv'}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            "--kubelet-preferred-address-types=InternalIP",
        ]

    def _is_ready(self) -> bool:
        for server in self._servers:
            if server.exit_status is not None:
                raise ControlPlaneError(f"a server ended with status {server.exit_status}; {server.log_tail()}")
        try:
            return bool(self.request("GET", "/readyz") == "ok")
        except REFUSED_OR_AWAY:
            return False
