"""Where the API server is and how to prove who we are: in a pod, or by a kubeconfig."""

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from kubernetes.aio import config
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config.incluster_config import InClusterConfigLoader

from cachemon.model.errors import InvalidInputError

__all__ = ["Credentials", "load_credentials"]

log = logging.getLogger(__name__)

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def _nothing() -> None:
    """A kubeconfig's token does not change."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A loaded configuration.

    Attributes:
        configuration: kubernetes.aio's; it re-reads a pod's projected token every minute.
        namespace: that of the kubeconfig's context.
        renew: reads a pod's token again at once: the server has refused the one that we have.
    """

    configuration: Configuration
    namespace: str = "default"
    renew: Callable[[], None] = _nothing

    @property
    def server(self) -> str:
        """Base URL of the API server."""
        return str(self.configuration.host)

    @property
    def ca_file(self) -> str | None:
        """File of certificates to trust, PEM."""
        path: str | None = self.configuration.ssl_ca_cert
        return path

    async def bearer_token(self) -> str | None:
        """The token now, without the word Bearer; None where a client certificate serves."""
        header = (await self.configuration.auth_settings()).get("BearerToken", {}).get("value")
        return header.split(" ", 1)[1] if header else None

    @property
    def client_certificate(self) -> tuple[str, str] | None:
        """Files of certificate and key, if that is how we log in."""
        if not self.configuration.cert_file:
            return None
        return self.configuration.cert_file, self.configuration.key_file


async def load_credentials(
    kubeconfig: Path | None,
    context: str | None = None,
    *,
    service_account: Path = SERVICE_ACCOUNT,
    environment: Mapping[str, str] = os.environ,
) -> Credentials:
    """Credentials from a kubeconfig, or those of the pod that we run in.

    Args:
        kubeconfig: the file, or None for the service account of the pod.
        context: which context of the file; None for its current one.
        service_account: where a pod's token and certificate are.
        environment: where a pod is told the API server's address.

    Raises:
        InvalidInputError: the file can't be used, or we are in no pod.
    """
    configuration = Configuration()
    namespace = "default"
    renew: Callable[[], None] = _nothing
    try:
        if kubeconfig is None:
            renew = _in_pod(configuration, service_account, environment)
        else:
            await config.load_kube_config(
                config_file=str(kubeconfig), context=context, client_configuration=configuration
            )
            namespace = _namespace(kubeconfig, context)
    except (config.ConfigException, OSError, yaml.YAMLError, AttributeError, TypeError, ValueError) as err:
        # the loader stumbles over a file that is no mapping with whatever error its code meets first
        where = "the pod's service account" if kubeconfig is None else str(kubeconfig)
        raise InvalidInputError(f"no Kubernetes credentials from {where}: {err}") from err
    return Credentials(configuration, namespace, renew)


def _in_pod(
    configuration: Configuration, service_account: Path, environment: Mapping[str, str]
) -> Callable[[], None]:
    files = (str(service_account / "token"), str(service_account / "ca.crt"))

    def load() -> None:
        InClusterConfigLoader(*files, environ=environment).load_and_set(configuration)

    def renew() -> None:
        try:
            load()
        except (config.ConfigException, OSError) as err:
            log.warning("the pod's token can't be read again: %s", err)

    load()
    return renew


def _namespace(kubeconfig: Path, context: str | None) -> str:
    contexts, current = config.list_kube_config_contexts(config_file=str(kubeconfig))
    chosen = next((item for item in contexts if item["name"] == context), current)
    return str(chosen.get("context", {}).get("namespace") or "default")
