"""Credentials from a kubeconfig, for an agent or operator outside of a pod, by the loader of kubernetes.aio."""

from pathlib import Path
from typing import Any

import yaml
from kubernetes.aio import config
from kubernetes.aio.client.configuration import Configuration

from cachemon.kube.credentials import ClientCertificate, Credentials
from cachemon.kube.proxies import check_proxy
from cachemon.model.errors import InvalidInputError

_NOT_SUPPORTED = ("as", "as-uid", "as-groups", "as-user-extra")


class _Loaded:
    """A kubeconfig as the loader understood it; its exec plugin runs again when the token is in doubt."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_in_doubt = False
        self.settings = Configuration()

    async def load(self) -> None:
        try:
            _refuse_what_is_not_supported(yaml.safe_load(self._path.read_text(encoding="utf-8")))
            await config.load_kube_config(config_file=str(self._path), client_configuration=self.settings)
        except (config.ConfigException, OSError, yaml.YAMLError, AttributeError, TypeError, ValueError) as err:
            # the loader stumbles over a file that is no mapping with whatever error its code meets first
            raise InvalidInputError(f"no Kubernetes credentials from {self._path}: {err}") from err

    def doubt(self) -> None:
        self._is_in_doubt = True

    async def bearer_token(self) -> str | None:
        if self._is_in_doubt:
            self._is_in_doubt = False
            await self.load()
        header = (await self.settings.auth_settings()).get("BearerToken", {}).get("value")
        return header.split(" ", 1)[1] if header else None


async def kubeconfig_credentials(kubeconfig: Path) -> Credentials:
    """Credentials of the current context of the file; InvalidInputError when it can't be used."""
    loaded = _Loaded(kubeconfig)
    await loaded.load()
    settings = loaded.settings
    return Credentials(
        server=str(settings.host).rstrip("/"),
        bearer_token=loaded.bearer_token,
        ca_file=settings.ssl_ca_cert,
        client_certificate=ClientCertificate(settings.cert_file, settings.key_file) if settings.cert_file else None,
        verifies=bool(settings.verify_ssl),
        server_name=settings.tls_server_name,
        proxy=check_proxy(settings.proxy) if settings.proxy else None,
        renew=loaded.doubt,
    )


def _refuse_what_is_not_supported(content: Any) -> None:
    """Raise ValueError for a user that the loader would log in as somebody else."""
    contexts = {item["name"]: item["context"] for item in content["contexts"] or ()}
    chosen = contexts.get(content.get("current-context"), {}).get("user")
    user = next((item["user"] or {} for item in content.get("users") or () if item["name"] == chosen), {})
    found = [name for name in _NOT_SUPPORTED if user.get(name)]
    if (user.get("exec") or {}).get("provideClusterInfo"):
        found.append("exec.provideClusterInfo")
    if found:
        raise ValueError(f"{', '.join(found)} of user {chosen!r} is not supported: use a token or a certificate")
