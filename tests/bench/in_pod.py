"""Running a program as in a pod: service account and API server where the kubelet puts them."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from cachemon.kube.login import SERVICE_ACCOUNT
from lab.kubernetes.control_plane import ControlPlane


def command_in_pod(command: Sequence[str | Path], control_plane: ControlPlane, token: str, folder: Path) -> list[str]:
    """The command, in a mount namespace of its own that has the token; it takes root.

    Args:
        command: program and arguments.
        control_plane: its certificate is shown too.
        token: of the service account.
        folder: where the token is kept.
    """
    token_file = folder / "token"
    token_file.touch(mode=0o600)
    token_file.write_text(token, encoding="ascii")
    there = shlex.quote(str(SERVICE_ACCOUNT))
    script = (
        f"mount -t tmpfs tmpfs /var/run && mkdir -p {there} && cp {shlex.quote(str(token_file))} {there}/token"
        f' && cp {shlex.quote(str(control_plane.ca_file))} {there}/ca.crt && exec "$@"'
    )
    return ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script, "in-pod", *map(str, command)]


def environment_in_pod(environment: Mapping[str, str], control_plane: ControlPlane) -> dict[str, str]:
    """The environment, with the API server's address."""
    address = urlsplit(control_plane.url)
    service = {"KUBERNETES_SERVICE_HOST": address.hostname or "", "KUBERNETES_SERVICE_PORT": str(address.port)}
    return {**environment, **service}
