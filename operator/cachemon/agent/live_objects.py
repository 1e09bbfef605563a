"""How often objects are reported while a person watches them. No I/O.

Live objects use what the periods of all objects leave of the writer's time, and the namespaces share that. So
nobody's figures come later because somebody watches others.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable

from cachemon.agent.live_values import LiveValues
from cachemon.agent.object_reports import WRITES_PER_SECOND, ObjectReport
from cachemon.agent.write_schedule import IN_FLIGHT_OF_ONE_NAMESPACE
from cachemon.model.live_figures import LIVE_PERIOD_SECONDS
from cachemon.model.write_budget import stretched_period, stretches

_BYTES_OF_A_WRITE = 4096
"""A larger status counts as several writes: etcd and every watch get all of it."""


class LiveObjects:
    """The pace of the objects that are live.

    Args:
        server_time: seconds since the epoch, by the API server's clock.
    """

    def __init__(self, server_time: Callable[[], float]) -> None:
        self.values = LiveValues(server_time)
        self._factors: dict[str, float] = {}

    def renew(self, reports: Iterable[ObjectReport], budget: float, period_of: Callable[[ObjectReport], int]) -> None:
        """Divide anew what the periods leave of the writer's time.

        Args:
            reports: the objects that are live.
            budget: the part of the time that they may use; above 0.
            period_of: the period in force of an object that is not live, in seconds.
        """
        demands = defaultdict[str, float](float)
        for report in reports:
            demands[report.namespace] += _demand(report, period_of(report))
        self._factors = stretches(demands, budget)

    def period_of(self, report: ObjectReport, usual: int, now: float) -> int:
        """Seconds between two reports of an object, whose period in force is `usual` when nobody watches."""
        if not self.values.is_live(report.uid, now):
            return usual
        return min(usual, stretched_period(_shortest(report), self._factors.get(report.namespace, 1.0)))


def _shortest(report: ObjectReport) -> int:
    """An object whose writes take longer is not written more often."""
    return max(LIVE_PERIOD_SECONDS, math.ceil(report.seconds))


def _demand(report: ObjectReport, usual: int) -> float:
    """The part of the writer's time that an object takes while it is live, beyond that of its usual period."""
    writes = max(1, math.ceil(report.size.last_bytes / _BYTES_OF_A_WRITE))
    cost_seconds = max(writes / WRITES_PER_SECOND, report.seconds / IN_FLIGHT_OF_ONE_NAMESPACE)
    return max(0.0, cost_seconds / _shortest(report) - cost_seconds / usual)
