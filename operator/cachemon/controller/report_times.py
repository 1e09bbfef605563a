"""When the operator received an agent's latest report: the age of figures is judged by that. Pure.

A node's clock may be wrong, and so may ours, so no wall clock decides whether an agent is alive. An agent that writes
a new `observedTime` is alive when the operator receives it. It counts as silent some periods later by the operator's
monotonic clock. client-go's leader election judges a lease in the same way (tools/leaderelection, `observedTime`).

A report may be old when it is received: the operator has just started, or was cut off for a while. Then its age is
what the API server says. The server notes by its own clock when an agent last wrote (`cachemon.model.clocks`), and
its answer to a list has the server's time. So an operator that starts believes no agent that has long been dead,
whatever the status says, and doubts none whose clock is off. Where the server does not say, the age is that by our
wall clock. A time in the future counts as now, so it is believed for its periods and no longer.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from cachemon.controller.collection import Change
from cachemon.model.age import ALLOWANCE_SECONDS, stale_after
from cachemon.model.api import ObjectName, Resource
from cachemon.model.clocks import clock_problem
from cachemon.model.times import read_time

_OFFSETS_KEPT = 3
_STEADY_SECONDS = 3.0
_STEADY_SHARE = 0.1
"""A clock's error in a message changes only when it differs by more, so that it causes no write a second."""


class Moment(NamedTuple):
    """One moment on both clocks."""

    monotonic: float  # seconds; for all decisions
    wall: float  # seconds since the epoch; for people

    @classmethod
    def now(cls) -> Self:
        """The present moment."""
        return cls(time.monotonic(), time.time())


class AgentReport(NamedTuple):
    """An agent's last write, by what the object says."""

    observed_time: str  # RFC 3339 by the node's clock; empty when there is none
    written_at: float | None = None  # when the API server took it, epoch seconds by its clock; None if unknown
    node_name: str = ""  # whose clock that is


@dataclass(frozen=True, slots=True)
class LatestReport:
    """The latest report of an agent in an object, as the operator received it.

    `ahead_seconds` says by how much the node's clock is ahead, and is kept while that changes little.
    """

    observed_time: str  # as written
    node_name: str  # by whose clock
    received_at: float  # when the operator first received it, monotonic seconds
    since: float  # when it was written, as far as is known, monotonic seconds; at most `received_at`
    offsets: tuple[float, ...] = ()  # seconds that the last few times lay ahead of the API server's clock
    ahead_seconds: float | None = 0.0  # None when `observed_time` is not a time

    def silent_from(self, period_seconds: float) -> float:
        """When an agent that promises a report each period counts as silent, monotonic seconds."""
        return self.since + stale_after(period_seconds)

    @property
    def clock_problem(self) -> str | None:
        """What is wrong with the node's clock, for a message; None while it is right.

        A clock seems to be behind when an agent takes long to write, so one such time proves nothing.
        """
        ahead = self.ahead_seconds
        if ahead is not None and ahead < 0 and len(self.offsets) < _OFFSETS_KEPT - 1:
            return None
        return clock_problem(self.node_name, ahead)


class LatestReports:
    """The latest report in each object."""

    def __init__(self, clock: Callable[[], Moment]) -> None:
        self._clock = clock
        self._latest: dict[tuple[Resource, ObjectName], LatestReport] = {}

    def get(self, resource: Resource, name: ObjectName) -> LatestReport | None:
        """The latest report in an object; None while no agent has reported."""
        return self._latest.get((resource, name))

    def update(self, resource: Resource, change: Change[Any], *, listed: bool, served_at: float | None) -> None:
        """Take over the report of an object that has changed; arguments as for `receive_report`."""
        key = resource, change.name
        report = change.after.report if change.after else AgentReport("")
        latest = receive_report(self.get(*key), report, self._clock(), listed=listed, served_at=served_at)
        if latest is None:
            self._latest.pop(key, None)
        else:
            self._latest[key] = latest


def receive_report(
    before: LatestReport | None,
    report: AgentReport,
    moment: Moment,
    *,
    listed: bool = False,
    served_at: float | None = None,
) -> LatestReport | None:
    """The latest report after an object was received; None while no agent has reported.

    Args:
        before: the latest report before that.
        report: what the object says.
        moment: now.
        listed: whether it comes from a list: what is new in it may have been written long ago.
        served_at: of such a list, when the API server answered, seconds since the epoch by its clock.
    """
    if not report.observed_time:
        return None
    if before is not None and before.observed_time == report.observed_time:
        return before
    observed = read_time(report.observed_time)
    age = _age(before, report, observed, moment, listed=listed, served_at=served_at)
    if before is not None and before.node_name != report.node_name:
        before = None
    offsets = before.offsets if before else ()
    if observed is not None:
        by = moment.wall - age if report.written_at is None else report.written_at
        offsets = (*offsets, observed - by)[-_OFFSETS_KEPT:]
    return LatestReport(
        observed_time=report.observed_time,
        node_name=report.node_name,
        received_at=moment.monotonic,
        since=moment.monotonic - age,
        offsets=offsets,
        ahead_seconds=None if observed is None else _steady(before, max(offsets)),
    )


def _age(
    before: LatestReport | None,
    report: AgentReport,
    observed: float | None,
    moment: Moment,
    *,
    listed: bool,
    served_at: float | None,
) -> float:
    """How old the report is when it is first received, in seconds."""
    if listed and served_at is not None and report.written_at is not None:
        return max(0.0, served_at - report.written_at)
    if before is not None:
        return _lag(before, observed, moment)
    return max(0.0, moment.wall - observed) if listed and observed is not None else 0.0


def _lag(before: LatestReport, observed: float | None, moment: Moment) -> float:
    """How much less time has gone by on the node than here: a watch that was cut off brings old reports.

    A time that went back, or jumped, is that of a clock that was set, and says nothing.
    """
    earlier = read_time(before.observed_time)
    if observed is None or earlier is None or observed < earlier:
        return 0.0
    here = moment.monotonic - before.received_at
    return max(0.0, here - (observed - earlier) - ALLOWANCE_SECONDS)


def _steady(before: LatestReport | None, ahead: float) -> float:
    """A new estimate, or the one before when it is much the same."""
    known = before.ahead_seconds if before else None
    if known is None:
        return ahead
    slack = max(_STEADY_SECONDS, _STEADY_SHARE * abs(known))
    return known if abs(ahead - known) <= slack else ahead
