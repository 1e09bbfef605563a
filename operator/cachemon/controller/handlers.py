"""kopf's handlers: six watches feed the store. They decide nothing and write nothing.

`kopf_adaptations` says what differs from kopf's documentation, and why.
"""

from collections.abc import Callable
from typing import Any

import kopf

from cachemon.controller.kopf_adaptations import Login, configure, trim_object
from cachemon.controller.kopf_requests import KopfRequests
from cachemon.controller.store import Store
from cachemon.model.api import GROUPS, NAMESPACES, NODES, PODS, POLICIES, VMIS, Resource


def registry_of_handlers(
    store: Store,
    login: Login,
    requests: KopfRequests,
    on_list: Callable[[Resource], None],
    on_end: Callable[[], None],
) -> kopf.OperatorRegistry:
    """The handlers, which give the store every event.

    `requests` has the pauses between tries. `on_list` is called for each object of a list that kopf made: it does not
    say which objects vanished before. `on_end` is called when kopf ends, for whatever reason.
    """
    registry = kopf.OperatorRegistry()

    @kopf.on.startup(registry=registry, id="configure")
    async def start(settings: kopf.OperatorSettings, **_: Any) -> None:
        configure(settings, requests)

    @kopf.on.login(registry=registry, id="login")
    async def log_in(**_: Any) -> kopf.ConnectionInfo:
        return await login()

    @kopf.on.cleanup(registry=registry, id="end")
    async def end(**_: Any) -> None:
        on_end()

    def feed(resource: Resource) -> None:
        @kopf.on.event(resource.group, resource.version, resource.plural, registry=registry, id=resource.plural)
        async def feed_store(event: kopf.RawEvent, **_: Any) -> None:
            store.apply_event(resource, event["type"], event["object"])
            trim_object(event["object"])
            if event["type"] is None:
                on_list(resource)

    for resource in (GROUPS, NODES, POLICIES, NAMESPACES, VMIS, PODS):
        feed(resource)
    return registry
