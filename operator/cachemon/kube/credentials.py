"""Where the API server is and how to prove who we are."""

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

from cachemon.kube.trust import trusting


class ClientCertificate(NamedTuple):
    """Files in PEM; the key may be in the certificate's file."""

    certificate: str
    key: str | None


@dataclass(frozen=True, slots=True)
class Credentials:
    """All that it takes to talk to an API server."""

    server: str  # its base URL
    bearer_token: Callable[[], Awaitable[str | None]]  # the token of now, without the word Bearer; None without one
    ca_file: str | None = None  # certificates to trust, PEM; None for those of the system
    client_certificate: ClientCertificate | None = None  # how we log in without a token
    verifies: bool = True  # whether the server's certificate is checked at all
    server_name: str | None = None  # what the certificate must be for, if not for the host of the URL
    proxy: str | None = None  # URL of a proxy: the kubeconfig's, else the environment's
    renew: Callable[[], None] = lambda: None  # reads a token anew, as the server has refused the one that we have

    def tls(self) -> ssl.SSLContext:
        """How the server is known, and how we are known to it where a certificate says who we are."""
        context = trusting(self.ca_file)
        if self.client_certificate:
            context.load_cert_chain(*self.client_certificate)
        if not self.verifies:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context
