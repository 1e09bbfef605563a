"""What some counters have counted together, for others to take differences over longer times. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from cachemon.model.counter_totals import Progress


class Moment(NamedTuple):
    """When a sample was taken.

    Attributes:
        number: of the sample; it grows by one with each.
        time: monotonic seconds at which the sample began.
        is_known: whether the time of each read is known.
    """

    number: int = 0
    time: float = 0.0
    is_known: bool = False

    def age_seconds(self, now: float) -> float:
        """Seconds since the sample; 0 where there was none."""
        return now - self.time if self.number else 0.0


class Tally(NamedTuple):
    """Some counters together after a sample.

    Attributes:
        number: of the sample.
        time: monotonic seconds at which the last of them was read.
        total: what they have counted.
        since: the number of the sample since which they all count without a break.
    """

    number: int
    time: float
    total: int
    since: int

    def per_second(self, before: "Tally | None") -> float | None:
        """The mean rate since an older tally; None if a part is not counted, or if no time has passed."""
        if before is None or self.since > before.number or self.time <= before.time:
            return None
        return (self.total - before.total) / (self.time - before.time)


def tally_of(progress: Progress, counters: Sequence[int], total: int, since: int) -> Tally:
    """The tally of some counters.

    Args:
        progress: of all counters.
        counters: positions of those that count; empty if nothing does.
        total: what they have counted.
        since: the number of the sample since which these counters belong together.
    """
    now = progress.now
    began = max((since, *(progress.since[counter] for counter in counters))) if counters else now.number
    return Tally(now.number, max((now.read_at(counter) for counter in counters), default=now.time), total, began)
