"""Where the API server is and how to prove who we are."""

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["ClientCertificate", "Credentials"]


class ClientCertificate(NamedTuple):
    """Files in PEM; the key may be in the certificate's file."""

    certificate: str
    key: str | None


def _nothing() -> None:
    """A kubeconfig's token does not change."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """All that it takes to talk to an API server.

    Attributes:
        server: its base URL.
        bearer_token: gives the token as it is now, without the word Bearer; None where there is none.
        ca_file: certificates to trust, PEM; None for those of the system.
        client_certificate: how we log in without a token.
        verifies: whether the server's certificate is checked at all.
        server_name: what the certificate must be for, if not for the host of the URL.
        proxy: URL of a proxy: the kubeconfig's, else the environment's.
        namespace: that of the kubeconfig's context.
        renew: reads a pod's token again at once: the server has refused the one that we have.
    """

    server: str
    bearer_token: Callable[[], Awaitable[str | None]]
    ca_file: str | None = None
    client_certificate: ClientCertificate | None = None
    verifies: bool = True
    server_name: str | None = None
    proxy: str | None = None
    namespace: str = "default"
    renew: Callable[[], None] = _nothing

    def tls(self) -> ssl.SSLContext:
        """How the server is known, and how we are known to it where a certificate says who we are."""
        context = ssl.create_default_context(cafile=self.ca_file)
        if self.client_certificate:
            context.load_cert_chain(*self.client_certificate)
        if not self.verifies:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context
