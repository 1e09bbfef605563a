"""Where the API server is and how to prove who we are: in a pod, or by a kubeconfig."""

from dataclasses import dataclass
from pathlib import Path

import yaml
from kubernetes.aio import config
from kubernetes.aio.client.configuration import Configuration

from cachemon.model.errors import InvalidInputError

__all__ = ["Credentials", "load_credentials"]


@dataclass(frozen=True, slots=True)
class Credentials:
    """A loaded configuration.

    Attributes:
        configuration: kubernetes.aio's; it re-reads a pod's projected token every minute.
        namespace: that of the kubeconfig's context.
    """

    configuration: Configuration
    namespace: str = "default"

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


async def load_credentials(kubeconfig: Path | None, context: str | None = None) -> Credentials:
    """Credentials from a kubeconfig, or those of the pod that we run in.

    Args:
        kubeconfig: the file, or None for the service account of the pod.
        context: which context of the file; None for its current one.

    Raises:
        InvalidInputError: the file can't be used, or we are in no pod.
    """
    configuration = Configuration()
    namespace = "default"
    try:
        if kubeconfig is None:
            config.load_incluster_config(client_configuration=configuration)
        else:
            await config.load_kube_config(
                config_file=str(kubeconfig), context=context, client_configuration=configuration
            )
            namespace = _namespace(kubeconfig, context)
    except (config.ConfigException, OSError, yaml.YAMLError, AttributeError, TypeError, ValueError) as err:
        # the loader stumbles over a file that is no mapping with whatever error its code meets first
        where = "the pod's service account" if kubeconfig is None else str(kubeconfig)
        raise InvalidInputError(f"no Kubernetes credentials from {where}: {err}") from err
    return Credentials(configuration, namespace)


def _namespace(kubeconfig: Path, context: str | None) -> str:
    contexts, current = config.list_kube_config_contexts(config_file=str(kubeconfig))
    chosen = next((item for item in contexts if item["name"] == context), current)
    return str(chosen.get("context", {}).get("namespace") or "default")
