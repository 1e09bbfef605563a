"""What anybody on the network can do to a page of metrics without a right to it."""

import http.client
import resource
import secrets
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import SplitResult, urlsplit

__all__ = ["guess_tokens", "half_open"]

_HALF_A_HEAD = b"GET /metrics HTTP/1.1\r\nHost: node\r\nX-Never-Ends: "
_HALF_A_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
"""The begin of a TLS record of 512 bytes with a ClientHello (RFC 8446, 4.1.2 and 5.1)."""
_SPARE_DESCRIPTORS = 200
_TIMEOUT_SECONDS = 2


@contextmanager
def half_open(url: str, number: int) -> Iterator[int]:
    """Connections that have begun a request and never end it; the answer is how many could be made.

    Args:
        url: of the server; with https it is the handshake that does not end.
        number: how many, as far as this process may have descriptors.
    """
    address = urlsplit(url)
    begin = _HALF_A_HELLO if address.scheme == "https" else _HALF_A_HEAD
    with _descriptors(number + _SPARE_DESCRIPTORS) as most:
        held: list[socket.socket] = []
        try:
            for _ in range(min(number, most - _SPARE_DESCRIPTORS)):
                with suppress(OSError):  # refused, or closed at once: that is the server's right
                    held.append(_begun(address, begin))
            yield len(held)
        finally:
            for connection in held:
                connection.close()


def _begun(address: SplitResult, begin: bytes) -> socket.socket:
    connection = socket.create_connection((address.hostname or "", address.port or 0), timeout=_TIMEOUT_SECONDS / 2)
    try:
        connection.sendall(begin)
    except OSError:
        connection.close()
        raise
    return connection


@contextmanager
def _descriptors(number: int) -> Iterator[int]:
    """Let this process have so many descriptors, or as many as it may; the answer is how many."""
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    now = max(before, number if most == resource.RLIM_INFINITY else min(number, most))
    resource.setrlimit(resource.RLIMIT_NOFILE, (now, most))
    try:
        yield now
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))


def guess_tokens(url: str, number: int) -> dict[int, int]:
    """Ask for the page with another token each time; answers how many answers there were of each HTTP status.

    A connection that breaks counts as status 0.
    """
    address, answers = urlsplit(url), dict[int, int]()
    for _ in range(number):
        connection = _connection(address)
        try:
            headers = {"Authorization": f"Bearer {secrets.token_urlsafe(32)}"}
            connection.request("GET", "/metrics", headers=headers)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException):
            status = 0
        finally:
            connection.close()
        answers[status] = answers.get(status, 0) + 1
    return answers


def _connection(address: SplitResult) -> http.client.HTTPConnection:
    host, port = address.hostname or "", address.port
    if address.scheme != "https":
        return http.client.HTTPConnection(host, port, timeout=_TIMEOUT_SECONDS)
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_SECONDS, context=anybody)
