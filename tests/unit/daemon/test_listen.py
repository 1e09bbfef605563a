import errno
import socket
from pathlib import Path

import pytest

from cachemon.daemon.http_server import listen
from cachemon.daemon.settings import Address
from cachemon.model.errors import InvalidInputError

HAS_IPV6 = Path("/proc/net/if_inet6").exists() and "lo" in Path("/proc/net/if_inet6").read_text()


def answers(listener: socket.socket, host: str) -> bool:
    try:
        with socket.create_connection((host, listener.getsockname()[1]), timeout=5):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not HAS_IPV6, reason="this machine has no IPv6")
def test_every_address_is_that_of_both_families() -> None:
    with listen(Address("::", 0), "--metrics-address") as listener:
        assert answers(listener, "127.0.0.1")
        assert answers(listener, "::1")


@pytest.mark.skipif(not HAS_IPV6, reason="this machine has no IPv6")
def test_one_address_of_ipv6_is_that_alone() -> None:
    with listen(Address("::1", 0), "--metrics-address") as listener:
        assert answers(listener, "::1")
        assert not answers(listener, "127.0.0.1")


def test_a_kernel_without_ipv6_listens_on_ipv4() -> None:
    def open_socket(family: int, kind: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return socket.socket(family, kind)

    with listen(Address("::", 0), "--metrics-address", open_socket) as listener:
        assert listener.family == socket.AF_INET
        assert answers(listener, "127.0.0.1")
    with pytest.raises(InvalidInputError, match=r"--metrics-address \[::1\]:0: Address family not supported"):
        listen(Address("::1", 0), "--metrics-address", open_socket)
