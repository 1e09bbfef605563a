"""Credentials from a kubeconfig: tokens, certificates, exec plugins, OIDC, by the loader of kubernetes.aio."""

from pathlib import Path

import yaml
from kubernetes.aio import config
from kubernetes.aio.client.configuration import Configuration

from cachemon.kube.credentials import ClientCertificate, Credentials
from cachemon.model.errors import InvalidInputError

__all__ = ["kubeconfig_credentials"]


async def kubeconfig_credentials(kubeconfig: Path, context: str | None) -> Credentials:
    """Credentials of a context of the file, or of its current one; InvalidInputError when it can't be used."""
    loaded = Configuration()
    try:
        await config.load_kube_config(config_file=str(kubeconfig), context=context, client_configuration=loaded)
        namespace = _namespace(kubeconfig, context)
    except (config.ConfigException, OSError, yaml.YAMLError, AttributeError, TypeError, ValueError) as err:
        # the loader stumbles over a file that is no mapping with whatever error its code meets first
        raise InvalidInputError(f"no Kubernetes credentials from {kubeconfig}: {err}") from err

    async def bearer_token() -> str | None:
        """As it is now: the loader renews those that end."""
        header = (await loaded.auth_settings()).get("BearerToken", {}).get("value")
        return header.split(" ", 1)[1] if header else None

    return Credentials(
        server=str(loaded.host).rstrip("/"),
        bearer_token=bearer_token,
        ca_file=loaded.ssl_ca_cert,
        client_certificate=ClientCertificate(loaded.cert_file, loaded.key_file) if loaded.cert_file else None,
        verifies=bool(loaded.verify_ssl),
        server_name=loaded.tls_server_name,
        proxy=loaded.proxy,
        namespace=namespace,
    )


def _namespace(kubeconfig: Path, context: str | None) -> str:
    contexts, current = config.list_kube_config_contexts(config_file=str(kubeconfig))
    chosen = next((item for item in contexts if item["name"] == context), current)
    return str(chosen.get("context", {}).get("namespace") or "default")
