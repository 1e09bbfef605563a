"""History from before the page was opened, of a Prometheus that scrapes the agents."""

import asyncio
import http.client
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlencode, urlsplit

from cachemon import __version__
from cachemon.kube.trust import trusting
from cachemon.model.errors import InvalidInputError
from cachemon.web.page_source import Subject
from cachemon.web.points import Points, Track
from cachemon.web.prometheus_matrix import MatrixError, RangeQuery, Scope, queries_for, read_matrices

_SHORTEST_STEP_SECONDS = 15
_POINTS = 240
_REQUEST_SECONDS = 10.0
_MOST_BYTES = 32 << 20
_KEEP_SECONDS = 300.0
_KEEP_FAILURE_SECONDS = 15.0
_MOST_KEPT = 16


class _NoAnswerError(Exception):
    """Prometheus does not answer, or refuses; the message is for people."""


@dataclass(frozen=True, slots=True)
class PrometheusServer:
    """Where a Prometheus is, and how to ask it.

    Attributes:
        url: of its root, without a slash at the end.
        token_file: has a bearer token, read again for each request; None without one.
        certificate_file: has the certificate that signed the server's; None for those of the system.
    """

    url: SplitResult
    token_file: Path | None = None
    certificate_file: Path | None = None

    def get(self, path: str, parameters: Mapping[str, str]) -> bytes:
        """The body of an answer. A redirection is not followed: the token is for this server alone.

        Raises:
            _NoAnswerError: there is none.
        """
        headers = {"Accept": "application/json", "User-Agent": f"kubectl-cachemon/{__version__}"}
        try:
            if self.token_file is not None:
                headers["Authorization"] = f"Bearer {self.token_file.read_text(encoding='ascii').strip()}"
            connection = self._connection()
            try:
                connection.request("GET", f"{self.url.path}{path}?{urlencode(parameters)}", headers=headers)
                response = connection.getresponse()
                body = response.read(_MOST_BYTES + 1)
            finally:
                connection.close()
        except (OSError, ValueError, http.client.HTTPException) as err:
            raise _NoAnswerError(str(err) or type(err).__name__) from err
        if response.status >= 300 and response.status not in (400, 422, 503):  # these have a message in JSON
            raise _NoAnswerError(f"it answers {response.status} {response.reason}")
        if len(body) > _MOST_BYTES:
            raise _NoAnswerError(f"its answer has more than {_MOST_BYTES >> 20} MiB")
        return body

    def _connection(self) -> http.client.HTTPConnection:
        assert self.url.hostname is not None
        if self.url.scheme == "http":
            return http.client.HTTPConnection(self.url.hostname, self.url.port, timeout=_REQUEST_SECONDS)
        cafile = None if self.certificate_file is None else str(self.certificate_file)
        return http.client.HTTPSConnection(
            self.url.hostname, self.url.port, timeout=_REQUEST_SECONDS, context=trusting(cafile)
        )


def read_server(url: str, token_file: Path | None = None, certificate_file: Path | None = None) -> PrometheusServer:
    """The server that a person names.

    Raises:
        InvalidInputError: the address is not valid, or would send the token where others can read it.
    """
    example = "type one such as https://prometheus.example:9090"
    try:
        parts = urlsplit(url.rstrip("/"))
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or parts.username or parts.query or parts.fragment:
        raise InvalidInputError(f"--prometheus {url!r} must be an http or https address without a user: {example}")
    if token_file is not None and parts.scheme != "https" and not _is_loopback(parts.hostname or ""):
        raise InvalidInputError(
            f"--prometheus {url!r}: a token is sent by https or to loopback only, as others could read it: {example}"
        )
    for flag, file in (("--prometheus-token-file", token_file), ("--prometheus-ca-file", certificate_file)):
        if file is not None and not file.is_file():
            raise InvalidInputError(f"{flag} {file}: there is no such file")
    return PrometheusServer(parts, token_file, certificate_file)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True, slots=True)
class PastPoints:
    """What a Prometheus knows.

    Attributes:
        tracks: points by track.
        problem: why there are none; empty when all is well.
    """

    tracks: Mapping[Track, Points]
    problem: str = ""


class PrometheusHistory:
    """Asks for the points of a subject, and remembers the answer for some minutes.

    Args:
        server: to ask.
        scope: which series are wanted.
        clock: seconds, monotonic.
    """

    def __init__(self, server: PrometheusServer, scope: Scope, clock: Callable[[], float] = time.monotonic) -> None:
        self._server = server
        self._scope = scope
        self._clock = clock
        self._kept: dict[tuple[Subject, float], tuple[float, PastPoints]] = {}

    async def points(self, subject: Subject, seconds: float, until: float) -> PastPoints:
        """The points of a span.

        Args:
            subject: a node or a VM.
            seconds: length of the span.
            until: its end, in seconds since the epoch.
        """
        key = (subject, seconds)
        good_until, found = self._kept.pop(key, (0.0, PastPoints({})))
        if good_until <= self._clock():
            found = await self._ask(subject, seconds, until)
            good_until = self._clock() + (_KEEP_FAILURE_SECONDS if found.problem else _KEEP_SECONDS)
        self._kept[key] = good_until, found
        for old in list(self._kept)[:-_MOST_KEPT]:
            del self._kept[old]
        return found

    async def _ask(self, subject: Subject, seconds: float, until: float) -> PastPoints:
        step = max(_SHORTEST_STEP_SECONDS, round(seconds / _POINTS))
        count = int(seconds / step) + 1
        start = round(until) - (count - 1) * step
        queries = queries_for(subject, self._scope, step)
        span = {"start": str(start), "end": str(start + (count - 1) * step), "step": str(step)}
        try:
            answers = await asyncio.gather(*(asyncio.to_thread(self._query, query, span) for query in queries))
            return PastPoints(read_matrices(dict(zip(queries, answers, strict=True)), start, step, count))
        except (_NoAnswerError, MatrixError) as err:
            return PastPoints({}, f"no history from Prometheus at {self._server.url.geturl()}: {err}")

    def _query(self, query: RangeQuery, span: Mapping[str, str]) -> Any:
        body = self._server.get("/api/v1/query_range", {"query": query.text, **span})
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as err:
            raise MatrixError("its answer is no JSON") from err
