"""Complete lists of everything, so that no missed event costs more than some minutes.

kopf watches, and lists again when its watch is too old, but it does not tell what vanished in between
(kopf 1.45 _cogs/clients/watching.py: the objects of a list come as events of type None, and that is all).
So then we list, too, but names only: of 5,000 VMs and their pods, the whole objects are 90 MB of JSON.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Protocol, TypeVar

from cachemon.controller.store import Store
from cachemon.daemon.waiting import wait_for
from cachemon.kube.client import Listing, Selector
from cachemon.model.api import GROUPS, NAMESPACES, NODES, PODS, POLICIES, VMIS, Resource, name_of
from cachemon.model.backoff import Backoff
from cachemon.model.errors import KubeError, KubeGoneError, KubeUnreachableError
from cachemon.telemetry.operator_metrics import Metrics

__all__ = ["LAUNCHER_PODS", "ListClient", "Relister"]

T = TypeVar("T")

log = logging.getLogger(__name__)

LAUNCHER_PODS = "kubevirt.io=virt-launcher"
"""Label selector (KubeVirt v1.9.0 pkg/virt-controller/services/template.go podLabels)."""

_ORDER = ((GROUPS, ""), (NODES, ""), (POLICIES, ""), (NAMESPACES, ""), (VMIS, ""), (PODS, LAUNCHER_PODS))
"""What is named by others is listed after them: a group's VMI is there if it is, and a VMI's pod too."""

_FIRST_TRY_SECONDS = 2.0
_LAST_TRY_SECONDS = 15.0


def _named(obj: Mapping[str, Any]) -> dict[str, Any]:
    return {"metadata": {key: obj["metadata"][key] for key in ("name", "namespace") if key in obj["metadata"]}}


class ListClient(Protocol):
    """What the relister needs of `cachemon.kube.KubeClient`."""

    async def list(
        self,
        resource: Resource,
        selector: Selector = ...,
        *,
        keep: Callable[[dict[str, Any]], T],
        metadata_only: bool = ...,
    ) -> Listing[T]:
        """All objects that the selector takes."""


class Relister:
    """Lists all six resources into the store.

    Args:
        client: the API server.
        store: gets the lists.
        metrics: counts.
        period_seconds: at least this often.
        spacing_seconds: at most this often, when asked for: kopf, that asks, takes its time for a long list.
    """

    def __init__(
        self,
        client: ListClient,
        store: Store,
        metrics: Metrics,
        *,
        period_seconds: float = 300.0,
        spacing_seconds: float = 30.0,
    ) -> None:
        self._client = client
        self._store = store
        self._metrics = metrics
        self._period_seconds = period_seconds
        self._spacing_seconds = spacing_seconds
        self._wanted = asyncio.Event()
        self._listed_again: set[Resource] = set()
        self._one_at_a_time = asyncio.Lock()

    def find_vanished(self, resource: Resource) -> None:
        """Objects of this resource may have vanished unheard: look soon."""
        self._listed_again.add(resource)
        self._wanted.set()

    async def once(self) -> None:
        """List everything now; raises KubeError."""
        async with self._one_at_a_time:
            started = time.monotonic()
            try:
                for resource, labels in _ORDER:
                    listing = await self._client.list(
                        resource, Selector(labels=labels), keep=self._store.reader(resource)
                    )
                    self._store.hear_all(resource, listing.items, _version_of(listing), served_at=listing.served_at)
            except KubeError:
                self._metrics.relists.labels("failed").inc()
                raise
            self._metrics.relists.labels("ok").inc()
            log.debug("listed everything in %.2f s", time.monotonic() - started)

    async def first(self) -> None:
        """List everything, however long the API server or a CRD lets us wait."""
        backoff = Backoff(_FIRST_TRY_SECONDS, _LAST_TRY_SECONDS)
        while True:
            try:
                await self.once()
            except KubeError as err:
                wait = backoff.next_seconds()
                log.warning("the first list failed: %s; next try in %g s", err, wait)
                await asyncio.sleep(wait)
            else:
                return

    async def run(self) -> None:
        """List everything every period, and names when asked to, until cancelled."""
        now = asyncio.get_running_loop().time
        everything_at = now() + self._spacing_seconds + self._period_seconds
        while True:
            await asyncio.sleep(self._spacing_seconds)
            await wait_for(self._wanted, everything_at - now())
            self._wanted.clear()
            asked, self._listed_again = self._listed_again, set()
            try:
                if now() < everything_at and await self._drop_vanished(asked):
                    continue
                everything_at = now()  # until that has worked
                await self.once()
                everything_at = now() + self._spacing_seconds + self._period_seconds
            except KubeError as err:
                if not isinstance(err, KubeGoneError):
                    log.warning("listing what is there: %s", err)
                self._listed_again |= asked
                self._wanted.set()

    async def _drop_vanished(self, asked: AbstractSet[Resource]) -> bool:
        """List names of these resources; False when that is of no use, and everything has to be listed."""
        for resource, labels in _ORDER:
            if resource in asked:
                listing = await self._client.list(resource, Selector(labels=labels), keep=_named, metadata_only=True)
                names = map(name_of, listing.items)
                if not self._store.hear_names(resource, names, _version_of(listing)):
                    return False
        return True


def _version_of(listing: Listing[Any]) -> int:
    """Of the list as a whole; what is newer and what older can't be told without."""
    try:
        return int(listing.resource_version)
    except (TypeError, ValueError) as err:
        raise KubeUnreachableError("the API server gave a list without a resourceVersion that is a number") from err
