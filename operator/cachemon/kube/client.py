"""One connection to the API server: get, list, watch, create, replace, server-side apply, delete, on plain dicts."""

import json
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.rest import RESTResponse

from cachemon import __version__
from cachemon.kube.credentials import Credentials
from cachemon.model.api import ObjectName, Resource, name_of
from cachemon.model.errors import (
    KubeConflictError,
    KubeError,
    KubeForbiddenError,
    KubeGoneError,
    KubeNotFoundError,
    KubeRejectedError,
    KubeThrottledError,
    KubeUnreachableError,
)

__all__ = ["KubeClient", "Listing", "Selector", "WatchEvent"]

_APPLY = "application/apply-patch+yaml"
_JSON = "application/json"
_DEFAULT_RETRY_AFTER_SECONDS = 1.0
_LONGEST_RETRY_AFTER_SECONDS = 120.0

_BY_STATUS: Mapping[int, type[KubeError]] = {
    401: KubeForbiddenError,
    403: KubeForbiddenError,
    404: KubeNotFoundError,
    409: KubeConflictError,
    410: KubeGoneError,
}


class Selector(NamedTuple):
    """What part of a resource to list: both in the API's syntax, empty for all."""

    fields: str = ""
    labels: str = ""


ALL_OBJECTS = Selector()


class Listing(NamedTuple):
    """The answer to a list."""

    items: list[dict[str, Any]]
    resource_version: str


class WatchEvent(NamedTuple):
    """ADDED, MODIFIED, DELETED or BOOKMARK, and the object."""

    type: str
    object: dict[str, Any]


