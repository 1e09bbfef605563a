"""What the agent remembers of each object that it reports, and how often each is written. No I/O."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from cachemon.agent.status_fields import Signature
from cachemon.agent.status_size import StatusSizeLimit
from cachemon.agent.targets import BoundTargetLayout
from cachemon.agent.write_schedule import IN_FLIGHT_OF_ONE_NAMESPACE
from cachemon.model.api import ObjectName
from cachemon.model.backoff import Backoff, jittered
from cachemon.model.write_budget import stretched_period, stretches

WRITES_PER_SECOND = 20  # of groups, by one node

_FOR_PERIODS = 0.8
"""The part of the budget that periods may use; the rest is for changes that should be known at once."""
FOR_LIVE = 0.1
"""The part that live objects have at least: who asks for short periods, or has many objects, leaves nothing else."""
_LACKING_CALM_SECONDS = 5.0
"""Figures that come and go with every sample are reported no more often than this before their report is due."""
_FIRST_PAUSE_SECONDS = 1.0
_LAST_PAUSE_SECONDS = 300.0
_WEIGHT_OF_THE_NEWEST = 0.5
_MUCH_SHORTER = 0.9
"""Below this part of its factor a namespace's objects are planned anew; else each at its next write."""


@dataclass(slots=True)
class ObjectReport:
    """What was reported last of an object, and when it is due next. Times are monotonic seconds."""

    layout: BoundTargetLayout
    due: float = 0.0  # the next time by its period
    signature: Signature | None = None  # of the last write; None without one, or while the object is not ours
    calm_until: float = 0.0  # until then figures that come and go are not reported early
    is_backing_off: bool = False  # whether a write failed, and the next one waits for its time
    backoff: Backoff = field(default_factory=lambda: Backoff(_FIRST_PAUSE_SECONDS, _LAST_PAUSE_SECONDS))
    in_flight: bool = False  # whether a write is on its way
    changed: bool = False  # whether the object has to be examined again after that write
    seconds: float = 0.0  # how long the server takes for a write, as a sliding mean
    size: StatusSizeLimit = field(default_factory=StatusSizeLimit)

    @property
    def uid(self) -> str:
        """Of the object."""
        return self.layout.uid

    @property
    def name(self) -> ObjectName:
        """Of the object."""
        return self.layout.object.name

    @property
    def namespace(self) -> str:
        """Of the object."""
        return self.layout.object.namespace

    def is_urgent(self, mark: Signature, now: float) -> bool:
        """Whether a state has changed, or whether there are figures and that has not only just changed before."""
        if self.signature is None or mark.state != self.signature.state:
            return True
        if mark.lacking == self.signature.lacking or now < self.calm_until:
            return False
        self.calm_until = now + _LACKING_CALM_SECONDS
        return True

    def back_off(self, now: float) -> float:
        """Leave the object alone after a failed write, longer each time; returns until when."""
        self.is_backing_off = True
        return now + jittered(self.backoff.next_seconds())

    def succeed(self, now: float, seconds: float) -> None:
        """Note a write that took this long."""
        self.seconds += _WEIGHT_OF_THE_NEWEST * (seconds - self.seconds)
        self.is_backing_off = False
        self.backoff.reset()
        self.size.note_success(now)


class Stretches:
    """The period in force of each object: the spec's where the budget suffices for all.

    A write costs its share of the writes a second, or of the time that the server takes for it if that is more. So a
    namespace whose writes are slow, by a webhook that applies to it, uses up more of the budget with fewer writes.
    """

    def __init__(self) -> None:
        self._factors: dict[str, float] = {}
        self.for_live = FOR_LIVE  # the part of the writer's time that live objects may use beyond their periods

    def renew(self, reports: Iterable[ObjectReport]) -> set[str]:
        """Divide the budget anew; returns the namespaces whose periods have become much shorter."""
        by_namespace: defaultdict[str, list[ObjectReport]] = defaultdict(list)
        for report in reports:
            by_namespace[report.namespace].append(report)
        demands = {namespace: _demand(theirs) for namespace, theirs in by_namespace.items()}
        before, self._factors = self._factors, stretches(demands, _FOR_PERIODS)
        used = sum(demands[namespace] / factor for namespace, factor in self._factors.items())
        self.for_live = max(FOR_LIVE, _FOR_PERIODS - used)
        return {
            namespace
            for namespace, factor in self._factors.items()
            if factor < _MUCH_SHORTER * before.get(namespace, factor)
        }

    def period_of(self, report: ObjectReport) -> int:
        """The period in force, in seconds. An object whose writes take longer than that is not written more often."""
        wanted = max(report.layout.object.status_period_seconds, math.ceil(report.seconds))
        return stretched_period(wanted, self._factors.get(report.namespace, 1.0))


def _demand(reports: Sequence[ObjectReport]) -> float:
    """The part of the writer's time that a namespace takes at the periods that it asks for.

    An object is never written twice at once, and one that was not written yet is as slow as the others.
    """
    known = [report.seconds for report in reports if report.seconds]
    usual = sum(known) / len(known) if known else 0.0
    demand = 0.0
    for report in reports:
        seconds = report.seconds or usual
        cost_seconds = max(1 / WRITES_PER_SECOND, seconds / IN_FLIGHT_OF_ONE_NAMESPACE)
        demand += cost_seconds / max(report.layout.object.status_period_seconds, seconds)
    return demand
