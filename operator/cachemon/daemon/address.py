"""What an address to listen on means."""

import ipaddress

from cachemon.daemon.settings import Address

__all__ = ["is_loopback"]


def is_loopback(place: Address) -> bool:
    """Whether nobody outside this machine reaches an address."""
    try:
        return ipaddress.ip_address(place.host).is_loopback
    except ValueError:
        return place.host == "localhost"
