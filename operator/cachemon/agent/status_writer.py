"""Publish: figures of groups to the API, each object once per its period, sooner when a state changes."""

import asyncio
import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence

from cachemon.agent.object_reports import (
    IN_FLIGHT,
    IN_FLIGHT_OF_ONE_NAMESPACE,
    SLOW_SECONDS,
    WRITES_PER_SECOND,
    Report,
    Stretches,
)
from cachemon.agent.status_fields import group_status, signature
from cachemon.agent.status_size import fitted
from cachemon.agent.targets import BoundLayout, is_handing_over
from cachemon.agent.write_failures import advice_on, result_of
from cachemon.agent.write_schedule import WriteSchedule, next_write_time
from cachemon.daemon.token_buckets import TokenBucket
from cachemon.daemon.waiting import wait_for
from cachemon.engine.figures import Figures
from cachemon.kube.client import KubeClient
from cachemon.kube.outage import FailureRun
from cachemon.model.api import AGENT_FIELD_MANAGER, GROUPS
from cachemon.model.backoff import Backoff, jittered
from cachemon.model.errors import (
    KubeError,
    KubeInternalError,
    KubeNotFoundError,
    KubeThrottledError,
    KubeTooLargeError,
    KubeUnauthorizedError,
    KubeUnreachableError,
)
from cachemon.model.times import format_time

__all__ = ["Publisher"]

log = logging.getLogger(__name__)

_STRETCH_AGAIN_SECONDS = 10.0
_OLDEST_PERIODS = 1.5
_LATE_SAMPLES = 0.6  # the half that the horizon lies ahead, and a tenth by which the next one may be late
_LONGEST_QUOTE = 300


