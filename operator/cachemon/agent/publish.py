"""Publish: figures to the API, each object once per its period, at once when a state changes."""

import asyncio
import logging
import math
import random
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cachemon.agent.status import Signature, group_status, node_condition, node_status, signature
from cachemon.agent.targets import BoundLayout, BoundTargetLayout, is_handing_over
from cachemon.engine.figures import Figures
from cachemon.kube.client import KubeClient
from cachemon.kube.pace import TokenBucket
from cachemon.kube.token import NodeClaim
from cachemon.model.api import AGENT_FIELD_MANAGER, API_VERSION, GROUPS, NODES, ObjectName, Resource
from cachemon.model.errors import (
    KubeConflictError,
    KubeError,
    KubeForbiddenError,
    KubeInternalError,
    KubeNotFoundError,
    KubeRejectedError,
    KubeThrottledError,
    KubeUnreachableError,
)
from cachemon.model.times import format_time

__all__ = ["Publisher"]

log = logging.getLogger(__name__)

_JITTER = 0.1
_ROUNDING = 1e-9
_SHORTEST_WAIT_SECONDS = 0.05
_REFUSED_WAIT_SECONDS = 5.0
_FIRST_BACKOFF_SECONDS = 0.5
_LAST_BACKOFF_SECONDS = 15.0
_LACKING_CALM_SECONDS = 5.0
"""Figures that come and go with every sample are told no more often than this before their report is due."""


@dataclass(slots=True)
class _Report:
    """What was reported last of an object, and when it is due next, in monotonic seconds."""

    due: float = 0.0
    signature: Signature | None = None
    calm_until: float = 0.0
    layout: BoundTargetLayout | None = None  # whose signature it is

    def stands(self, layout: BoundTargetLayout, figures: Figures, now: float) -> bool:
        """Whether it is plain, without a look at the object's groups, that there is nothing to tell."""
        told_all = self.signature is not None and not self.signature.lacking
        return layout is self.layout and now < self.due and told_all and not figures.lacking

    def is_urgent(self, mark: Signature, now: float) -> bool:
        """Whether a state has changed, or whether there are figures and that has not only just changed before."""
        if self.signature is None or mark.state != self.signature.state:
            return True
        if mark.lacking == self.signature.lacking or now < self.calm_until:
            return False
        self.calm_until = now + _LACKING_CALM_SECONDS
        return True


@dataclass(slots=True)
class _NodeReport:
    """The same of the node."""

    due: float = 0.0
    signature: object = None


@dataclass(slots=True)
class Writes:
    """Counts of writes to the API by result."""

    results: dict[str, int] = field(default_factory=dict)

    def note(self, result: str) -> None:
        """Count one."""
        self.results[result] = self.results.get(result, 0) + 1


