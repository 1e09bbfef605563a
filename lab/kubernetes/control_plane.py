"""A real Kubernetes API on loopback: etcd and kube-apiserver as two processes, with RBAC and admission.

Only these two run. There is no controller manager and so no garbage collector: nobody acts on owner
references (an object whose owner is deleted stays), nobody makes ServiceAccounts in new namespaces, nobody turns
a DaemonSet into pods, a deleted namespace stays `Terminating`, and nodes stay as `ControlPlane.add_node` wrote
them. There is no kubelet either: pods are records.
"""

import json
import secrets
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from lab.kubernetes.address_families import IPV4_ONLY, ServerAddresses, bracketed
from lab.kubernetes.api_client import REFUSED_OR_AWAY
from lab.kubernetes.binaries import Binaries, find_or_make
from lab.kubernetes.cluster_api import AGENT_NAMESPACE, AGENT_SERVICE_ACCOUNT, ClusterApi, ControlPlaneError
from lab.ports import LOOPBACK, free_port, free_ports
from lab.server_process import ServerProcess
from lab.speed import allowance
from lab.wait import GaveUpError, until

__all__ = ["AGENT_NAMESPACE", "AGENT_SERVICE_ACCOUNT", "ControlPlane", "ControlPlaneError"]

_AUDIT_POLICY = Path(__file__).parent / "audit-policy.yaml"
_START_SECONDS = 60
_STOP_API_SERVER_SECONDS = 2  # with watches open it would take its time; etcd holds all that matters
_STOP_ETCD_SECONDS = 5
_ISSUER = "https://kubernetes.default.svc"


