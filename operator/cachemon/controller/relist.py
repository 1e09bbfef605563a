"""Complete lists of everything, so that no missed event costs more than some minutes.

When kopf lists again, it does not report what vanished before (`kopf_adaptations`). Then names are listed here. Whole
objects would be 90 MB of JSON for 5,000 VMs and their pods.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from cachemon.controller.store import Store
from cachemon.daemon.waiting import wait_for
from cachemon.kube.client import KubeClient, Listing, Selector
from cachemon.model.api import GROUPS, NAMESPACES, NODES, PODS, POLICIES, VMIS, Resource, name_of
from cachemon.model.backoff import Backoff
from cachemon.model.errors import KubeError, KubeGoneError, KubeUnreachableError
from cachemon.model.resource_versions import version_number
from cachemon.telemetry.operator_metrics import Metrics

log = logging.getLogger(__name__)

LAUNCHER_PODS = "kubevirt.io=virt-launcher"
"""Label selector (KubeVirt v1.9.0 pkg/virt-controller/services/template.go podLabels)."""

_ORDER = ((GROUPS, ""), (NODES, ""), (POLICIES, ""), (NAMESPACES, ""), (VMIS, ""), (PODS, LAUNCHER_PODS))
"""What others refer to is listed after them, so a group's VMI is found if it exists, and a VMI's pods, too."""

_PERIOD_SECONDS = 300.0
_SPACING_SECONDS = 30.0
_FIRST_TRY_SECONDS = 2.0
_LAST_TRY_SECONDS = 15.0


def _named(obj: Mapping[str, Any]) -> dict[str, Any]:
    return {"metadata": {key: obj["metadata"][key] for key in ("name", "namespace") if key in obj["metadata"]}}


class Relister:
    """Lists all six resources into the store.

    It does so every few minutes, and on request at most twice a minute: kopf hands out a long list object by object.
    """

    def __init__(self, client: KubeClient, store: Store, metrics: Metrics) -> None:
        self._client = client
        self._store = store
        self._metrics = metrics
        self._wanted = asyncio.Event()
        self._listed_again: set[Resource] = set()
        self._one_at_a_time = asyncio.Lock()

    def find_vanished(self, resource: Resource) -> None:
        """List the names of this resource soon, as objects may have vanished unnoticed."""
        self._listed_again.add(resource)
        self._wanted.set()

    async def once(self) -> None:
        """List everything now; raises KubeError."""
        async with self._one_at_a_time:
            started = time.monotonic()
            try:
                for resource, labels in _ORDER:
                    listing = await self._client.list(
                        resource, Selector(labels=labels), keep=self._store.parser(resource)
                    )
                    self._store.apply_list(resource, listing.items, _version_of(listing), served_at=listing.served_at)
            except KubeError:
                self._metrics.relists.labels("failed").inc()
                raise
            self._metrics.relists.labels("ok").inc()
            log.debug("listed everything in %.2f s", time.monotonic() - started)

    async def first(self) -> None:
        """List everything; wait for the API server and the CRDs without end."""
        backoff = Backoff(_FIRST_TRY_SECONDS, _LAST_TRY_SECONDS)
        while True:
            try:
                await self.once()
            except KubeError as err:
                wait = backoff.next_seconds()
                log.warning("the first list failed: %s; retrying in %g s", err, wait)
                await asyncio.sleep(wait)
            else:
                return

    async def run(self) -> None:
        """List everything every period, and names on request, until cancelled."""
        now = asyncio.get_running_loop().time
        everything_at = now() + _SPACING_SECONDS + _PERIOD_SECONDS
        while True:
            await asyncio.sleep(_SPACING_SECONDS)
            await wait_for(self._wanted, everything_at - now())
            self._wanted.clear()
            asked, self._listed_again = self._listed_again, set()
            try:
                if now() < everything_at and await self._drop_vanished(asked):
                    continue
                everything_at = now()  # until that has worked
                await self.once()
                everything_at = now() + _SPACING_SECONDS + _PERIOD_SECONDS
            except KubeError as err:
                if not isinstance(err, KubeGoneError):
                    log.warning("listing failed: %s", err)
                self._listed_again |= asked
                self._wanted.set()

    async def _drop_vanished(self, asked: AbstractSet[Resource]) -> bool:
        """List names of these resources; False when whole objects have to be listed."""
        for resource, labels in _ORDER:
            if resource in asked:
                listing = await self._client.list(resource, Selector(labels=labels), keep=_named, metadata_only=True)
                names = map(name_of, listing.items)
                if not self._store.apply_names(resource, names, _version_of(listing)):
                    return False
        return True


def _version_of(listing: Listing[Any]) -> int:
    """The resourceVersion of the list: it decides which objects are newer."""
    try:
        return version_number(listing.resource_version)
    except (TypeError, ValueError) as err:
        raise KubeUnreachableError("the API server sent a list whose resourceVersion is not a number") from err
