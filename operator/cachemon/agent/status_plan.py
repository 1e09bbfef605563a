"""Which statuses of groups have to be written, and when. Pure: the time is an argument."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from cachemon.agent.live_objects import LiveObjects
from cachemon.agent.object_reports import ObjectReport, Stretches
from cachemon.agent.status_fields import Signature, signature
from cachemon.agent.targets import BoundLayout, is_handing_over
from cachemon.agent.write_schedule import WriteSchedule, next_write_time
from cachemon.engine.figures import Figures
from cachemon.model.live_figures import LIVE_PERIOD_SECONDS

_STRETCH_AGAIN_SECONDS = 10.0
_OLDEST_PERIODS = 1.5
_LATE_SAMPLES = 0.6  # the half that the horizon lies ahead, and a tenth by which the next one may be late


class StatusPlan:
    """Plans each object once per its period, and at once when its state changes. Times are monotonic seconds.

    Args:
        sample_seconds: between two samples.
        live: knows which objects a person watches.
    """

    def __init__(self, sample_seconds: float, live: LiveObjects) -> None:
        self.sample_seconds = sample_seconds
        self.figures = Figures()
        self._layout: BoundLayout | None = None
        self._reports: dict[str, ObjectReport] = {}
        self._schedule = WriteSchedule()
        self._stretches = Stretches()
        self._live = live
        self._stretch_again_at = 0.0
        self._lacking: set[str] = set()  # objects whose last report lacks a figure
        self._horizon = -math.inf

    @property
    def namespaces(self) -> set[str]:
        """Of the objects that are reported."""
        return {report.namespace for report in self._reports.values()}

    def take_in(
        self, layout: BoundLayout, figures: Figures, now: float, live: Mapping[str, str], *, is_sample: bool = True
    ) -> bool:
        """Plan by a new sample: it serves for all that is due until half the time to the next one.

        States that are newer than the last sample plan changes alone: what is due by its period waits for figures.

        Examines no object that is as it was in the last sample, unless VMs were judged anew.

        Args:
            layout: the objects.
            figures: the sample.
            now: monotonic seconds.
            live: the annotations by which persons ask for fresh figures, by UID.
            is_sample: whether the figures are new.

        Returns:
            Whether the layout is another one.
        """
        are_judged_anew = figures.minute_verdicts is not self.figures.minute_verdicts
        self.figures = figures
        if is_sample:
            self._horizon = now + self.sample_seconds / 2
        is_new = layout is not self._layout
        changed = self._take_in_layout(layout) if is_new else ()
        news = self._live.values.take_in(live, now)
        if is_new or news or now >= self._stretch_again_at:
            self._renew_periods(now)
        self._layout = layout
        self._plan_live(news, now)
        lacking = {key.object_uid for key in (*figures.lacking, *figures.unread)}
        for uid in self._reports if are_judged_anew else dict.fromkeys((*changed, *self._lacking, *lacking)):
            if report := self._reports.get(uid):
                self._examine(report, now)
        return is_new

    def has_due(self, is_free: Callable[[str], bool]) -> bool:
        """Whether `take` would return a report; `is_free` says whether a namespace may begin a write."""
        return self._schedule.has_due(self._horizon, is_free)

    def take(self, is_free: Callable[[str], bool]) -> ObjectReport | None:
        """The report whose write begins now."""
        uid = self._schedule.take(self._horizon, is_free)
        if uid is None:
            return None
        report = self._reports[uid]
        report.in_flight = True
        return report

    def period_of(self, report: ObjectReport) -> int:
        """The period in force of an object when nobody watches it, in seconds."""
        return self._stretches.period_of(report)

    def live_field(self, report: ObjectReport, now: float) -> dict[str, Any]:
        """What a status says of fresh figures; empty when nobody has asked for them."""
        period = self._live.period_of(report, self._stretches.period_of(report), now)
        return self._live.values.field(report.uid, period, now)

    def written(self, report: ObjectReport, mark: Signature, now: float, seconds: float) -> float:
        """Note a write that took this long; returns when the object is due again."""
        (self._lacking.add if mark.lacking else self._lacking.discard)(report.uid)
        report.succeed(now, seconds)
        return self._next(report, now)

    def end(self, report: ObjectReport, due: float, now: float) -> None:
        """Plan an object again after its write."""
        report.in_flight = False
        if self._reports.get(report.uid) is not report:  # gone meanwhile
            return
        self._put(report, due)
        if report.changed or is_handing_over(report.layout):
            report.changed = False
            self._examine(report, now)

    def _take_in_layout(self, layout: BoundLayout) -> Sequence[str]:
        """The objects that differ from before, in the order of the layout."""
        reporting = {target.uid: target for target in layout.targets if target.target.reports}
        for uid in self._reports.keys() - reporting.keys():
            del self._reports[uid]
            self._schedule.remove(uid)
            self._lacking.discard(uid)
        changed = []
        for uid, target in reporting.items():
            report = self._reports.get(uid)
            if report is None:
                self._reports[uid] = ObjectReport(target)
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
            if report.namespace in shorter and report.signature and not report.is_backing_off:
                self._put(report, min(report.due, self._next(report, now)))
        live = [report for uid, report in self._reports.items() if self._live.values.is_live(uid, now)]
        self._live.renew(live, self._stretches.for_live, self._stretches.period_of)

    def _plan_live(self, uids: Iterable[str], now: float) -> None:
        """Plan objects soon that have become live, or whose annotation is not valid."""
        for uid in uids:
            report = self._reports.get(uid)
            if report is None or report.signature is None or report.is_backing_off:
                continue
            soon = next_write_time(uid, LIVE_PERIOD_SECONDS, now)
            self._put(
                report, min(report.due, self._next(report, now) if self._live.values.is_live(uid, now) else soon)
            )

    def _examine(self, report: ObjectReport, now: float) -> None:
        """Plan the object at once when its status has news that can't wait for its period."""
        if is_handing_over(report.layout):  # the last figures stand until the target's agent writes the next
            report.signature, report.is_backing_off = None, False
            self._schedule.remove(report.uid)
        elif report.in_flight:
            report.changed = True
        elif not (
            report.is_backing_off
            or self._schedule.is_planned_as_change(report.uid)
            or not report.is_urgent(signature(report.layout, self.figures), now)
        ):
            self._schedule.put_change(report.uid, report.namespace)

    def _put(self, report: ObjectReport, due: float) -> None:
        """Plan the next write by the period, unless the object waits to report a change."""
        report.due = due
        if not report.in_flight and not self._schedule.is_planned_as_change(report.uid):
            self._schedule.put(report.uid, report.namespace, due)

    def _next(self, report: ObjectReport, now: float) -> float:
        """When an object is due that was written just now.

        Samples never come exactly on time: where the period is about that of the samples, the next periodic time may
        lie just behind a sample. The one after it would come after more than one and a half periods.
        """
        if self._horizon < report.due <= now:  # the write was for a change, and its sample has not ended
            return report.due
        period = self._live.period_of(report, self._stretches.period_of(report), now)
        written_for = report.due if now < report.due <= self._horizon else now
        latest = now + _OLDEST_PERIODS * period - _LATE_SAMPLES * self.sample_seconds
        return min(next_write_time(report.uid, period, written_for), latest)
