"""What anybody on the network can do to a page of metrics without a right to it."""

import http.client
import resource
import secrets
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_HALF_A_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
"""The begin of a TLS record of 512 bytes with a ClientHello (RFC 8446, 4.1.2 and 5.1)."""
_SPARE_DESCRIPTORS = 200
_TIMEOUT_SECONDS = 2
_STRANGERS = 200
"""Addresses that connections come from: one address is served slowly. Whoever scrapes comes from another."""


def scrape(address: str, token: str, seconds: float) -> str:
    """The page of metrics, as Prometheus with a token takes it; empty where it does not come whole and in time.

    Args:
        address: of the server, `HOST:PORT`.
        token: of somebody who may read it.
        seconds: the longest wait for the connection, and for each part of the answer.
    """
    status, page = _ask(address, token, seconds)
    return page if status == http.client.OK else ""


@contextmanager
def half_open(address: str, number: int) -> Iterator[int]:
    """Connections that have begun a TLS handshake and never end it; the answer is how many could be made.

    Args:
        address: of the server, `HOST:PORT`.
        number: how many, as far as this process may have descriptors.
    """
    with _descriptors(number + _SPARE_DESCRIPTORS) as most:
        held: list[socket.socket] = []
        try:
            for place in range(min(number, most - _SPARE_DESCRIPTORS)):
                with suppress(OSError):  # refused, or closed at once: that is the server's right
                    held.append(_begun(address, _stranger(place)))
            yield len(held)
        finally:
            for connection in held:
                connection.close()


def guess_tokens(address: str, number: int) -> dict[int, int]:
    """Ask for the page with another token each time; answers how many answers there were of each HTTP status.

    A connection that breaks, or an answer that takes long, counts as status 0.
    """
    answers = dict[int, int]()
    for place in range(number):
        status, _page = _ask(address, secrets.token_urlsafe(32), _TIMEOUT_SECONDS, _stranger(place))
        answers[status] = answers.get(status, 0) + 1
    return answers


def _stranger(place: int) -> str:
    """An address of this machine that nobody else uses."""
    return f"127.0.9.{place % _STRANGERS + 1}"


def _begun(address: str, source: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    connection = socket.create_connection((host, int(port)), _TIMEOUT_SECONDS / 2, (source, 0))
    try:
        connection.sendall(_HALF_A_HELLO)
    except OSError:
        connection.close()
        raise
    return connection


@contextmanager
def _descriptors(number: int) -> Iterator[int]:
    """Raise the limit of descriptors to this number, or to the hard limit; return the limit."""
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    now = max(before, number if most == resource.RLIM_INFINITY else min(number, most))
    resource.setrlimit(resource.RLIMIT_NOFILE, (now, most))
    try:
        yield now
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))


def _ask(address: str, token: str, seconds: float, source: str = "") -> tuple[int, str]:
    """The status and the page; (0, "") without an answer."""
    connection = http.client.HTTPSConnection(
        address, timeout=seconds, context=_anybody(), source_address=(source, 0) if source else None
    )
    try:
        connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except (OSError, http.client.HTTPException):
        return 0, ""
    finally:
        connection.close()


def _anybody() -> ssl.SSLContext:
    """The server's certificate does not matter here."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
