"""Writes the statuses of this node's groups, and that of the node itself."""

import asyncio
import json
import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from cachemon.agent.api_pause import ApiPause
from cachemon.agent.live_objects import LiveObjects
from cachemon.agent.node_fields import node_status
from cachemon.agent.object_reports import WRITES_PER_SECOND, ObjectReport
from cachemon.agent.status_fields import group_status, signature
from cachemon.agent.status_plan import StatusPlan
from cachemon.agent.status_size import fitted
from cachemon.agent.targets import BoundLayout
from cachemon.agent.write_schedule import WriteSlots
from cachemon.daemon.token_buckets import TokenBucket
from cachemon.daemon.waiting import wait_for
from cachemon.engine.figures import Figures
from cachemon.kube.client import KubeClient
from cachemon.kube.outage import FailureRun
from cachemon.kube.token_claims import NodeClaim
from cachemon.model.api import AGENT_FIELD_MANAGER, API_VERSION, GROUPS, NODES, ObjectName
from cachemon.model.errors import (
    KubeConflictError,
    KubeError,
    KubeForbiddenError,
    KubeInternalError,
    KubeNotFoundError,
    KubeRejectedError,
    KubeThrottledError,
    KubeTooLargeError,
    KubeUnauthorizedError,
    KubeUnreachableError,
)
from cachemon.model.fitted_text import fit_text
from cachemon.model.times import format_time

log = logging.getLogger(__name__)

_LONGEST_QUOTE = 300
_NOBODY_WATCHES: Mapping[str, str] = {}


