"""An API server that has no objects and writes down how it is asked, and a proxy that writes down for whom."""

import http.server
import json
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from tests.integration.kubectl.certificates import Certificates

GROUP = "/apis/cachemon.dev/v1alpha1"
_RESOURCES = [
    {"name": name, "singularName": kind.lower(), "namespaced": namespaced, "kind": kind, "verbs": ["get", "list"]}
    for name, kind, namespaced in (
        ("cachemonitorgroups", "CacheMonitorGroup", True),
        ("cachemonitornodes", "CacheMonitorNode", False),
    )
]
_GROUP_VERSION = {"groupVersion": "cachemon.dev/v1alpha1", "version": "v1alpha1"}
_DISCOVERY: dict[str, dict[str, Any]] = {
    "/api": {"kind": "APIVersions", "versions": []},
    "/apis": {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [{"name": "cachemon.dev", "versions": [_GROUP_VERSION], "preferredVersion": _GROUP_VERSION}],
    },
    GROUP: {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": "cachemon.dev/v1alpha1",
        "resources": _RESOURCES,
    },
}


class Arrival(NamedTuple):
    """What a server sees of a request that lists groups.

    Attributes:
        path: without the query.
        authorization: the header.
        impersonation: all headers that begin with `Impersonate-`, in lower case, sorted.
        certificate: common name of the client's certificate.
        server_name: that the client asked for in the TLS handshake.
    """

    path: str
    authorization: str
    impersonation: tuple[tuple[str, str], ...]
    certificate: str
    server_name: str


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        at = path.find("/api")
        answer = _DISCOVERY.get(path[at:]) if at >= 0 else None
        if answer is None and path.endswith(("cachemonitorgroups", "cachemonitornodes")):
            if path.endswith("cachemonitorgroups"):
                self.server.arrivals.append(self._arrival(path))
            answer = {
                "kind": "CacheMonitorGroupList",
                "apiVersion": "cachemon.dev/v1alpha1",
                "metadata": {"resourceVersion": "1"},
                "items": [],
            }
        status = 404 if answer is None else 200
        body = json.dumps(answer or {"kind": "Status", "message": "not found", "code": 404}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _arrival(self, path: str) -> Arrival:
        connection = self.connection
        certificate, server_name = "", ""
        if isinstance(connection, ssl.SSLSocket):
            subject: Any = (connection.getpeercert() or {}).get("subject", ())
            certificate = next((value for pairs in subject for key, value in pairs if key == "commonName"), "")
            server_name = getattr(connection, "asked_for", "")
        impersonation = sorted(
            (name.lower(), value) for name, value in self.headers.items() if name.lower().startswith("impersonate-")
        )
        return Arrival(path, self.headers.get("Authorization", ""), tuple(impersonation), certificate, server_name)

    def log_message(self, *_: object) -> None:
        """Nothing: a test reads the arrivals."""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, certificates: Certificates | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.arrivals: list[Arrival] = []
        self._tls = None if certificates is None else _tls(certificates)

    def get_request(self) -> tuple[Any, Any]:
        connection, address = super().get_request()
        if self._tls is None:
            return connection, address
        connection.settimeout(20)
        return self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: a handshake that fails is a row of its own."""


def _tls(certificates: Certificates) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server, certificates.server_key)
    context.load_verify_locations(certificates.authority)
    context.verify_mode = ssl.CERT_OPTIONAL

    def remember(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        connection.asked_for = name or ""  # type: ignore[attr-defined]

    context.sni_callback = remember
    return context


class _ProxyHandler(socketserver.StreamRequestHandler):
    server: "_Proxy"

    def handle(self) -> None:
        line = self.rfile.readline().decode()
        headers = [header for header in iter(self.rfile.readline, b"\r\n") if header]
        method, target, _ = line.split()
        signed = any(header.lower().startswith(b"proxy-authorization: basic ") for header in headers)
        self.server.asked.append(f"{method} {target}{' with a password' if signed else ''}")
        with socket.create_connection(self.server.to) as there:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=_copy, args=(there, self.connection), daemon=True)
            back.start()
            _copy(self.connection, there)
            back.join()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


class _Proxy(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, to: tuple[str, int]) -> None:
        super().__init__(("127.0.0.1", 0), _ProxyHandler)
        self.to = to
        self.asked: list[str] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: a tunnel that ends early is a row of its own."""


@dataclass(slots=True)
class Network:
    """The server, and the proxy that leads to it whatever it is asked for."""

    server: _Server
    plain: _Server
    proxy: _Proxy
    certificates: Certificates

    @property
    def url(self) -> str:
        """Of the server."""
        return f"https://127.0.0.1:{self.server.server_address[1]}"

    @property
    def plain_url(self) -> str:
        """Of one without TLS."""
        return f"http://127.0.0.1:{self.plain.server_address[1]}"

    @property
    def proxy_address(self) -> str:
        """HOST:PORT of the proxy."""
        return f"127.0.0.1:{self.proxy.server_address[1]}"

    def take(self) -> tuple[tuple[Arrival, ...], tuple[str, ...]]:
        """What has arrived since the last time, and what the proxy was asked for; each once."""
        arrivals = tuple(dict.fromkeys([*self.server.arrivals, *self.plain.arrivals]))
        asked = tuple(dict.fromkeys(self.proxy.asked))
        self.server.arrivals.clear()
        self.plain.arrivals.clear()
        self.proxy.asked.clear()
        return arrivals, asked


@contextmanager
def network(certificates: Certificates) -> Iterator[Network]:
    """Both, listening on loopback."""
    server, plain = _Server(certificates), _Server(None)
    proxy = _Proxy(("127.0.0.1", server.server_address[1]))
    threads = [threading.Thread(target=each.serve_forever, daemon=True) for each in (server, plain, proxy)]
    for thread in threads:
        thread.start()
    try:
        yield Network(server, plain, proxy, certificates)
    finally:
        for each in (server, plain, proxy):
            each.shutdown()
            each.server_close()
        for thread in threads:
            thread.join()
