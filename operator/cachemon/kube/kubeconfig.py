"""Credentials from a kubeconfig, for an agent or operator outside of a pod, by the loader of kubernetes.aio."""

from collections.abc import Mapping
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
        self._name: str | None = None
        self._user: Mapping[str, Any] = {}
        self.settings = Configuration()

    async def load(self) -> None:
        try:
            self._name, self._user = _user_of(yaml.safe_load(self._path.read_text(encoding="utf-8")))
            _refuse_what_is_not_supported(self._name, self._user)
            await config.load_kube_config(config_file=str(self._path), client_configuration=self.settings)
        except KeyError as err:
            raise self._unusable(f"it lacks the key {err}") from err
        except (config.ConfigException, OSError, yaml.YAMLError, AttributeError, TypeError, ValueError) as err:
            # the loader stumbles over a file that is no mapping with whatever error its code meets first
            raise self._unusable(str(err)) from err

    async def check(self) -> None:
        """Refuse a plugin that gave nothing: the loader logs its error, and would log in as nobody."""
        if self._user.get("exec") and not self.settings.cert_file and await self.bearer_token() is None:
            raise self._unusable(
                f"the exec plugin of user {self._name!r} failed, or gave neither a token nor a certificate; "
                "see its error above"
            )

    def _unusable(self, problem: str) -> InvalidInputError:
        return InvalidInputError(f"no Kubernetes credentials from {self._path}: {problem}")

    def doubt(self) -> None:
        self._is_in_doubt = True

    async def bearer_token(self) -> str | None:
        if self._is_in_doubt:
            self._is_in_doubt = False
            await self.load()
        header = (await self.settings.auth_settings()).get("BearerToken", {}).get("value")
        return header.split(" ", 1)[1].strip() if header else None  # a tokenFile may end with a line feed


async def kubeconfig_credentials(kubeconfig: Path) -> Credentials:
    """Credentials of the current context of the file; InvalidInputError when it can't be used."""
    loaded = _Loaded(kubeconfig)
    await loaded.load()
    await loaded.check()
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


def _user_of(content: Any) -> tuple[str | None, Mapping[str, Any]]:
    """Name and content of the user of the current context; empty when there is none."""
    contexts = {item["name"]: item["context"] for item in content["contexts"] or ()}
    chosen = contexts.get(content.get("current-context"), {}).get("user")
    return chosen, next((item["user"] or {} for item in content.get("users") or () if item["name"] == chosen), {})


def _refuse_what_is_not_supported(name: str | None, user: Mapping[str, Any]) -> None:
    """Raise ValueError for a user that the loader would log in as somebody else, or as nobody."""
    command = Path((user.get("exec") or {}).get("command") or "")
    if len(command.parts) > 1 and not command.is_absolute():
        # kubectl looks beside the kubeconfig, the loader in the working directory
        raise ValueError(f"exec.command {command} of user {name!r} is relative: give its absolute path")
    found = [key for key in _NOT_SUPPORTED if user.get(key)]
    if (user.get("exec") or {}).get("provideClusterInfo"):
        found.append("exec.provideClusterInfo")
    if found:
        raise ValueError(f"{', '.join(found)} of user {name!r} is not supported: use a token or a certificate")
