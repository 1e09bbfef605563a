"""When the operator saw the time in a status change: what the age of figures is judged by. Pure.

A node's clock may be wrong, and so may ours, so no wall clock decides whether an agent is alive. Whoever writes
a new `observedTime` is alive when the operator sees that, and counts as silent some periods later by the
operator's monotonic clock, as client-go's leader election judges a lease (tools/leaderelection, `observedTime`).

A change may be old when it is seen: the operator has just started, or was cut off for a while. Then it is as old
as the API server says, which notes when an agent last wrote, by its own clock (`cachemon.model.clocks`), and answers
a list with the time that it has. So an operator that starts believes no agent that has long been dead, whatever is
in its status, and doubts none whose clock is off. Where the server does not say, the change is as old as our
wall clock makes it; a time in the future is of now, and is believed for its periods and no longer.
"""

import time
from dataclasses import dataclass
from typing import NamedTuple, Self

from cachemon.model.age import ALLOWANCE_SECONDS, stale_after
from cachemon.model.clocks import clock_problem
from cachemon.model.times import read_time

__all__ = ["Moment", "Report", "Sighting", "see"]

_OFFSETS_KEPT = 3
_STEADY_SECONDS = 3.0
_STEADY_SHARE = 0.1
"""A clock's error is said anew only when it has changed by more: whoever reads it wants no write a second."""


class Moment(NamedTuple):
    """One moment on both clocks.

    Attributes:
        monotonic: seconds; for all decisions.
        wall: seconds since the epoch; for people.
    """

    monotonic: float
    wall: float

    @classmethod
    def now(cls) -> Self:
        """This one."""
        return cls(time.monotonic(), time.time())


class Report(NamedTuple):
    """What an object says about its agent's last write.

    Attributes:
        observed_time: RFC 3339 by the node's clock; empty when there is none.
        written_at: when the API server took it, seconds since the epoch by its clock; None when it does not say.
        node_name: whose clock that is.
    """

    observed_time: str
    written_at: float | None = None
    node_name: str = ""


@dataclass(frozen=True, slots=True)
class Sighting:
    """The latest time that an agent has written into an object.

    Attributes:
        observed_time: as written.
        node_name: by whose clock.
        seen: when the operator saw it first, monotonic seconds.
        since: when it was written, as far as is known, monotonic seconds; at most `seen`.
        offsets: by how much the last few times lay ahead of the API server's clock, latest last, in seconds.
        ahead_seconds: the node's clock by them, kept while they change little; None when `observed_time` is
            no time.
    """

    observed_time: str
    node_name: str
    seen: float
    since: float
    offsets: tuple[float, ...] = ()
    ahead_seconds: float | None = 0.0

    def silent_from(self, period_seconds: float) -> float:
        """When an agent that promises a report each period counts as silent, monotonic seconds."""
        return self.since + stale_after(period_seconds)

    @property
    def clock_problem(self) -> str | None:
        """What to say about the node's clock; None while it is right.

        A clock seems to be behind when an agent takes long to write. So one such time proves nothing.
        """
        ahead = self.ahead_seconds
        if ahead is not None and ahead < 0 and len(self.offsets) < _OFFSETS_KEPT - 1:
            return None
        return clock_problem(self.node_name, ahead)


def see(
    before: Sighting | None, report: Report, moment: Moment, *, listed: bool = False, served_at: float | None = None
) -> Sighting | None:
    """What is known after an object has been heard of.

    Args:
        before: what was known before.
        report: what the object says.
        moment: now.
        listed: whether it comes from a list: what is new in it may have been written long ago.
        served_at: of such a list, when the API server answered, seconds since the epoch by its clock.

    Returns:
        None while no agent has reported.
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
    return Sighting(
        observed_time=report.observed_time,
        node_name=report.node_name,
        seen=moment.monotonic,
        since=moment.monotonic - age,
        offsets=offsets,
        ahead_seconds=None if observed is None else _steady(before, max(offsets)),
    )


def _age(
    before: Sighting | None,
    report: Report,
    observed: float | None,
    moment: Moment,
    *,
    listed: bool,
    served_at: float | None,
) -> float:
    """For how long the report has been there when it is seen first, seconds."""
    if listed and served_at is not None and report.written_at is not None:
        return max(0.0, served_at - report.written_at)
    if before is not None:
        return _lag(before, observed, moment)
    return max(0.0, moment.wall - observed) if listed and observed is not None else 0.0


def _lag(before: Sighting, observed: float | None, moment: Moment) -> float:
    """How much less time has gone by on the node than here: a watch that was cut off brings what is old.

    A time that went back, or jumped, is that of a clock that was set: it says nothing.
    """
    earlier = read_time(before.observed_time)
    if observed is None or earlier is None or observed < earlier:
        return 0.0
    here = moment.monotonic - before.seen
    return max(0.0, here - (observed - earlier) - ALLOWANCE_SECONDS)


def _steady(before: Sighting | None, ahead: float) -> float:
    """A new estimate, or the one before when it is much the same."""
    known = before.ahead_seconds if before else None
    if known is None:
        return ahead
    slack = max(_STEADY_SECONDS, _STEADY_SHARE * abs(known))
    return known if abs(ahead - known) <= slack else ahead
