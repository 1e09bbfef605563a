"""Where an API server listens, and the networks of its Services: IPv4, IPv6, or both."""

from typing import NamedTuple

from lab.ports import LOOPBACK

LOOPBACK_IPV6 = "::1"


class ServerAddresses(NamedTuple):
    """Flags of kube-apiserver.

    Attributes:
        bound: the address that it listens on; `::` is every address of both families.
        advertised: the address that its certificate is for and that clients use.
        services: networks of Services; the family of the first one is that of the Service `kubernetes`.
    """

    bound: str
    advertised: str
    services: str


IPV4_ONLY = ServerAddresses(LOOPBACK, LOOPBACK, "10.96.0.0/24")
IPV6_ONLY = ServerAddresses(LOOPBACK_IPV6, LOOPBACK_IPV6, "fd00:96::/112")
DUAL_STACK_IPV4_FIRST = ServerAddresses("::", LOOPBACK, "10.96.0.0/24,fd00:96::/112")
DUAL_STACK_IPV6_FIRST = ServerAddresses("::", LOOPBACK_IPV6, "fd00:96::/112,10.96.0.0/24")


def bracketed(host: str) -> str:
    """A host as URLs have it: IPv6 addresses in brackets."""
    return f"[{host}]" if ":" in host else host
