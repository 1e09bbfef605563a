"""The answers of the page's server, as bytes. Pure."""

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

_LEAST_COMPRESSED_BYTES = 1_000
_QUICK = 1  # on loopback, time matters more than bytes

_FIELDS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Vary": "Accept-Encoding",
    "Connection": "close",
}
"""Of every answer. The address has the token: it must not leave the browser in a Referer, nor stay in a cache."""


@dataclass(frozen=True, slots=True)
class PageAnswer:
    """An answer.

    Attributes:
        status: of HTTP.
        media_type: of the body.
        body: its bytes.
        compressed: the same with gzip; empty where there is no such form.
        location: where the browser is to go; empty for nowhere.
    """

    status: HTTPStatus
    media_type: str = "text/plain; charset=utf-8"
    body: bytes = b""
    compressed: bytes = b""
    location: str = ""

    def encode(self, *, accepts_gzip: bool) -> bytes:
        """Head and body."""
        body = self.compressed if accepts_gzip and self.compressed else self.body
        fields = {**_FIELDS, "Content-Type": self.media_type, "Content-Length": str(len(body))}
        if body is self.compressed and body:
            fields["Content-Encoding"] = "gzip"
        if self.location:
            fields["Location"] = self.location
        head = [f"HTTP/1.1 {self.status.value} {self.status.phrase}", *(f"{it}: {fields[it]}" for it in fields)]
        return "\r\n".join([*head, "", ""]).encode("ascii") + body


def refusal(status: HTTPStatus) -> PageAnswer:
    """An answer that says no more than its status."""
    return PageAnswer(status, body=f"{status.value} {status.phrase}\n".encode("ascii"))


def redirection(path: str) -> PageAnswer:
    """Sends the browser to another path."""
    return PageAnswer(HTTPStatus.SEE_OTHER, location=path)


def json_answer(value: object, status: HTTPStatus = HTTPStatus.OK) -> PageAnswer:
    """A value as JSON, compressed as well where it is long. It may take some 100 ms for a large fleet.

    Raises:
        ValueError: a number has no form in JSON.
    """
    body = json.dumps(value, allow_nan=False, separators=(",", ":")).encode("ascii")
    compressed = gzip.compress(body, _QUICK, mtime=0) if len(body) >= _LEAST_COMPRESSED_BYTES else b""
    return PageAnswer(status, "application/json", body, compressed)
