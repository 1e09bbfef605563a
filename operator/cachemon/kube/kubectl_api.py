"""The requests of the plugin, over the unix socket of `kubectl proxy` (kubectl_proxy.py)."""

import asyncio
import http.client
import json
import os
import socket
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, suppress
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from cachemon import __version__
from cachemon.kube.http_failures import failure, message_of
from cachemon.kube.queries import Listing, Selector, WatchEvent, dry, path_of, query_of
from cachemon.model.api import ObjectName, Resource, name_of
from cachemon.model.errors import (
    KubeGoneError,
    KubeNotFoundError,
    KubeThrottledError,
    KubeTimeoutError,
    KubeUnreachableError,
)

_EVERYTHING = Selector()
_PAGE_OBJECTS = 500
_ATTEMPTS = 10
"""Of a request that is answered 429, as client-go does (rest/with_retry.go). It was not carried out."""
_WATCH_SECONDS = 240
_CHUNK_BYTES = 1 << 16
_JSON = "application/json"
_AGENT = f"kubectl-cachemon/{__version__}"
_LONGEST_REFUSAL_BYTES = 1 << 20
_JSON_BOTH_WAYS: Mapping[str, str] = {"Accept": _JSON, "Content-Type": _JSON}
_PATCH_OF_METADATA: Mapping[str, str] = {
    "Accept": f"{_JSON};as=PartialObjectMetadata;g=meta.k8s.io;v=v1,{_JSON}",
    "Content-Type": "application/merge-patch+json",
}