class ControlPlane(ClusterApi):
    """The local Kubernetes; a context manager that starts it and stops it.

    Everything it writes (etcd's data, certificates, logs, kubeconfigs) is in `work`; the caller removes that.
    etcd listens on 127.0.0.1 only and has no access control: whoever may run programs here may read it.

    Args:
        work: a folder, made if missing.
        binaries: etcd and kube-apiserver; found or made when absent.
        addresses: where the API server listens, by default on 127.0.0.1 only.
    """

    def __init__(self, work: Path, binaries: Binaries | None = None, addresses: ServerAddresses = IPV4_ONLY) -> None:
        work = work.absolute()
        self._addresses = addresses
        self._port = free_port()
        url = f"https://{bracketed(addresses.advertised)}:{self._port}"
        super().__init__(work, url, work / "pki" / "apiserver.crt", admin_token=secrets.token_hex(16))
        self.audit_log = work / "audit.log"
        self._binaries = binaries
        self._etcd: ServerProcess | None = None
        self._etcd_port = 0
        self._api_server: ServerProcess | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start both servers and return when the API server is ready.

        Raises:
            ControlPlaneError: a server ended or was not ready in time; the message has the end of its log.
            BinariesError: etcd and kube-apiserver are not there and could not be made.
        """
        if self._etcd is not None:
            raise ControlPlaneError("the control plane is running already")
        self.work.mkdir(parents=True, exist_ok=True)
        if self._binaries is None:
            self._binaries = find_or_make()
        self._etcd_port, peer_port = free_ports(2)
        self._write_admin_token()
        try:
            self._start_etcd(self._binaries.etcd, peer_port)
            self.start_api_server()
        except BaseException:
            self.stop()
            raise
        self.kubeconfig("admin", self.admin_token)

    def stop(self) -> None:
        """Stop the API server, then etcd (without etcd the API server does not end on SIGTERM)."""
        self.stop_api_server()
        self.close()
        if self._etcd is not None:
            self._etcd.stop(_STOP_ETCD_SECONDS)
            self._etcd = None

    def start_api_server(self) -> None:
        """Start the API server and wait until it is ready; after a stop it has the same port, keys and data.

        Raises:
            ControlPlaneError: as `start`.
        """
        if self._api_server is not None:
            raise ControlPlaneError("the API server is running already")
        if self._binaries is None or self._etcd is None:
            raise ControlPlaneError("start() comes first: the API server needs etcd")
        self._api_server = ServerProcess(
            [self._binaries.kube_apiserver, *self._api_server_flags()], self.work / "kube-apiserver.log"
        )
        try:
            until("the API server", self._is_ready, seconds=_START_SECONDS)
        except GaveUpError as error:
            raise ControlPlaneError(f"{error}; {self._api_server.log_tail()}") from error

    def stop_api_server(self) -> None:
        """Take the API server away: clients see refused connections, as in an outage. etcd stays."""
        if self._api_server is not None:
            self._api_server.stop_or_kill(_STOP_API_SERVER_SECONDS)
            self._api_server = None

    def compact(self) -> int:
        """Let etcd forget all history, as the API server has it do every five minutes; answers up to where.

        A running API server still has what it remembers itself: start it anew.
        """
        revision = int(self._etcd_request("maintenance/status", {})["header"]["revision"])
        self._etcd_request("kv/compaction", {"revision": revision, "physical": True})
        return revision

    def etcd_counter(self, name: str) -> float:
        """A metric of etcd that has no labels, such as `etcd_disk_wal_write_bytes_total`."""
        with urllib.request.urlopen(
            f"http://{LOOPBACK}:{self._etcd_port}/metrics", timeout=allowance(_START_SECONDS)
        ) as answer:
            page: str = answer.read().decode()
        return next(float(line.split()[1]) for line in page.splitlines() if line.startswith(f"{name} "))

    def _etcd_request(self, call: str, body: dict[str, Any]) -> dict[str, Any]:
        """One call of etcd's API, by its JSON gateway."""
        request = urllib.request.Request(
            f"http://{LOOPBACK}:{self._etcd_port}/v3/{call}", json.dumps(body).encode(), method="POST"
        )
        with urllib.request.urlopen(request, timeout=allowance(_START_SECONDS)) as answer:
            decoded: dict[str, Any] = json.load(answer)
        return decoded

    def pids(self) -> dict[str, int]:
        """The running servers' process ids by program name."""
        return {server.name: server.pid for server in (self._etcd, self._api_server) if server is not None}

    def audit_events(self, mentioning: str = "") -> list[dict[str, Any]]:
        """What the API server recorded so far, oldest first (audit.k8s.io/v1 Event).

        An event can come a moment after the answer to its request.

        Args:
            mentioning: leave out events without this text; they are not even parsed, and there may be thousands.
        """
        if not self.audit_log.exists():
            return []
        lines = self.audit_log.read_text(encoding="utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines if mentioning in line and line.endswith("\n")]

    def _write_admin_token(self) -> None:
        tokens = self.work / "tokens.csv"
        tokens.touch(mode=0o600)
        tokens.write_text(f'{self.admin_token},lab-admin,lab-admin,"system:masters"\n', encoding="ascii")

    def _start_etcd(self, program: Path, peer_port: int) -> None:
        client, peer = f"http://{LOOPBACK}:{self._etcd_port}", f"http://{LOOPBACK}:{peer_port}"
        flags: list[str | Path] = [
            "--data-dir", self.work / "etcd",
            "--unsafe-no-fsync",  # the data need not outlive the machine
            "--listen-client-urls", client,
            "--advertise-client-urls", client,
            "--listen-peer-urls", peer,
            "--initial-advertise-peer-urls", peer,
            "--initial-cluster", f"default={peer}",
            "--log-level", "warn",
        ]  # fmt: skip
        self._etcd = ServerProcess([program, *flags], self.work / "etcd.log")

    def _api_server_flags(self) -> Sequence[str]:
        # The server makes its certificate and key itself at its first start. The same key signs the tokens of
        # ServiceAccounts: so the lab needs no tool that makes keys.
        return [
            f"--etcd-servers=http://{LOOPBACK}:{self._etcd_port}",
            f"--bind-address={self._addresses.bound}",
            f"--advertise-address={self._addresses.advertised}",
            "--endpoint-reconciler-type=none",  # a loopback address can be no endpoint of Service kubernetes
            f"--secure-port={self._port}",
            f"--cert-dir={self.ca_file.parent}",
            f"--service-cluster-ip-range={self._addresses.services}",
            f"--service-account-issuer={_ISSUER}",
            f"--service-account-key-file={self.ca_file}",
            f"--service-account-signing-key-file={self.ca_file.with_suffix('.key')}",
            f"--token-auth-file={self.work / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--disable-admission-plugins=ServiceAccount",  # no controller makes the account `default`
            "--allow-privileged=true",
            "--request-timeout=10m",  # on a busy machine a collection of a thousand takes more than the usual minute
            f"--audit-policy-file={_AUDIT_POLICY}",
            f"--audit-log-path={self.audit_log}",
        ]

    def _is_ready(self) -> bool:
        for server in (self._etcd, self._api_server):
            if server is not None and server.exit_status is not None:
                raise ControlPlaneError(f"{server.name} ended with status {server.exit_status}; {server.log_tail()}")
        try:
            return bool(self.request("GET", "/readyz") == "ok")
        except REFUSED_OR_AWAY:
            return False
