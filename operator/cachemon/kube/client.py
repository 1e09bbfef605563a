"""One connection to the API server: get, list, watch, create, server-side apply, delete, on plain dicts."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Self, TypeVar

import aiohttp

from cachemon import __version__
from cachemon.kube.answers import answer_of, date_of, decode, hang_up
from cachemon.kube.credentials import Credentials
from cachemon.kube.http_failures import failure, message_of
from cachemon.kube.queries import Listing, Selector, WatchEvent, path_of, query_of
from cachemon.kube.server_clock import ServerClock
from cachemon.model.api import ObjectName, Resource, name_of
from cachemon.model.errors import KubeNotFoundError, KubeUnreachableError

__all__ = ["KubeClient", "Listing", "Selector", "WatchEvent"]

T = TypeVar("T")

_APPLY = "application/apply-patch+yaml"
_JSON = "application/json"
_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_LIST_OF_METADATA = _METADATA.replace("Metadata;", "MetadataList;")
_JSON_BOTH_WAYS: Mapping[str, str] = {"Accept": _JSON, "Content-Type": _JSON}
_LONGEST_EVENT_BYTES = 4 * 1024 * 1024
"""Of a watch; etcd takes objects of 1.5 MiB, and JSON may be larger than what is stored."""
_PAGE_OBJECTS = 20
"""Of a list. A page is in memory as a whole, ten times its JSON, and one tenant's objects may fill it."""


ALL_OBJECTS = Selector()


