"""A pod's token that the API server refuses, and the one that the kubelet writes in its place."""

import asyncio
import base64
import json
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes.client import ApiException

from cachemon.kube.client import KubeClient
from cachemon.kube.login import load_credentials
from cachemon.model.api import NODES, ObjectName
from cachemon.model.errors import KubeNotFoundError, KubeUnreachableError
from lab.kubernetes.cluster_api import AGENT_NAMESPACE, AGENT_SERVICE_ACCOUNT
from lab.kubernetes.control_plane import ControlPlane
from lab.wait import until
from tests.integration.apiserver.examples import nodes_path


@pytest.fixture
def node(control_plane: ControlPlane) -> Iterator[str]:
    """A node with the record of an agent's pod."""
    name = f"tokens-{secrets.token_hex(4)}"
    control_plane.add_node(name)
    pod = control_plane.add_agent_pod(name)
    yield name
    now = {"kind": "DeleteOptions", "gracePeriodSeconds": 0}
    control_plane.request("DELETE", f"/api/v1/namespaces/{AGENT_NAMESPACE}/pods/{pod}", now)
    control_plane.request("DELETE", f"/api/v1/nodes/{name}")


def bound_token(control_plane: ControlPlane, node: str) -> str:
    pod = f"{AGENT_SERVICE_ACCOUNT}-{node}"
    return control_plane.service_account_token(AGENT_NAMESPACE, AGENT_SERVICE_ACCOUNT, bound_pod=pod)


def as_expired(token: str, key: Path) -> str:
    """The same token with an end that has passed, signed with the API server's own key."""
    header, payload, _ = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    then = int(time.time()) - 7200
    claims |= {"iat": then, "nbf": then, "exp": then + 3600}
    signed = f"{header}.{encoded(json.dumps(claims).encode())}"
    command = ["openssl", "dgst", "-sha256", "-sign", str(key)]
    return (
        f"{signed}.{encoded(subprocess.run(command, input=signed.encode(), capture_output=True, check=True).stdout)}"
    )


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl signs the expired token")
def test_a_client_whose_token_has_expired_reads_the_file_again_and_goes_on(
    control_plane: ControlPlane, node: str, tmp_path: Path
) -> None:
    good = bound_token(control_plane, node)
    host, port = control_plane.url.removeprefix("https://").split(":")
    environment = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
    shutil.copy(control_plane.ca_file, tmp_path / "ca.crt")
    file = tmp_path / "token"
    file.write_text(as_expired(good, control_plane.ca_file.with_suffix(".key")))

    async def story() -> None:
        credentials = await load_credentials(None, service_account=tmp_path, environment=environment)
        async with KubeClient(credentials) as client:
            for _ in range(2):
                with pytest.raises(KubeUnreachableError, match="Unauthorized"):
                    await client.get(NODES, ObjectName("", node))
            file.unlink()
            with pytest.raises(KubeUnreachableError, match="Unauthorized"):
                await client.get(NODES, ObjectName("", node))
            file.write_text(good)
            with pytest.raises(KubeNotFoundError):  # we are let in; the object was never made
                await client.get(NODES, ObjectName("", node))

    until("the agent's right to get", lambda: not_found(control_plane, nodes_path(node), good))
    asyncio.run(story())


def not_found(control_plane: ControlPlane, path: str, token: str) -> bool:
    try:
        control_plane.request("GET", path, token=token)
    except ApiException as error:
        return bool(error.status == 404)
    return False