class Publisher:
    """Writes what this node owns, and nothing else.

    Args:
        client: the API server.
        node_name: this node.
        claim: the node of our token; its UID makes the Node own the CacheMonitorNode.
        node_period_seconds: how often the CacheMonitorNode is renewed.
        bucket: limits the writes.
        clock: monotonic seconds.
        wall_clock: seconds since the epoch.
    """

    def __init__(
        self,
        client: KubeClient,
        node_name: str,
        claim: NodeClaim | None,
        node_period_seconds: int,
        *,
        bucket: TokenBucket,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._node_name = node_name
        self._claim = claim
        self._node_period = node_period_seconds
        self._bucket = bucket
        self._clock = clock
        self._wall_clock = wall_clock
        self._reports: dict[str, _Report] = {}
        self._node_report = _NodeReport()
        self._node_conditions: list[dict[str, Any]] | None = None  # until they were asked for
        self._backoff = _FIRST_BACKOFF_SECONDS
        self._hold_until = 0.0
        self.writes = Writes()

    async def publish(self, layout: BoundLayout, figures: Figures) -> float:
        """Write everything that is due.

        Returns:
            Seconds until something is due again, if nothing changes before.
        """
        if not figures.wall_time:
            return _FIRST_BACKOFF_SECONDS
        reporting = [target for target in layout.targets if target.target.reports]
        for uid in self._reports.keys() - {target.uid for target in reporting}:
            del self._reports[uid]
        if self._clock() < self._hold_until:
            return self._hold_until - self._clock()
        try:
            await self._publish_node(layout, figures)
            for target in reporting:
                report = self._reports.setdefault(target.uid, _Report())
                if not report.stands(target, figures, self._clock()):
                    await self._publish_group(target, report, figures)
        except (KubeUnreachableError, KubeThrottledError) as err:
            self._hold(err)
        due = [self._node_report.due, *(report.due for report in self._reports.values())]
        return max(_SHORTEST_WAIT_SECONDS, min(due) - self._clock(), self._hold_until - self._clock())

    def _hold(self, err: KubeError) -> None:
        """The API server is away or busy: everything stays due, and nothing is tried for a while."""
        wait = err.retry_after_seconds if isinstance(err, KubeThrottledError) else self._backoff
        self._backoff = min(_LAST_BACKOFF_SECONDS, self._backoff * 2)
        self._hold_until = self._clock() + wait * random.uniform(1.0, 1.0 + _JITTER)
        self.writes.note("throttled" if isinstance(err, KubeThrottledError) else "unreachable")
        log.warning("%s; next try in %.1f s", err, wait)

    async def _publish_group(self, target: BoundTargetLayout, report: _Report, figures: Figures) -> None:
        if is_handing_over(target):  # the last figures stand until the target's agent writes the next
            report.signature = None
            report.due = self._clock() + target.target.object.status_period_seconds
            return
        mark, now = signature(target, figures), self._clock()
        if not report.is_urgent(mark, now) and now < report.due:
            report.layout = target
            return
        obj = target.target.object
        status = group_status(target, figures, format_time(self._wall_clock()))
        if await self._write(GROUPS, obj.name, status):
            report.signature = mark
            report.due = self._next(target.uid, obj.status_period_seconds)
        else:
            report.due = self._clock() + _REFUSED_WAIT_SECONDS
            report.signature = mark
        report.layout = target

    async def _publish_node(self, layout: BoundLayout, figures: Figures) -> None:
        mark = (node_condition(layout), layout.node.own_mon_groups, layout.node.other_rmids)
        report = self._node_report
        if mark == report.signature and self._clock() < report.due:
            return
        name = ObjectName("", self._node_name)
        if self._node_conditions is None:
            self._node_conditions = await self._conditions_of(name)
        status = node_status(
            layout,
            figures,
            period_seconds=self._node_period,
            before=self._node_conditions,
            now=format_time(self._wall_clock()),
        )
        written = await self._write(NODES, name, status)
        if written is None:
            await self._create_node()
            written = await self._write(NODES, name, status)
        if written:
            self._node_conditions = status["conditions"]
        report.signature = mark
        report.due = (
            self._next(self._node_name, self._node_period) if written else self._clock() + _REFUSED_WAIT_SECONDS
        )

    async def _conditions_of(self, name: ObjectName) -> list[dict[str, Any]]:
        """What an agent before us wrote: a condition keeps its transition time when the agent starts anew."""
        try:
            node = await self._client.get(NODES, name)
        except (KubeNotFoundError, KubeForbiddenError):
            return []
        return list(node.get("status", {}).get("conditions", ()))

    async def _create_node(self) -> None:
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

    async def _write(self, resource: Resource, name: ObjectName, status: dict[str, Any]) -> bool | None:
        """Apply a status; False when the server does not let us, as it is not ours any more; None when it is gone."""
        await asyncio.sleep(self._bucket.take())
        try:
            await self._client.send_status(resource, name, status, field_manager=AGENT_FIELD_MANAGER)
        except KubeNotFoundError:
            self.writes.note("gone")
            return None
        except (KubeForbiddenError, KubeRejectedError, KubeConflictError, KubeInternalError) as err:
            self.writes.note("refused")
            log.warning("status of %s %s was refused: %s", resource.kind, name, err)
            return False
        self._backoff = _FIRST_BACKOFF_SECONDS
        self.writes.note("written")
        return True

    def _next(self, name: str, period: float) -> float:
        """The next time that is this object's, in a row of times a period apart.

        The rows of different objects lie anywhere within the period: their writes spread, however many began at once.
        """
        phase = zlib.crc32(name.encode()) / 2**32
        begun = math.floor(self._clock() / period - phase + _ROUNDING)
        return (begun + 1 + phase) * period
