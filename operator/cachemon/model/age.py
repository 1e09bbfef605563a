"""How old figures are, for people. Pure.

No program of ours has to run: the API server records when it took a status (`cachemon.model.clocks.written_at`).
Where it does not, the reader's wall clock is compared with that of the node that wrote. Then a wrong clock shows as
a wrong age, or as one below zero.
"""

from dataclasses import dataclass

from cachemon.model.times import parse_time

ALLOWANCE_SECONDS = 2.0
"""Times in the API have whole seconds, and a write takes its time."""

_STALE_AFTER_PERIODS = 3

_AHEAD_SECONDS = 5.0
"""Clocks that are kept by NTP differ by less."""


@dataclass(frozen=True, slots=True, order=True)
class Age:
    """Age of figures.

    Attributes:
        seconds: since they were read; below zero when their time is in the future.
        period_seconds: how often they are to be renewed.
    """

    seconds: float
    period_seconds: float

    @property
    def is_stale(self) -> bool:
        """Whether they should have been renewed several times since."""
        return self.seconds > stale_after(self.period_seconds)

    @property
    def is_ahead(self) -> bool:
        """Whether their time is in the future: the clock of the node or of the reader is wrong."""
        return self.seconds < -_AHEAD_SECONDS

    def is_behind(self, freshest_seconds: float) -> bool:
        """Whether figures beside them were renewed since these should have been.

        Figures of one period never differ by more than that while all are renewed, so this marks what to compare
        with care, long before it is stale.

        Args:
            freshest_seconds: age of the freshest figures in the same table.
        """
        return self.seconds - freshest_seconds > self.period_seconds + ALLOWANCE_SECONDS

    @property
    def label(self) -> str:
        """For a table, without blanks: `12s`, `13m(old)`, `5m(ahead)`."""
        mark = "(old)" if self.is_stale else "(ahead)" if self.is_ahead else ""
        return format_age(abs(self.seconds) if self.is_ahead else max(0.0, self.seconds)) + mark

    @property
    def problem(self) -> str:
        """What is wrong with it, in a sentence; empty when nothing is."""
        if self.is_ahead:
            return (
                f"the time of the figures lies {format_age(-self.seconds)} in the future: the clock of the node, or "
                "of this machine, is wrong; see `timedatectl` on both"
            )
        if self.is_stale:
            period = f"{self.period_seconds:g} s"
            return f"the figures are {format_age(self.seconds)} old and should be renewed every {period}"
        return ""


def stale_after(period_seconds: float) -> float:
    """Age in seconds from which figures are stale, and an agent that renews them each period counts as silent."""
    return _STALE_AFTER_PERIODS * period_seconds + ALLOWANCE_SECONDS


def age_of(observed_time: str, period_seconds: float, now: float, *, taken: float | None = None) -> Age | None:
    """The age of figures; None when they have no time.

    Args:
        observed_time: when they were read, RFC 3339, or empty.
        period_seconds: how often they are to be renewed.
        now: seconds since the epoch: of the API server where `taken` is known, else of who reads.
        taken: when the API server took them, by its clock; None when it does not say. The node's clock may be wrong.
    """
    if observed_time and taken is not None:
        return Age(max(0.0, now - taken), period_seconds)
    try:
        return Age(now - parse_time(observed_time), period_seconds)
    except (ValueError, OverflowError):
        return None


def format_age(seconds: float) -> str:
    """As kubectl does: `12s`, `7m`, `26h`, `3d`."""
    for size, unit, limit in ((1, "s", 120), (60, "m", 120 * 60), (3600, "h", 48 * 3600)):
        if seconds < limit:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds // 86400)}d"