class Publisher:
    """Writes the statuses of this node's groups, fairly by namespace, and nothing else.

    Args:
        client: the API server.
        sample_seconds: time between two samples.
        run: whether failures of single objects mean that the server is away.
        writes: counts, by result.
        clock: monotonic seconds.
        wall_clock: seconds since the epoch.
    """

    def __init__(
        self,
        client: KubeClient,
        *,
        sample_seconds: float,
        run: FailureRun,
        writes: Counter[str],
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._sample_seconds = sample_seconds
        self._failure_run = run
        self._writes = writes
        self._clock = clock
        self._wall_clock = wall_clock
        self._bucket = TokenBucket(WRITES_PER_SECOND, WRITES_PER_SECOND, clock)
        self._reports: dict[str, Report] = {}
        self._schedule = WriteSchedule()
        self._stretches = Stretches()
        self._stretch_again_at = 0.0
        self._layout: BoundLayout | None = None
        self._figures = Figures()
        self._lacking: set[str] = set()  # objects whose last report lacks a figure
        self._in_flight: Counter[str] = Counter()  # writes by namespace
        self._slow: set[str] = set()  # namespaces whose last write was slow
        self._horizon = -math.inf
        self._hold_until = 0.0
        self._backoff = Backoff()
        self._answered_at = -math.inf
        self._wake = asyncio.Event()

    def take_in(self, layout: BoundLayout, figures: Figures) -> None:
        """A new sample: what is due until half the time to the next one is written with its figures.

        Looks at no object that is as it was in the last sample.
        """
        if not figures.wall_time:
            return
        now = self._clock()
        self._figures = figures
        self._horizon = now + self._sample_seconds / 2
        changed = self._take_in_layout(layout) if layout is not self._layout else ()
        if layout is not self._layout or now >= self._stretch_again_at:
            self._renew_periods(now)
        self._layout = layout
        lacking = {key.object_uid for key in figures.lacking}
        for uid in dict.fromkeys((*changed, *self._lacking, *lacking)):
            if report := self._reports.get(uid):
                self._look_at(report, now)
        self._wake.set()

    async def run(self) -> None:
        """Write until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._wake.clear()
                held = self._hold_until - self._clock()
                if held > 0 or not self._has_due():
                    await wait_for(self._wake, held if held > 0 else self._sample_seconds)
                    continue
                await asyncio.sleep(self._bucket.reserve())
                if report := self._take():
                    tasks.create_task(self._write(report))

    def _take(self) -> Report | None:
        """The report whose write begins now."""
        if self._clock() < self._hold_until:
            return None
        uid = self._schedule.take(self._horizon, self._is_free)
        if uid is None:
            return None
        report = self._reports[uid]
        report.in_flight = True
        self._in_flight[report.namespace] += 1
        return report

    def _has_due(self) -> bool:
        return self._schedule.has_due(self._horizon, self._is_free)

    def _is_free(self, namespace: str) -> bool:
        slots = IN_FLIGHT - 1 if namespace in self._slow else IN_FLIGHT
        return self._in_flight.total() < slots and self._in_flight[namespace] < IN_FLIGHT_OF_ONE_NAMESPACE

    def _take_in_layout(self, layout: BoundLayout) -> Sequence[str]:
        """Which objects stand in another way than before, in the order of the layout."""
        reporting = {target.uid: target for target in layout.targets if target.target.reports}
        for uid in self._reports.keys() - reporting.keys():
            del self._reports[uid]
            self._schedule.remove(uid)
            self._lacking.discard(uid)
        self._slow &= {target.target.object.namespace for target in reporting.values()}
        changed = []
        for uid, target in reporting.items():
            report = self._reports.get(uid)
            if report is None:
                self._reports[uid] = Report(target)
            elif report.layout is target:
                continue
            else:
                report.layout = target
            changed.append(uid)
        return changed

    def _renew_periods(self, now: float) -> None:
        self._stretch_again_at = now + _STRETCH_AGAIN_SECONDS
        shorter = self._stretches.renew(self._reports.values())
        for report in self._reports.values() if shorter else ():
            if report.namespace in shorter and report.signature and not report.rests:
                self._plan(report, min(report.due, self._next(report, now)))

    def _look_at(self, report: Report, now: float) -> None:
        """Have the object written soon if something about it should be known at once."""
        if is_handing_over(report.layout):  # the last figures stand until the target's agent writes the next
            report.signature, report.rests = None, False
            self._schedule.remove(report.uid)
        elif report.in_flight:
            report.changed = True
        elif not (
            report.rests
            or self._schedule.is_planned_as_change(report.uid)
            or not report.is_urgent(signature(report.layout, self._figures), now)
        ):
            self._schedule.put(report.uid, report.namespace, now, is_change=True)

    def _plan(self, report: Report, due: float) -> None:
        """Plan the next write by the period, unless the object waits to report a change."""
        report.due = due
        if not report.in_flight and not self._schedule.is_planned_as_change(report.uid):
            self._schedule.put(report.uid, report.namespace, due)

    def _next(self, report: Report, now: float) -> float:
        """When an object is due that was written just now.

        Samples never come exactly on time: where the period is about that of the samples, the next time of the row
        may lie just behind a sample. The one after it would come after more than one and a half periods.
        """
        period = self._stretches.period_of(report)
        written_for = report.due if now < report.due <= self._horizon else now
        latest = now + _OLDEST_PERIODS * period - _LATE_SAMPLES * self._sample_seconds
        return min(next_write_time(report.uid, period, written_for), latest)

    async def _write(self, report: Report) -> None:
        """One object: whatever happens, it is planned again, and others are not held up."""
        began = self._clock()
        try:
            again_at = await self._try(report, began)
        except Exception:
            log.exception("%s %s can't be written; trying again", GROUPS.kind, report.name)
            again_at = report.rest(self._clock())
        finally:
            report.in_flight = False
            self._in_flight[report.namespace] -= 1
            self._in_flight += Counter()  # keeps those above 0
            self._wake.set()
        is_slow = self._clock() - began > SLOW_SECONDS
        (self._slow.add if is_slow else self._slow.discard)(report.namespace)
        if self._reports.get(report.uid) is not report:  # gone meanwhile
            return
        self._plan(report, again_at)
        if report.changed or is_handing_over(report.layout):
            report.changed = False
            self._look_at(report, self._clock())

    async def _try(self, report: Report, began: float) -> float:
        """Send the status, and judge the answer. Answers when the object is due again."""
        layout, before, mark = report.layout, report.signature, signature(report.layout, self._figures)
        period = self._stretches.period_of(report)
        status = group_status(layout, self._figures, format_time(self._wall_clock()), period_seconds=period)
        report.signature = mark
        try:
            await self._client.send_status(
                GROUPS, report.name, fitted(status, report.most_bytes), field_manager=AGENT_FIELD_MANAGER
            )
        except KubeError as err:
            report.signature = before
            return self._judge(err, report, began)
        self._note_answer()
        self._writes["written"] += 1
        self._backoff.reset()
        if report.rests:
            log.info("status of %s %s is written again", GROUPS.kind, report.name)
        (self._lacking.add if mark.lacking else self._lacking.discard)(report.uid)
        now = self._clock()
        report.succeed(now, now - began)
        return self._next(report, now)

    def _note_answer(self) -> None:
        """The server has answered about an object, so it is not away."""
        self._answered_at = self._clock()
        self._failure_run.succeeded()

    def _judge(self, err: KubeError, report: Report, began: float) -> float:
        """A write failed: the server is away or busy, or else this object rests and the others go on.

        No answer in time while others were answered concerns the object, too: its webhook may hang.
        """
        now = self._clock()
        no_answer = isinstance(err, KubeUnreachableError)
        if isinstance(err, KubeThrottledError | KubeUnauthorizedError) or (no_answer and self._answered_at <= began):
            self._writes["throttled" if isinstance(err, KubeThrottledError) else "unreachable"] += 1
            self._hold(err)
            return now
        if isinstance(err, KubeInternalError):
            if self._failure_run.failed(report.name):
                self._hold(err)
        elif not no_answer:
            self._note_answer()
        self._writes[result_of(err)] += 1
        if isinstance(err, KubeTooLargeError) and report.shrink(now):
            return now
        is_news = not (report.rests or isinstance(err, KubeNotFoundError))  # the watch tells of what is deleted
        until = report.rest(now)
        log.log(
            logging.WARNING if is_news else logging.DEBUG,
            "status of %s %s can't be written: %s; trying again in %.0f s and then more rarely; other objects are "
            "not delayed. %s",
            GROUPS.kind, report.name, str(err)[:_LONGEST_QUOTE], until - now, advice_on(err),
        )  # fmt: skip
        return until

    def _hold(self, err: KubeError) -> None:
        """The API server is away or busy: everything stays due, and nothing is tried for a while."""
        now = self._clock()
        if isinstance(err, KubeThrottledError):
            wait = err.retry_after_seconds
        elif now < self._hold_until:  # several writes were in flight: one failure of the server
            return
        else:
            wait = self._backoff.next_seconds()
        self._hold_until = max(self._hold_until, now + jittered(wait))
        log.warning("%s; next try in %.1f s", str(err)[:_LONGEST_QUOTE], self._hold_until - now)
