"""The node's own object: it is renewed once per its period, whatever becomes of the groups."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from cachemon.agent.status_fields import node_condition, node_status
from cachemon.agent.targets import BoundLayout
from cachemon.agent.write_schedule import next_write_time
from cachemon.daemon.waiting import wait_for
from cachemon.engine.figures import Figures
from cachemon.kube.client import KubeClient
from cachemon.kube.outage import FailureRun
from cachemon.kube.token_claims import NodeClaim
from cachemon.model.api import AGENT_FIELD_MANAGER, API_VERSION, NODES, ObjectName
from cachemon.model.backoff import Backoff, jittered
from cachemon.model.errors import (
    KubeConflictError,
    KubeError,
    KubeForbiddenError,
    KubeNotFoundError,
    KubeRejectedError,
    KubeThrottledError,
    KubeUnreachableError,
)
from cachemon.model.times import format_time

__all__ = ["Heartbeat"]

log = logging.getLogger(__name__)

_REFUSED_SECONDS = 5.0
_SHORTEST_PAUSE_SECONDS = 0.5
"""Between two writes of a node that changes all the time: it has no other limit, and needs none."""


class Heartbeat:
    """Writes this node's CacheMonitorNode. It waits for no group, and no group waits for it.

    An agent that is silent for three periods makes every group of its node NoAgent, so this has a task, a pace and a
    back-off of its own.

    Args:
        client: the API server.
        node_name: this node.
        claim: the node of our token; its UID makes the Node own the CacheMonitorNode.
        period_seconds: how often it is renewed.
        run: hears of every success, which proves that the server is there.
        writes: counts, by result.
        clock: monotonic seconds.
        wall_clock: seconds since the epoch.
    """

    def __init__(
        self,
        client: KubeClient,
        node_name: str,
        claim: NodeClaim | None,
        period_seconds: int,
        *,
        run: FailureRun,
        writes: Counter[str],
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._node_name = node_name
        self._claim = claim
        self._period = period_seconds
        self._failure_run = run
        self._writes = writes
        self._clock = clock
        self._wall_clock = wall_clock
        self._conditions: list[dict[str, Any]] | None = None  # until they were asked for
        self._mark: object = None
        self._due = 0.0
        self._not_before = 0.0
        self._backoff = Backoff()

    async def run(self, snapshot: Callable[[], tuple[BoundLayout, Figures]], sampled: asyncio.Event) -> None:
        """Write until cancelled.

        Args:
            snapshot: the newest layout and figures.
            sampled: set when they are newer.
        """
        while True:
            sampled.clear()
            try:
                wait = await self.beat(*snapshot())
            except Exception:
                log.exception("the node's own object can't be written; trying again")
                wait = _REFUSED_SECONDS
            await wait_for(sampled, wait)

    async def beat(self, layout: BoundLayout, figures: Figures) -> float:
        """Write if it is due, or if something has changed.

        Returns:
            Seconds until it is due again, if nothing changes before.
        """
        now = self._clock()
        if not figures.wall_time:
            return self._period
        mark = (node_condition(layout), layout.node.own_mon_groups, layout.node.other_rmids)
        if now < self._not_before or (mark == self._mark and now < self._due):
            return max(self._not_before, self._due if mark == self._mark else 0.0) - now
        try:
            written = await self._write(layout, figures)
        except (KubeUnreachableError, KubeThrottledError) as err:
            return self._hold(err)
        except KubeError as err:
            self._writes["failed"] += 1
            log.warning("status of %s %s can't be written: %s", NODES.kind, self._node_name, err)
            written = False
        now = self._clock()
        self._mark = mark
        self._due = next_write_time(self._node_name, self._period, now) if written else now + _REFUSED_SECONDS
        self._not_before = now + (_SHORTEST_PAUSE_SECONDS if written else _REFUSED_SECONDS)
        return self._due - now

    def _hold(self, err: KubeError) -> float:
        """The API server is away or busy: it stays due, and is tried again after a while."""
        if isinstance(err, KubeThrottledError):
            self._writes["throttled"] += 1
            wait = jittered(err.retry_after_seconds)
        else:
            self._writes["unreachable"] += 1
            wait = jittered(self._backoff.next_seconds())
        self._not_before = self._clock() + wait
        log.warning("%s %s: %s; next try in %.1f s", NODES.kind, self._node_name, err, wait)
        return wait

    async def _write(self, layout: BoundLayout, figures: Figures) -> bool:
        name = ObjectName("", self._node_name)
        if self._conditions is None:
            self._conditions = await self._conditions_of(name)
        status = node_status(
            layout,
            figures,
            period_seconds=self._period,
            before=self._conditions,
            now=format_time(self._wall_clock()),
        )
        written = await self._send(name, status)
        if written is None:
            await self._create()
            written = await self._send(name, status)
        if written:
            self._conditions = status["conditions"]
        return bool(written)

    async def _conditions_of(self, name: ObjectName) -> list[dict[str, Any]]:
        """What an agent before us wrote: a condition keeps its transition time when the agent starts anew."""
        try:
            node = await self._client.get(NODES, name)
        except (KubeNotFoundError, KubeForbiddenError):
            return []
        return list(node.get("status", {}).get("conditions", ()))

    async def _create(self) -> None:
        metadata: dict[str, Any] = {"name": self._node_name}
        if self._claim:
            metadata["ownerReferences"] = [
                {"apiVersion": "v1", "kind": "Node", "name": self._claim.name, "uid": self._claim.uid}
            ]
        try:
            body = {"apiVersion": API_VERSION, "kind": NODES.kind, "metadata": metadata}
            await self._client.create(NODES, body, field_manager=AGENT_FIELD_MANAGER)
        except KubeConflictError:
            log.debug("CacheMonitorNode %s is there by now", self._node_name)
        except (KubeForbiddenError, KubeNotFoundError, KubeRejectedError) as err:
            log.warning("CacheMonitorNode %s can't be created: %s", self._node_name, err)

    async def _send(self, name: ObjectName, status: dict[str, Any]) -> bool | None:
        """Apply the status; False when the server does not let us; None when there is no such object."""
        try:
            await self._client.send_status(NODES, name, status, field_manager=AGENT_FIELD_MANAGER)
        except KubeNotFoundError:
            self._writes["gone"] += 1
            return None
        except (KubeForbiddenError, KubeRejectedError, KubeConflictError) as err:
            self._writes["refused"] += 1
            log.warning("status of %s %s was refused: %s", NODES.kind, name, err)
            return False
        self._backoff.reset()
        self._failure_run.succeeded()
        self._writes["written"] += 1
        return True