class _UnixConnection(http.client.HTTPConnection):
    """HTTP on a unix socket."""

    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path
        self.channel: socket.socket | None = None  # `sock` is None once an answer without a length has begun

    def connect(self) -> None:
        """As the class above, to a path."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.channel = self.sock
        self.sock.connect(os.fspath(self._path))


class KubectlApi:
    """The requests that the plugin makes, on plain dicts.

    Args:
        path: of the socket on which `kubectl proxy` listens.
        request_seconds: how long one request may take.
        sleep: waits, when the API server asks for it.
    """

    def __init__(self, path: Path, *, request_seconds: float, sleep: Callable[[float], Any] = asyncio.sleep) -> None:
        self._path = path
        self._request_seconds = request_seconds
        self._sleep = sleep
        self._ahead_seconds = 0.0
        self._open: set[_UnixConnection] = set()

    def server_time(self) -> float:
        """Seconds since the epoch by the API server's clock, as far as its answers say; else by ours."""
        return time.time() + self._ahead_seconds

    async def get(self, resource: Resource, name: ObjectName) -> dict[str, Any]:
        """One object."""
        return await self._request("GET", path_of(resource, name))

    async def list(
        self, resource: Resource, selector: Selector = _EVERYTHING, namespace: str = ""
    ) -> Listing[dict[str, Any]]:
        """All objects that the selector takes, in all namespaces unless one is named.

        Raises:
            KubeNotFoundError: the cluster has no such resource.
        """
        items: list[dict[str, Any]] = []
        query = {"limit": str(_PAGE_OBJECTS), **query_of(selector)}
        path = path_of(resource, ObjectName(namespace, ""))
        while True:
            try:
                page = await self._request("GET", path, query)
            except KubeNotFoundError as err:
                raise KubeNotFoundError(
                    f"the cluster has no {resource.plural}.{resource.group or 'v1'}: {err}. Install the CRDs, or "
                    "choose another cluster with --context"
                ) from err
            items += page["items"] or ()
            metadata = page.get("metadata") or {}
            if not metadata.get("continue"):
                return Listing(items, metadata.get("resourceVersion", ""), served_at=self.server_time())
            query["continue"] = metadata["continue"]

    async def wait_for_change(self, resource: Resource, selector: Selector, namespace: str, *, since: str) -> None:
        """Return when an object has changed after a list, or after some minutes, or when the server has forgotten.

        Args:
            resource: of which kind.
            selector: which of them.
            namespace: where; empty for everywhere.
            since: resourceVersion of the list.
        """
        with suppress(KubeGoneError):
            async with aclosing(self.watch(resource, selector, namespace, since=since)) as events:
                async for event in events:
                    if event.type != "BOOKMARK":
                        return

    async def watch(
        self, resource: Resource, selector: Selector, namespace: str, *, since: str
    ) -> AsyncGenerator[WatchEvent, None]:
        """Events after a resourceVersion, of a list or of the last event, until the server ends the watch.

        It does so after some minutes. The arguments are those of `wait_for_change`.

        Raises:
            KubeGoneError: the server has forgotten the resourceVersion.
        """
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": since,
            "timeoutSeconds": str(_WATCH_SECONDS),
            **query_of(selector),
        }
        url = f"{path_of(resource, ObjectName(namespace, ''))}?{urlencode(query)}"
        connection = _UnixConnection(self._path, 2 * _WATCH_SECONDS)
        self._open.add(connection)
        response = None
        try:
            response = await asyncio.to_thread(self._begin_watch, connection, url)
            while line := await asyncio.to_thread(_read_line, response):
                event = _decode(line)
                if event["type"] == "ERROR":
                    raise failure(event["object"].get("code", 500), event["object"].get("message", ""), {})
                yield WatchEvent(event["type"], event["object"])
        finally:
            self._open.discard(connection)
            _hang_up(connection)  # a thread may still read
            if response is not None:
                response.close()
            connection.close()

    async def create(
        self, resource: Resource, body: Mapping[str, Any], *, field_manager: str, dry_run: bool = False
    ) -> dict[str, Any]:
        """Create an object, or only have it checked; KubeConflictError when there is one of this name."""
        where = ObjectName(body["metadata"].get("namespace", ""), "")
        query = {"fieldManager": field_manager, **dry(run=dry_run)}
        return await self._request("POST", path_of(resource, where), query, body)

    async def replace(
        self, resource: Resource, body: Mapping[str, Any], *, field_manager: str, dry_run: bool = False
    ) -> dict[str, Any]:
        """Write an object as a whole, or only have it checked; its status is not touched.

        KubeConflictError when it has changed since the resourceVersion that `body` has.
        """
        query = {"fieldManager": field_manager, **dry(run=dry_run)}
        return await self._request("PUT", path_of(resource, name_of(body)), query, body)

    async def annotate(
        self, resource: Resource, name: ObjectName, annotations: Mapping[str, str], *, field_manager: str
    ) -> None:
        """Set annotations of an object; all else of it stays as it is."""
        query = {"fieldManager": field_manager}
        body = {"metadata": {"annotations": annotations}}
        await self._request("PATCH", path_of(resource, name), query, body, headers=_PATCH_OF_METADATA)

    async def delete(self, resource: Resource, name: ObjectName, *, uid: str) -> None:
        """Delete this very object: KubeConflictError when another one has the name now."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
        await self._request("DELETE", path_of(resource, name), body=body)

    async def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] = _JSON_BOTH_WAYS,
    ) -> dict[str, Any]:
        url = path + ("?" + urlencode(query) if query else "")
        text = None if body is None else json.dumps(body).encode()
        send = partial(self._send, method, url, text, headers=headers)
        for _ in range(_ATTEMPTS - 1):
            try:
                return await asyncio.to_thread(send)
            except KubeThrottledError as err:
                await self._sleep(err.retry_after_seconds)
        return await asyncio.to_thread(send)

    def _send(self, method: str, url: str, content: bytes | None, *, headers: Mapping[str, str]) -> dict[str, Any]:
        connection = _UnixConnection(self._path, self._request_seconds)
        self._open.add(connection)
        try:
            connection.request(method, url, content, {**headers, "User-Agent": _AGENT})
            with connection.getresponse() as response:
                body = self._read(response, time.monotonic() + self._request_seconds)
        except TimeoutError as err:
            raise KubeTimeoutError(
                f"the API server does not answer within {self._request_seconds:g} s (--request-timeout)"
            ) from err
        except (OSError, http.client.HTTPException) as err:
            raise _no_answer(err) from err
        finally:
            self._open.discard(connection)
            connection.close()
        return self._answer(response, body)

    def _begin_watch(self, connection: _UnixConnection, url: str) -> http.client.HTTPResponse:
        try:
            connection.request("GET", url, headers={"Accept": _JSON, "User-Agent": _AGENT})
            response = connection.getresponse()
            if response.status >= 400:
                with response:
                    self._answer(response, response.read(_LONGEST_REFUSAL_BYTES))
        except (OSError, http.client.HTTPException) as err:
            raise _no_answer(err) from err
        return response

    @staticmethod
    def _read(response: http.client.HTTPResponse, deadline: float) -> bytes:
        """The whole body, by a deadline: the limit of a socket is for one read."""
        parts = []
        while chunk := response.read1(_CHUNK_BYTES):
            parts.append(chunk)
            if time.monotonic() > deadline:
                raise TimeoutError
        return b"".join(parts)

    def _answer(self, response: http.client.HTTPResponse, body: bytes) -> dict[str, Any]:
        with suppress(ValueError, OverflowError):
            sent_at = parsedate_to_datetime(response.headers.get("Date", "")).timestamp()
            self._ahead_seconds = sent_at - time.time()
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            answer = None
        if response.status >= 500 and not isinstance(answer, dict):
            # kubectl's own words (k8s.io/kubectl pkg/proxy/proxy_server.go), or those of a proxy on the way.
            raise KubeUnreachableError(f"kubectl can't ask the API server: {message_of(body).strip()}")
        if response.status >= 400:
            raise failure(response.status, message_of(body).strip(), dict(response.headers))
        if not isinstance(answer, dict):
            raise KubeUnreachableError(f"the API server's answer is no JSON object: {body[:100]!r}")
        return answer

    def close(self) -> None:
        """Have requests that are under way fail at once."""
        for connection in tuple(self._open):
            _hang_up(connection)


def _hang_up(connection: _UnixConnection) -> None:
    """Have whoever reads from a connection see its end at once."""
    if connection.channel is not None:
        with suppress(OSError):
            connection.channel.shutdown(socket.SHUT_RDWR)


def _no_answer(err: Exception) -> KubeUnreachableError:
    return KubeUnreachableError(f"kubectl proxy does not answer: {err or type(err).__name__}")


def _read_line(response: http.client.HTTPResponse) -> bytes:
    """The next line of a watch; empty at its end."""
    try:
        return response.readline()
    except (OSError, http.client.HTTPException) as err:
        raise _no_answer(err) from err


def _decode(line: bytes) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict) or not isinstance(event.get("object"), dict):
        raise KubeUnreachableError(f"an event of the API server was cut on the way: {line[:100]!r}")
    return event
