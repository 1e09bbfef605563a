"""kopf: six watches that feed the store, and the login. Nothing here decides, and nothing is written by kopf.

Only `on.event` handlers: they leave no annotation and no finalizer on any object, so deleting anything never waits
for the operator.
"""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import kopf

from cachemon.controller.relist import LAUNCHER_PODS
from cachemon.controller.store import Store
from cachemon.kube.credentials import Credentials
from cachemon.model.api import API_GROUP, GROUPS, NAMESPACES, NODES, PODS, POLICIES, VMIS, Resource

__all__ = ["Login", "operator_settings", "registry_of_handlers"]

_LOGIN_LASTS = timedelta(minutes=9)
"""A pod's token is renewed when a fifth of its life is left, 12 minutes of an hour: it is read anew before that."""

_LOGIN_SPACING_SECONDS = 5.0


class Backoffs:
    """How long kopf waits before it tries a request again: without end, so that no outage makes it give up."""

    def __iter__(self) -> Iterator[float]:
        yield from (0.5, 1.0, 2.0)
        while True:
            yield 4.0


class Login:
    """Tells kopf how to reach the API server, anew every few minutes.

    A refused login is tried again after some seconds for as long as the process lives: while an API server
    starts it refuses tokens that it takes a moment later.

    Args:
        credentials: where the token comes from.
    """

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._not_before = 0.0

    async def __call__(self) -> kopf.ConnectionInfo:
        """The connection now."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._not_before - loop.time()))
        self._not_before = loop.time() + _LOGIN_SPACING_SECONDS
        certificate, key = self._credentials.client_certificate or (None, None)
        return kopf.ConnectionInfo(
            server=self._credentials.server,
            ca_path=self._credentials.ca_file,
            token=await self._credentials.bearer_token(),
            certificate_path=certificate,
            private_key_path=key,
            proxy_url=self._credentials.proxy,
            insecure=not self._credentials.verifies,
            expiration=datetime.now(UTC) + _LOGIN_LASTS,
        )


class NoDiffBase(kopf.DiffBaseStorage):
    """Remembers no object.

    kopf asks for the essence of every object that an event brings, and copies it twice, though `on.event` handlers
    get none of it: 40 % of its time.
    """

    def build(self, **_: Any) -> kopf.BodyEssence:
        """Nothing of the object."""
        return kopf.BodyEssence()

    def fetch(self, **_: Any) -> None:
        """What was remembered: nothing."""

    def store(self, **_: Any) -> None:
        """Remember nothing."""


class NoProgress(kopf.ProgressStorage):
    """Remembers no progress of handlers: ours are done at once or not at all."""

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        """There is nothing of ours in it."""
        return essence

    def fetch(self, **_: Any) -> None:
        """What was remembered: nothing."""

    def store(self, **_: Any) -> None:
        """Remember nothing."""

    def purge(self, **_: Any) -> None:
        """Forget nothing."""

    def touch(self, **_: Any) -> None:
        """Write nothing."""


def _drop_body(obj: Any) -> None:
    """Let go of all but what kopf still asks for, now that the store has heard.

    A worker of kopf keeps its last event until it has been idle for `idle_timeout` (kopf 1.45
    _core/reactor/queueing.py worker), and a list makes a worker for each object: all objects whole would be in
    memory at once.
    """
    for part in ("spec", "status", "data"):
        obj.pop(part, None)
    obj["metadata"].pop("managedFields", None)


def operator_settings() -> kopf.OperatorSettings:
    """Settings of kopf: no peering, no scanning of CRDs, no Events, nothing kept on objects."""
    settings = kopf.OperatorSettings()
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.posting.enabled = False
    settings.watching.chunk_size = 20  # a chunk is in memory as a whole
    settings.watching.connect_timeout = 15
    settings.watching.server_timeout = 10 * 60
    settings.watching.reconnect_backoff = 0.5
    settings.watching.label_selectors["", "v1", "pods"] = LAUNCHER_PODS
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 10
    settings.networking.error_backoffs = Backoffs()
    settings.queueing.worker_limit = None
    settings.queueing.idle_timeout = 1.0
    settings.queueing.exit_timeout = 0.5
    settings.execution.max_workers = 4
    settings.persistence.finalizer = f"{API_GROUP}/unused"
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.persistence.progress_storage = NoProgress()
    return settings


def registry_of_handlers(
    store: Store, login: Login, listed_again: Callable[[Resource], None], ended: Callable[[], None]
) -> kopf.OperatorRegistry:
    """The handlers.

    Args:
        store: hears every event.
        login: how to reach the API server.
        listed_again: called when kopf has listed a resource: what vanished before, it does not tell.
        ended: called when kopf ends, whatever for.
    """
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry, id="login")
    async def log_in(**_: Any) -> kopf.ConnectionInfo:
        return await login()

    @kopf.on.cleanup(registry=registry, id="end")
    async def end(**_: Any) -> None:
        ended()

    def feed(resource: Resource) -> None:
        @kopf.on.event(resource.group, resource.version, resource.plural, registry=registry, id=resource.plural)
        async def hear(event: kopf.RawEvent, **_: Any) -> None:
            store.hear(resource, event["type"], event["object"])
            _drop_body(event["object"])
            if event["type"] is None:
                listed_again(resource)

    for resource in (GROUPS, NODES, POLICIES, NAMESPACES, VMIS, PODS):
        feed(resource)
    return registry
