"""Finding credentials: those of the pod that we run in, or a kubeconfig's."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from cachemon.kube.credentials import Credentials
from cachemon.kube.proxies import proxy_of_environment
from cachemon.model.errors import InvalidInputError

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_BELIEVE_TOKEN_SECONDS = 60.0
"""The kubelet writes a new token when a fifth of the old one's life is left: 12 minutes of an hour."""


async def load_credentials(
    kubeconfig: Path | None,
    *,
    service_account: Path = SERVICE_ACCOUNT,
    environment: Mapping[str, str] = os.environ,
) -> Credentials:
    """Credentials from the current context of a kubeconfig, or those of the pod that we run in.

    InvalidInputError when the file can't be used, or when we are in no pod.
    """
    if kubeconfig is None:
        return pod_credentials(environment, service_account)
    # kubernetes.aio is 20 MiB of memory in a process that needs none of it in a pod; our images don't have it
    try:
        from cachemon.kube.kubeconfig import kubeconfig_credentials  # noqa: PLC0415
    except ModuleNotFoundError as err:
        raise InvalidInputError(f"{err}: to use a kubeconfig, pip install 'cachemon[kubeconfig]'") from err

    credentials = await kubeconfig_credentials(kubeconfig)
    return replace(credentials, proxy=credentials.proxy or proxy_of_environment(credentials.server, environment))


def pod_credentials(environment: Mapping[str, str], service_account: Path = SERVICE_ACCOUNT) -> Credentials:
    """Those that the kubelet gives to every container: the address of the API server, `token` and `ca.crt`.

    InvalidInputError when we are in no pod, or its service account is not mounted.
    """
    host, port = (environment.get(f"KUBERNETES_SERVICE_{part}") for part in ("HOST", "PORT"))
    if not host or not port:
        raise InvalidInputError("not in a pod (no KUBERNETES_SERVICE_HOST and _PORT): name a file with --kubeconfig")
    ca_file = service_account / "ca.crt"
    token = TokenFile(service_account / "token")
    try:
        token.read()
        ca_file.read_bytes()
    except OSError as err:
        raise InvalidInputError(
            f"no Kubernetes credentials from the pod's service account: {err}; is automountServiceAccountToken off?"
        ) from err
    server = f"https://{f'[{host}]' if ':' in host else host}:{port}"
    proxy = proxy_of_environment(server, environment)
    return Credentials(server, token, str(ca_file), proxy=proxy, renew=token.doubt)


class TokenFile:
    """A token that somebody renews in place."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._token: str | None = None
        self._read_again_at = 0.0

    def read(self) -> str | None:
        """The token as it stands in the file now; raises OSError."""
        self._token = self._path.read_text(encoding="utf-8").strip() or None
        self._read_again_at = self._clock() + _BELIEVE_TOKEN_SECONDS
        return self._token

    def doubt(self) -> None:
        """Read the file again before the next use, as the server has refused the token."""
        self._read_again_at = self._clock()

    async def __call__(self) -> str | None:
        """The token, at most a minute old; the one before while the file can't be read."""
        if self._clock() >= self._read_again_at:
            try:
                self.read()
            except OSError:
                self._read_again_at = self._clock() + 1
        return self._token
