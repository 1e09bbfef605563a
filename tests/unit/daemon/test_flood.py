"""What strangers' connections cost a program that serves, and what they leave for others. Real sockets, real TLS."""

import resource
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import NamedTuple

import pytest

from cachemon.daemon.connection_limits import ServerLimits
from lab.ports import LOOPBACK, free_ports
from lab.repository import REPOSITORY
from lab.wait import until
from tests.unit.daemon.serving_process import PAGE

SCRAPER = "127.0.0.2"
STRANGER = "127.0.0.3"
HALF_OPEN = 10_000
UNTIL_ACCEPTED = 100
"""Fewer than the server's backlog: the kernel drops what comes above, and tries again a second later."""
MOST_MIB = 8
SCRAPE_SECONDS = 10  # Prometheus' own default
CLIENT_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"


class Server(NamedTuple):
    pid: int
    port: int
    health_port: int

    @property
    def rss_mib(self) -> float:
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * resource.getpagesize() / 2**20

    @property
    def sockets(self) -> int:
        return sum(_target(link).startswith("socket:") for link in Path(f"/proc/{self.pid}/fd").iterdir())

    def scrape(self, source: str = SCRAPER, token: str = "good") -> tuple[int, bytes]:
        connection = HTTPSConnection(
            LOOPBACK, self.port, timeout=SCRAPE_SECONDS, context=unverified(), source_address=(source, 0)
        )
        try:
            connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def half_open(self, source: str = STRANGER, head: bytes = b"") -> socket.socket:
        connection = socket.create_connection((LOOPBACK, self.port), 30, source_address=(source, 0))
        with suppress(OSError):  # it may be closed already
            connection.sendall(head)
        return connection


def unverified() -> ssl.SSLContext:
    return ssl._create_unverified_context()


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    port, health_port = free_ports(2)
    command = [sys.executable, "-m", "tests.unit.daemon.serving_process", str(port), str(health_port)]
    environment = {"PYTHONPATH": f"{REPOSITORY}:{REPOSITORY}/operator", "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(command, cwd=REPOSITORY, env=environment) as process:
        found = Server(process.pid, port, health_port)
        until("the first scrape", lambda: _answers(found), seconds=60)
        yield found
        process.terminate()


def _answers(server: Server) -> bool:
    try:
        return server.scrape()[0] == 200
    except OSError:
        return False


@pytest.fixture(autouse=True)
def many_descriptors() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] < HALF_OPEN + 1000:
        pytest.skip(f"this process may open {before[1]} files only")
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("head", [b"", b"GET /metrics HTTP/1.1\r\n", CLIENT_HELLO], ids=["silent", "plain", "tls"])
def test_ten_thousand_half_open_connections_cost_little_and_keep_no_scraper_out(server: Server, head: bytes) -> None:
    for _ in range(20):
        server.scrape()
    before = server.rss_mib
    slowest = 0.0
    with ExitStack() as stack:
        for number in range(HALF_OPEN):
            stack.enter_context(server.half_open(f"127.0.1.{number % 250 + 1}", head))
            if number % UNTIL_ACCEPTED == 0:
                began = time.monotonic()
                scraper = f"127.0.4.{number // UNTIL_ACCEPTED + 1}"  # one alone may not connect 100 times a second
                assert server.scrape(scraper) == (200, PAGE)
                slowest = max(slowest, time.monotonic() - began)
        until("the connections over the limit to end", lambda: server.sockets <= ServerLimits().connections + 10)
        assert server.scrape() == (200, PAGE)
        growth = server.rss_mib - before
    print(f"growth {growth:.1f} MiB, slowest scrape {slowest:.2f} s")
    assert growth < MOST_MIB


def test_connections_of_its_own_address_that_are_held_do_not_keep_a_scraper_out(server: Server) -> None:
    with ExitStack() as stack:
        for _ in range(ServerLimits().connections_of_peer):
            stack.enter_context(server.half_open(SCRAPER))
        assert server.scrape() == (200, PAGE)


def test_who_sends_no_request_in_time_is_hung_up_on(server: Server) -> None:
    with ExitStack() as stack:
        ports = (server.health_port, server.port)
        connections = [stack.enter_context(socket.create_connection((LOOPBACK, port), 5)) for port in ports]
        for connection in connections:
            connection.sendall(b"GET")
            connection.settimeout(ServerLimits().head_seconds + 30)
        for connection in connections:
            with suppress(ConnectionResetError):
                assert connection.recv(100) == b""


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\n" + b"A: " + b"a" * 10_000 + b"\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\n" + b"A: a\r\n" * 100 + b"\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        (b"POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n", 405),
    ],
)
def test_a_head_that_is_too_large_or_not_for_us_is_refused_and_the_connection_ends(
    server: Server, head: bytes, status: int
) -> None:
    with socket.create_connection((LOOPBACK, server.health_port), 20) as connection:
        connection.sendall(head)
        answer = HTTPResponse(connection)
        answer.begin()
        assert answer.status == status
        answer.read()
        with suppress(ConnectionResetError):
            assert connection.recv(1) == b""


def test_health_shows_nothing_but_that_all_is_well(server: Server) -> None:
    connection = HTTPConnection(LOOPBACK, server.health_port, timeout=20)
    connection.request("GET", "/healthz")
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"ok\n")
    assert answer.headers["Server"] == "cachemon"
    connection.close()


def test_who_reads_a_page_slowly_costs_a_part_of_it(server: Server) -> None:
    server.scrape()
    before = server.rss_mib
    request = b"GET /metrics HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer good\r\n\r\n"
    readers = 40
    with ExitStack() as stack:
        for number in range(readers):
            raw = socket.socket()
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.settimeout(20)
            raw.bind((f"127.0.2.{number + 1}", 0))
            raw.connect((LOOPBACK, server.port))
            connection = stack.enter_context(unverified().wrap_socket(raw))
            connection.sendall(request)
            connection.recv(1000)
        assert server.scrape() == (200, PAGE)
        growth = server.rss_mib - before
    print(f"growth {growth:.1f} MiB")
    assert growth < readers * len(PAGE) / 2**20 / 2


def test_a_connection_is_kept_for_the_next_scrape_unless_it_was_refused(server: Server) -> None:
    connection = HTTPSConnection(LOOPBACK, server.port, timeout=20, context=unverified())
    for _ in range(3):
        connection.request("GET", "/metrics", headers={"Authorization": "Bearer good", "Accept-Encoding": "gzip"})
        answer = connection.getresponse()
        body = answer.read()
        assert (answer.status, answer.headers["Content-Encoding"], answer.will_close) == (200, "gzip", False)
        assert len(body) < len(PAGE)
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    assert (answer.status, answer.headers["WWW-Authenticate"], answer.will_close) == (401, "Bearer", True)
    connection.close()
