"""A server on a unix socket that answers as `kubectl proxy` does, with what a test wants."""

import http.server
import json
import socketserver
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cachemon.kube.kubectl_api import KubectlApi

Answer = tuple[int, Mapping[str, str], bytes]


def answer(status: int, body: Any, **headers: str) -> Answer:
    return status, {"Content-Type": "application/json", **headers}, json.dumps(body).encode()


class UnixServer(socketserver.ThreadingUnixStreamServer):
    """Gives its answers one after the other, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self, path: Path, *answers: Answer) -> None:
        super().__init__(str(path), Handler)
        self.answers = list(answers)
        self.asked: list[tuple[str, str, Any]] = []


class Handler(http.server.BaseHTTPRequestHandler):
    server: UnixServer

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *_: object) -> None:
        pass

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.server.asked.append((self.command, self.path, json.loads(self.rfile.read(length) or "null")))
        status, headers, body = self.server.answers.pop(0)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815


@contextmanager
def serving(folder: Path, *answers: Answer) -> Iterator[tuple[UnixServer, KubectlApi]]:
    with UnixServer(folder / "api", *answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server, KubectlApi(folder / "api", request_seconds=5)
        finally:
            server.shutdown()
            thread.join()
