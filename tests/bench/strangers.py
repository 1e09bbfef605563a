"""What anybody on the network can do to a page of metrics without a right to it."""

import http.client
import resource
import secrets
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["guess_tokens", "half_open", "scrape", "speaks_tls"]

_HALF_A_HEAD = b"GET /metrics HTTP/1.1\r\nHost: node\r\nX-Never-Ends: "
_HALF_A_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
"""The begin of a TLS record of 512 bytes with a ClientHello (RFC 8446, 4.1.2 and 5.1)."""
_SPARE_DESCRIPTORS = 200
_TIMEOUT_SECONDS = 2


def speaks_tls(address: str) -> bool:
    """Whether a server shakes hands.

    Args:
        address: `HOST:PORT`.
    """
    try:
        with _connect(address, _TIMEOUT_SECONDS) as plain, _anybody().wrap_socket(plain):
            return True
    except OSError:
        return False


def scrape(address: str, token: str, seconds: float) -> str:
    """The page of metrics, as Prometheus with a token takes it; empty where it does not come whole and in time."""
    status, page = _ask(address, token, tls=speaks_tls(address), seconds=seconds)
    return page if status == http.client.OK else ""


@contextmanager
def half_open(address: str, number: int) -> Iterator[int]:
    """Connections that have begun a request and never end it; the answer is how many could be made.

    Args:
        address: of the server, `HOST:PORT`; where it speaks TLS it is the handshake that does not end.
        number: how many, as far as this process may have descriptors.
    """
    begin = _HALF_A_HELLO if speaks_tls(address) else _HALF_A_HEAD
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


def _begun(address: str, begin: bytes) -> socket.socket:
    connection = _connect(address, _TIMEOUT_SECONDS / 2)
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


def guess_tokens(address: str, number: int) -> dict[int, int]:
    """Ask for the page with another token each time; answers how many answers there were of each HTTP status.

    A connection that breaks, or an answer that takes long, counts as status 0.
    """
    tls, answers = speaks_tls(address), dict[int, int]()
    for _ in range(number):
        status, _page = _ask(address, secrets.token_urlsafe(32), tls=tls, seconds=_TIMEOUT_SECONDS)
        answers[status] = answers.get(status, 0) + 1
    return answers


def _ask(address: str, token: str, *, tls: bool, seconds: float) -> tuple[int, str]:
    """The status and the page; (0, "") without an answer."""
    connection = (
        http.client.HTTPSConnection(address, timeout=seconds, context=_anybody())
        if tls
        else http.client.HTTPConnection(address, timeout=seconds)
    )
    try:
        connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except (OSError, http.client.HTTPException):
        return 0, ""
    finally:
        connection.close()


def _connect(address: str, seconds: float) -> socket.socket:
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=seconds)


def _anybody() -> ssl.SSLContext:
    """The server's certificate does not matter here."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
