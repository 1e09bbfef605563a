import asyncio
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from cachemon.model.errors import InvalidInputError
from cachemon.web.page_source import Subject
from cachemon.web.points import Track
from cachemon.web.prometheus_history import PastPoints, PrometheusHistory, PrometheusServer, read_server
from cachemon.web.prometheus_matrix import Scope
from tests.integration.kubectl.certificates import Certificates, make_certificates

NODE = Subject(node="node01")
MATRIX = {
    "status": "success",
    "data": {
        "resultType": "matrix",
        "result": [
            {"metric": {"node": "node01", "namespace": "a", "name": "vm1", "cache_id": "0"}, "values": [[1000, "5"]]}
        ],
    },
}


class FakePrometheus(ThreadingHTTPServer):
    """Answers every query alike.

    Attributes:
        asked: path, parameters and Authorization of each request.
    """

    def __init__(self, status: int = 200, body: bytes = b"", tls: Certificates | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.body = status, body or json.dumps(MATRIX).encode()
        self.asked: list[tuple[str, dict[str, list[str]], str]] = []
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls.server, tls.server_key)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that does not trust the certificate is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: FakePrometheus

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.server.asked.append((parts.path, parse_qs(parts.query), self.headers.get("Authorization", "")))
        self.send_response(self.server.status)
        if self.server.status == 302:
            self.send_header("Location", self.server.url)
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def prometheus(status: int = 200, body: bytes = b"", tls: Certificates | None = None) -> Iterator[FakePrometheus]:
    server = FakePrometheus(status, body, tls)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def ask(server: PrometheusServer, *, seconds: float = 3600.0, until: float = 1000.4) -> PastPoints:
    return asyncio.run(PrometheusHistory(server, Scope()).points(NODE, seconds, until))


def test_the_span_until_the_page_was_opened_is_asked_for() -> None:
    with prometheus() as server:
        found = ask(read_server(server.url + "/prefix/"))
    assert found.problem == ""
    assert {(path, authorization) for path, _, authorization in server.asked} == {("/prefix/api/v1/query_range", "")}
    assert sorted(parameters["query"][0].partition("{")[0] for _, parameters, _ in server.asked) == [
        "max by (cluster, cache_id, node) (cachemon_node_cache_occupancy_bytes",
        "max by (cluster, cache_id, node, namespace, name) (cachemon_vmi_cache_occupancy_bytes",
        "max by (cluster, cache_id, node, namespace, name) (rate(cachemon_vmi_memory_traffic_bytes_total",
    ]
    assert all((it["start"], it["end"], it["step"]) == (["-2600"], ["1000"], ["15"]) for _, it, _ in server.asked)
    points = found.tracks[Track("node01", "a/vm1")]
    assert (points.times[0], points.times[-1], len(points.times)) == (-2600, 1000, 241)


def test_long_spans_have_longer_steps() -> None:
    with prometheus() as server:
        found = ask(read_server(server.url), seconds=86_400)
    assert server.asked[0][1]["step"] == ["360"]
    assert {len(points.times) for points in found.tracks.values()} == {241}


def test_an_answer_is_asked_for_once_and_again_after_some_minutes() -> None:
    now = [0.0]

    async def run(history: PrometheusHistory) -> None:
        for moment in (0, 100, 299, 301):
            now[0] = moment
            assert (await history.points(NODE, 3600, 1000)).problem == ""

    with prometheus() as server:
        asyncio.run(run(PrometheusHistory(read_server(server.url), Scope(), lambda: now[0])))
    assert len(server.asked) == 6


def test_a_failure_is_asked_about_soon_again() -> None:
    now = [0.0]

    async def run(history: PrometheusHistory, server: FakePrometheus) -> None:
        assert "answers 500" in (await history.points(NODE, 3600, 1000)).problem
        server.status = 200
        now[0] = 16
        assert (await history.points(NODE, 3600, 1000)).problem == ""

    with prometheus(500) as server:
        asyncio.run(run(PrometheusHistory(read_server(server.url), Scope(), lambda: now[0]), server))


def test_the_token_of_now_is_sent_to_loopback(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("first\n")
    with prometheus() as server:
        named = read_server(server.url, tmp_path / "token")
        ask(named)
        (tmp_path / "token").write_text("second\n")
        ask(named)
    assert [authorization for _, _, authorization in server.asked] == ["Bearer first"] * 3 + ["Bearer second"] * 3


def test_a_redirection_is_not_followed_as_the_token_is_for_one_server(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret")
    with prometheus() as other, prometheus(302) as server:
        server.url = other.url
        found = ask(read_server(f"http://127.0.0.1:{server.server_address[1]}", tmp_path / "token"))
    assert "it answers 302 Found" in found.problem
    assert other.asked == []


def test_its_certificate_must_be_signed_by_who_is_trusted(certificates: Certificates) -> None:
    with prometheus(tls=certificates) as server:
        assert ask(read_server(server.url, certificate_file=certificates.authority)).problem == ""
        for trusted in (None, certificates.stranger):
            problem = ask(read_server(server.url, certificate_file=trusted)).problem
            assert problem.startswith(f"no history from Prometheus at {server.url}: ")
            assert "certificate verify failed" in problem


@pytest.mark.parametrize(
    ("status", "body", "problem"),
    [
        (200, b"<html>", "its answer is no JSON"),
        (200, b"[]", "its answer is not that of a Prometheus"),
        (200, b"[" * 100_000, "its answer is no JSON"),
        (422, b'{"status": "error", "error": "query timed out"}', "it says: query timed out"),
        (403, b"", "it answers 403 Forbidden"),
    ],
)
def test_what_is_no_answer_is_a_remark(status: int, body: bytes, problem: str) -> None:
    with prometheus(status, body) as server:
        found = ask(read_server(server.url))
    assert found == PastPoints({}, f"no history from Prometheus at {server.url}: {problem}")


def test_an_answer_that_never_ends_is_not_read_to_its_end() -> None:
    with prometheus(200, b" " * ((32 << 20) + 1)) as server:
        assert "its answer has more than 32 MiB" in ask(read_server(server.url)).problem


def test_nobody_there_is_a_remark() -> None:
    with prometheus() as server:
        pass
    assert "Connection refused" in ask(read_server(server.url)).problem


@pytest.mark.parametrize(
    "url",
    [
        "prometheus:9090",
        "ftp://prometheus",
        "https://",
        "https://user@prometheus",
        "https://p:0",
        "https://p:x",
        "http://[::1",
    ],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InvalidInputError, match=r"must be an http or https address without a user: type one such as"):
        read_server(url)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "[::1]"])
def test_a_token_may_go_to_loopback_without_tls(host: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret")
    assert read_server(f"http://{host}:9090", tmp_path / "token").token_file == tmp_path / "token"


@pytest.mark.parametrize("host", ["prometheus.example", "10.0.0.1", "localhost.example", "127.0.0.1.example"])
def test_and_nowhere_else(host: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret")
    with pytest.raises(InvalidInputError, match="a token is sent by https or to loopback only"):
        read_server(f"http://{host}:9090", tmp_path / "token")
    assert read_server(f"https://{host}:9090", tmp_path / "token").url.hostname == host


@pytest.mark.parametrize("flag", ["token", "ca"])
def test_a_file_that_is_missing_is_named(flag: str, tmp_path: Path) -> None:
    files = (tmp_path / "missing", None) if flag == "token" else (None, tmp_path / "missing")
    with pytest.raises(InvalidInputError, match=f"--prometheus-{flag}-file .*missing: there is no such file"):
        read_server("https://prometheus.example", *files)