class KubeClient:
    """Talks to one API server. Every method may raise a KubeError of the kind that its name says.

    Make it where an event loop runs. A watch that says nothing for `silence_seconds` is dead: the API server sends a
    bookmark about once a minute.
    """

    def __init__(
        self, credentials: Credentials, *, request_seconds: float = 30.0, silence_seconds: float = 75.0
    ) -> None:
        self._credentials = credentials
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=credentials.tls()),
            headers={"User-Agent": f"cachemon/{__version__}"},
            read_bufsize=_LONGEST_EVENT_BYTES // 2,  # aiohttp gives up on a line of twice the buffer
        )
        self._limit = aiohttp.ClientTimeout(total=request_seconds, connect=10)
        self._watch_limit = aiohttp.ClientTimeout(total=None, connect=10, sock_read=silence_seconds)
        self._server_clock = ServerClock()

    def server_time(self) -> float:
        """Seconds since the epoch by the API server's clock, as far as its answers say; else by ours."""
        return self._server_clock.now()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def get(self, resource: Resource, name: ObjectName) -> dict[str, Any]:
        """One object."""
        return await self._json("GET", path_of(resource, name))

    async def served(self, api_version: str) -> frozenset[str]:
        """Plural names of the kinds that the server has in one version of an API group, such as `apps/v1`.

        Empty where it has no such version. Every account may ask (ClusterRole system:discovery).
        """
        try:
            answer = await self._json("GET", f"/apis/{api_version}")
        except KubeNotFoundError:
            return frozenset()
        return frozenset(item["name"] for item in answer["resources"] if "/" not in item["name"])

    async def list(
        self,
        resource: Resource,
        selector: Selector = ALL_OBJECTS,
        namespace: str = "",
        *,
        keep: Callable[[dict[str, Any]], T],
        metadata_only: bool = False,
    ) -> Listing[T]:
        """All objects that the selector takes, in all namespaces unless one is named.

        The list comes in pages, and only what `keep` makes of an object outlives its page. With `metadata_only` the
        server leaves out all but `metadata` of each object.
        """
        items: list[T] = []
        query = {"limit": str(_PAGE_OBJECTS), **query_of(selector)}
        path, accept = path_of(resource, ObjectName(namespace, "")), _LIST_OF_METADATA if metadata_only else _JSON
        while True:
            response = await self._request("GET", path, query, headers={"Accept": accept}, limit=self._limit)
            page = decode(await answer_of(response.read()))
            found, metadata = page["items"] or (), page.get("metadata")  # an empty list of metadata has null
            if not isinstance(metadata, dict):
                raise KubeUnreachableError(f"the API server's answer is no list: {str(page)[:100]}")
            items += map(keep, found)
            del page, found  # before the next one comes
            if not metadata.get("continue"):
                return Listing(items, metadata["resourceVersion"], served_at=date_of(response))
            query["continue"] = metadata["continue"]

    async def watch(
        self,
        resource: Resource,
        selector: Selector,
        resource_version: str,
        *,
        seconds: int,
        namespace: str = "",
        metadata_only: bool = False,
    ) -> AsyncIterator[WatchEvent]:
        """Events after a resourceVersion, of a list or of the last event, until the server ends the watch.

        It does so after about `seconds`. Without a namespace, those of all namespaces. With `metadata_only` each
        object has its `metadata` alone.
        """
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(seconds),
            **query_of(selector),
        }
        path = path_of(resource, ObjectName(namespace, ""))
        headers = {"Accept": _METADATA if metadata_only else _JSON}
        response = await self._request("GET", path, query, headers=headers, limit=self._watch_limit)
        try:
            while line := await answer_of(response.content.readline()):
                event = decode(line)
                if event["type"] == "ERROR":
                    raise failure(event["object"].get("code", 500), event["object"].get("message", ""), {})
                yield WatchEvent(event["type"], event["object"])
        finally:
            hang_up(response)

    async def create(self, resource: Resource, body: Mapping[str, Any], *, field_manager: str) -> dict[str, Any]:
        """Create an object; KubeConflictError when there is one of this name."""
        namespace = body["metadata"].get("namespace", "")
        query = {"fieldManager": field_manager}
        return await self._json("POST", path_of(resource, ObjectName(namespace, "")), query, body)

    async def apply(self, resource: Resource, body: Mapping[str, Any], *, field_manager: str) -> dict[str, Any]:
        """Server-side apply of a whole object, created where it is missing; its status is not touched.

        Fields of this manager that are left out are removed, those of others are kept.
        """
        query = {"fieldManager": field_manager, "force": "true"}
        headers = {"Content-Type": _APPLY, "Accept": _JSON}
        response = await self._request(
            "PATCH", path_of(resource, name_of(body)), query, body, limit=self._limit, headers=headers
        )
        return decode(await answer_of(response.read()))

    async def delete(self, resource: Resource, name: ObjectName, *, uid: str) -> None:
        """Delete this very object: KubeConflictError when another one has the name now."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
        await self._json("DELETE", path_of(resource, name), body=body)

    async def apply_status(
        self, resource: Resource, name: ObjectName, status: Mapping[str, Any], *, field_manager: str
    ) -> dict[str, Any]:
        """Server-side apply of a status; fields of this manager that are left out are removed. Returns the object."""
        response = await self._apply_status(resource, name, status, field_manager, accept=_JSON)
        return decode(await answer_of(response.read()))

    async def send_status(
        self, resource: Resource, name: ObjectName, status: Mapping[str, Any], *, field_manager: str
    ) -> None:
        """The same, for those who do not want the object back: the server sends its metadata, nobody reads them."""
        response = await self._apply_status(resource, name, status, field_manager, accept=_METADATA)
        await answer_of(response.read())

    async def _apply_status(
        self, resource: Resource, name: ObjectName, status: Mapping[str, Any], field_manager: str, *, accept: str
    ) -> aiohttp.ClientResponse:
        body = {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {"name": name.name, **({"namespace": name.namespace} if name.namespace else {})},
            "status": status,
        }
        query = {"fieldManager": field_manager, "force": "true"}
        path = f"{path_of(resource, name)}/status"
        return await self._request(
            "PATCH", path, query, body, limit=self._limit, headers={"Content-Type": _APPLY, "Accept": accept}
        )

    async def _json(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        response = await self._request(method, path, query or {}, body, limit=self._limit)
        return decode(await answer_of(response.read()))

    async def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] = _JSON_BOTH_WAYS,
        limit: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        token = await self._credentials.bearer_token()
        response: aiohttp.ClientResponse = await answer_of(
            self._session.request(
                method,
                self._credentials.server + path,
                params=query,
                data=None if body is None else json.dumps(body),
                headers={**headers, **({"Authorization": f"Bearer {token}"} if token else {})},
                timeout=limit,
                proxy=self._credentials.proxy,
                server_hostname=self._credentials.server_name,
                allow_redirects=False,
            )
        )
        self._server_clock.note(date_of(response))
        if response.status == 401:
            self._credentials.renew()
        if response.status >= 400:
            raise failure(response.status, message_of(await answer_of(response.read())), response.headers)
        return response