class KubeClient:
    """Talks to one API server. Every method may raise a KubeError of the kind that its name says.

    Args:
        credentials: where it is, and who we are.
        request_seconds: how long one request may take.
        silence_seconds: a watch that says nothing for so long is dead: the API server sends a bookmark about
            once a minute.
    """

    def __init__(
        self, credentials: Credentials, *, request_seconds: float = 30.0, silence_seconds: float = 75.0
    ) -> None:
        self._api = ApiClient(credentials.configuration)
        self._api.user_agent = f"cachemon/{__version__}"
        self._limit = aiohttp.ClientTimeout(total=request_seconds, connect=10)
        self._watch_limit = aiohttp.ClientTimeout(total=None, connect=10, sock_read=silence_seconds)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._api.close()

    async def get(self, resource: Resource, name: ObjectName) -> dict[str, Any]:
        """One object."""
        return await self._json("GET", _path(resource, name))

    async def list(self, resource: Resource, selector: Selector = ALL_OBJECTS, namespace: str = "") -> Listing:
        """All objects that the selector takes, in all namespaces unless one is named."""
        items: list[dict[str, Any]] = []
        query = {"limit": "500", **_selection(selector)}
        while True:
            page = await self._json("GET", _path(resource, ObjectName(namespace, "")), query)
            items += page["items"]
            if not page["metadata"].get("continue"):
                return Listing(items, page["metadata"]["resourceVersion"])
            query["continue"] = page["metadata"]["continue"]

    async def watch(
        self, resource: Resource, selector: Selector, resource_version: str, *, seconds: int
    ) -> AsyncIterator[WatchEvent]:
        """Events after a resourceVersion, until the server ends the watch after about `seconds`."""
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(seconds),
            **_selection(selector),
        }
        response = await self._request("GET", _path(resource, ObjectName("", "")), query, limit=self._watch_limit)
        stream = response.response
        try:
            while line := await _answer(stream.content.readline()):
                event = _decode(line)
                if event["type"] == "ERROR":
                    raise _error(event["object"].get("code", 500), event["object"].get("message", ""), {})
                yield WatchEvent(event["type"], event["object"])
        finally:
            stream.close()

    async def create(
        self, resource: Resource, body: Mapping[str, Any], *, field_manager: str, dry_run: bool = False
    ) -> dict[str, Any]:
        """Create an object, or only have it checked; KubeConflictError when there is one of this name."""
        namespace = body["metadata"].get("namespace", "")
        query = {"fieldManager": field_manager, **_dry(run=dry_run)}
        return await self._json("POST", _path(resource, ObjectName(namespace, "")), query, body)

    async def replace(
        self, resource: Resource, body: Mapping[str, Any], *, field_manager: str, dry_run: bool = False
    ) -> dict[str, Any]:
        """Write an object as a whole, or only have it checked; its status is not touched.

        KubeConflictError when it has changed since the resourceVersion that `body` has.
        """
        query = {"fieldManager": field_manager, **_dry(run=dry_run)}
        return await self._json("PUT", _path(resource, name_of(body)), query, body)

    async def delete(self, resource: Resource, name: ObjectName, *, uid: str) -> None:
        """Delete this very object: KubeConflictError when another one has the name now."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
        await self._json("DELETE", _path(resource, name), body=body)

    async def apply_status(
        self,
        resource: Resource,
        name: ObjectName,
        status: Mapping[str, Any],
        *,
        field_manager: str,
    ) -> dict[str, Any]:
        """Server-side apply of a status; fields of this manager that are left out are removed."""
        body = {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {"name": name.name, **({"namespace": name.namespace} if name.namespace else {})},
            "status": status,
        }
        query = {"fieldManager": field_manager, "force": "true"}
        return await self._json("PATCH", f"{_path(resource, name)}/status", query, body, content_type=_APPLY)

    async def _json(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        *,
        content_type: str = _JSON,
    ) -> dict[str, Any]:
        response = await self._request(method, path, query or {}, body, content_type, limit=self._limit)
        return _decode(await _answer(response.read()))

    async def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
        content_type: str = _JSON,
        *,
        limit: aiohttp.ClientTimeout,
    ) -> RESTResponse:
        headers = {"Accept": _JSON, "Content-Type": content_type}
        target = f"{path}?{urlencode(query)}" if query else path
        call = await self._api.param_serialize(
            method, target, header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        response = await _answer(self._api.call_api(*call, _request_timeout=limit))
        if response.status >= 400:
            text = await _answer(response.read())
            raise _error(response.status, _message(text), response.headers)
        return response


async def _answer(call: Any) -> Any:
    """Await a call of the HTTP client; what goes wrong on the way is KubeUnreachableError."""
    try:
        return await call
    except (TimeoutError, aiohttp.ClientError, aiohttp.http.HttpProcessingError, OSError) as err:
        raise KubeUnreachableError(f"the API server does not answer: {str(err) or type(err).__name__}") from err


def _decode(body: bytes) -> dict[str, Any]:
    """JSON; anything else was cut on the way, or is a proxy's page."""
    try:
        answer: dict[str, Any] = json.loads(body)
    except ValueError as err:
        raise KubeUnreachableError(f"the API server's answer is no JSON: {body[:100]!r}") from err
    return answer


def _path(resource: Resource, name: ObjectName) -> str:
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    scope = f"/namespaces/{name.namespace}" if name.namespace else ""
    return f"{root}{scope}/{resource.plural}" + (f"/{name.name}" if name.name else "")


def _selection(selector: Selector) -> dict[str, str]:
    chosen = {"fieldSelector": selector.fields, "labelSelector": selector.labels}
    return {key: value for key, value in chosen.items() if value}


def _dry(*, run: bool) -> dict[str, str]:
    return {"dryRun": "All"} if run else {}


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode("utf-8", "replace")


def _retry_after(text: str) -> float:
    """Seconds, as the API server writes them; what can't be meant is a default."""
    seconds = int(text) if text.isascii() and text.isdecimal() else _DEFAULT_RETRY_AFTER_SECONDS
    return min(seconds, _LONGEST_RETRY_AFTER_SECONDS)


def _error(status: int, message: str, headers: Mapping[str, str]) -> KubeError:
    if status == 429:
        return KubeThrottledError(message, _retry_after(headers.get("Retry-After", "")))
    if status >= 500:
        return KubeUnreachableError(f"the API server answered {status}: {message}")
    return _BY_STATUS.get(status, KubeRejectedError)(message)