class GroupStatusWriter:
    """Writes the statuses of this node's CacheMonitorGroups, fairly by namespace.

    Shares `run`, the failures of single objects in a row, with the heartbeat. The clocks give monotonic seconds and
    seconds since the epoch: `wall_clock` by this machine, `server_time` by the API server.
    """

    def __init__(
        self,
        client: KubeClient,
        *,
        sample_seconds: float,
        run: FailureRun,
        writes: Counter[str],
        server_time: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._writes = writes
        self._clock = clock
        self._wall_clock = wall_clock
        self._bucket = TokenBucket(WRITES_PER_SECOND, WRITES_PER_SECOND, clock)
        self._plan = StatusPlan(sample_seconds, LiveObjects(server_time))
        self._slots = WriteSlots()
        self._pause = ApiPause(run, clock)
        self._wake = asyncio.Event()

    def take_in(
        self,
        layout: BoundLayout,
        figures: Figures,
        live: Mapping[str, str] = _NOBODY_WATCHES,
        *,
        is_sample: bool = True,
    ) -> None:
        """Take a new sample, or states that are newer than the last one; every write from now on has them.

        `live` has the annotations by which persons ask for fresh figures, by UID of the object.
        """
        if not figures.wall_time:
            return
        if self._plan.take_in(layout, figures, self._clock(), live, is_sample=is_sample):
            self._slots.retain(self._plan.namespaces)
        if self._plan.has_due(self._slots.is_free):
            self._wake.set()

    async def run(self) -> None:
        """Write until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._wake.clear()
                paused = self._pause.left_seconds
                if paused > 0 or not self._plan.has_due(self._slots.is_free):
                    await wait_for(self._wake, paused if paused > 0 else math.inf)
                    continue
                await asyncio.sleep(self._bucket.reserve())
                if self._pause.left_seconds > 0:
                    continue
                if report := self._plan.take(self._slots.is_free):
                    self._slots.begin(report.namespace)
                    tasks.create_task(self._write(report))

    async def _write(self, report: ObjectReport) -> None:
        """Write one object. Whatever happens, it is planned again, and others are not held up."""
        began = self._clock()
        again_at = began
        try:
            again_at = await self._try(report, began)
        except Exception:
            log.exception("%s %s can't be written; trying again", GROUPS.kind, report.name)
            again_at = report.back_off(self._clock())
        finally:
            now = self._clock()
            self._slots.end(report.namespace, now - began)
            self._plan.end(report, again_at, now)
            self._wake.set()

    async def _try(self, report: ObjectReport, began: float) -> float:
        """Send the status, and judge the answer; returns when the object is due again."""
        layout, figures, before = report.layout, self._plan.figures, report.signature
        mark = signature(layout, figures)
        period = self._plan.period_of(report)
        status = group_status(
            layout,
            figures,
            format_time(self._wall_clock()),
            period_seconds=period,
            age_seconds=figures.moment.age_seconds(began),
        )
        live = self._plan.live_field(report, began)
        status = fitted(status | live, report.size.most_bytes)
        report.size.last_bytes = len(json.dumps(status)) if live else 0
        report.signature = mark
        try:
            await self._client.send_status(GROUPS, report.name, status, field_manager=AGENT_FIELD_MANAGER)
        except KubeError as err:
            report.signature = before
            return self._judge(err, report, began)
        self._pause.succeeded()
        self._writes["written"] += 1
        if report.is_backing_off:
            log.info("status of %s %s is written again", GROUPS.kind, report.name)
        now = self._clock()
        return self._plan.written(report, mark, now, now - began)

    def _judge(self, err: KubeError, report: ObjectReport, began: float) -> float:
        """A write failed: the server is away or busy, or else this object waits and the others go on.

        No answer in time while others were answered concerns the object, too: its webhook may hang.
        """
        now = self._clock()
        no_answer = isinstance(err, KubeUnreachableError)
        is_silent = no_answer and not self._pause.has_answered_since(began)
        if is_silent or isinstance(err, KubeThrottledError | KubeUnauthorizedError):
            self._writes["throttled" if isinstance(err, KubeThrottledError) else "unreachable"] += 1
            self._hold(err)
            return now
        if isinstance(err, KubeInternalError):
            if self._pause.is_away(report.name):
                self._hold(err)
        elif not no_answer:
            self._pause.answered()
        self._writes[_result_of(err)] += 1
        if isinstance(err, KubeTooLargeError) and report.size.shrink(now):
            return now
        is_news = not (report.is_backing_off or isinstance(err, KubeNotFoundError))  # the watch reports deletions
        until = report.back_off(now)
        log.log(
            logging.WARNING if is_news else logging.DEBUG,
            "status of %s %s can't be written: %s; trying again in %.0f s and then more rarely; other objects are "
            "not delayed. %s",
            GROUPS.kind, report.name, fit_text(str(err), _LONGEST_QUOTE), until - now, _advice_on(err),
        )  # fmt: skip
        return until

    def _hold(self, err: KubeError) -> None:
        """Write nothing for a while, as the API server is away or busy; everything stays due."""
        if wait := self._pause.begin(err):
            log.warning("%s; next try in %.1f s", fit_text(str(err), _LONGEST_QUOTE), wait)


def _result_of(err: KubeError) -> str:
    """For the metric."""
    if isinstance(err, KubeNotFoundError):
        return "gone"
    return "failed" if isinstance(err, KubeInternalError | KubeUnreachableError) else "refused"


def _advice_on(err: KubeError) -> str:
    """What a person can do about it."""
    if isinstance(err, KubeTooLargeError):
        return "The object is too large without any figures, too: remove labels or annotations from it"
    if isinstance(err, KubeInternalError | KubeUnreachableError):
        return "Look at the API server's log, and at webhooks that apply to cachemonitorgroups/status"
    return "If it stays so, compare the agent's rights and the admission policies with those of the chart"


class NodeStatusWriter:
    """Writes the status of this node's CacheMonitorNode, and creates the object when it is missing.

    The UID in `claim` makes the Node own it; `period_seconds` is a part of the status.
    """

    def __init__(
        self,
        client: KubeClient,
        node_name: str,
        claim: NodeClaim | None,
        period_seconds: int,
        *,
        writes: Counter[str],
        wall_clock: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._clock = clock
        self.node_name = node_name
        self._name = ObjectName("", node_name)
        self._claim = claim
        self.period_seconds = period_seconds
        self.writes = writes
        self._wall_clock = wall_clock
        self._conditions: list[dict[str, Any]] | None = None  # None until they were read

    async def write(self, layout: BoundLayout, figures: Figures, live: Mapping[str, Any]) -> bool:
        """Write it; returns False when the server refuses it, and raises KubeError when that can't be done now.

        `live` has the field `live` of the status, if a person has asked for fresh figures.
        """
        if self._conditions is None:
            self._conditions = await self._conditions_before()
        status = node_status(
            layout,
            figures,
            period_seconds=self.period_seconds,
            before=self._conditions,
            now=format_time(self._wall_clock()),
            age_seconds=figures.moment.age_seconds(self._clock()),
        ) | dict(live)
        written = await self._send(status)
        if written is None:
            await self._create()
            written = await self._send(status)
        if written:
            self._conditions = status["conditions"]
        return bool(written)

    async def _conditions_before(self) -> list[dict[str, Any]]:
        """Those of an earlier agent: a condition keeps its transition time when the agent starts anew."""
        try:
            node = await self._client.get(NODES, self._name)
        except (KubeNotFoundError, KubeForbiddenError):
            return []
        return list(node.get("status", {}).get("conditions", ()))

    async def _create(self) -> None:
        metadata: dict[str, Any] = {"name": self._name.name}
        if self._claim:
            metadata["ownerReferences"] = [
                {"apiVersion": "v1", "kind": "Node", "name": self._claim.name, "uid": self._claim.uid}
            ]
        try:
            body = {"apiVersion": API_VERSION, "kind": NODES.kind, "metadata": metadata}
            await self._client.create(NODES, body, field_manager=AGENT_FIELD_MANAGER)
        except KubeConflictError:
            log.debug("CacheMonitorNode %s exists by now", self._name)
        except (KubeForbiddenError, KubeNotFoundError, KubeRejectedError) as err:
            log.warning("CacheMonitorNode %s can't be created: %s", self._name, err)

    async def _send(self, status: dict[str, Any]) -> bool | None:
        """Apply the status; False when the server refuses it; None when there is no such object."""
        try:
            await self._client.send_status(NODES, self._name, status, field_manager=AGENT_FIELD_MANAGER)
        except KubeNotFoundError:
            self.writes["gone"] += 1
            return None
        except (KubeForbiddenError, KubeRejectedError, KubeConflictError) as err:
            self.writes["refused"] += 1
            log.warning("status of %s %s was refused: %s", NODES.kind, self._name, err)
            return False
        self.writes["written"] += 1
        return True
