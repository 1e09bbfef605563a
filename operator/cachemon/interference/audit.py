"""How an open verdict ends: the suspect stops, or the victim recovers or leaves. Pure."""

from dataclasses import dataclass
from enum import Enum, auto

from cachemon.interference.history import LONGEST_GAP_SECONDS, History, VmSeries
from cachemon.interference.signs import Signs
from cachemon.interference.suspects import Rise
from cachemon.interference.thresholds import Times
from cachemon.interference.usual import median
from cachemon.interference.verdicts import Outcome, Verdict

_NEWEST = 3  # windows: the median of these is compared
_STOPPED = 0.3  # a suspect has stopped when less than this ratio of its rise is left
_RECOVERED = 0.5  # a victim has recovered when less than this ratio of its worst rise is left


class _Suspect(Enum):
    GOES_ON = auto()
    STOPPED = auto()
    UNKNOWN = auto()


@dataclass(slots=True)
class OpenVerdict:
    """A verdict that holds, with the references of before: they stay as they were.

    Attributes:
        verdict: as it was last reported.
        signs: what the victim showed when it was opened.
        rise: what the suspect showed then.
        worst: highest ratio by which the victim's cost rose so far; its misses without a source of work.
        recovered: windows since the victim recovered.
        stopped: windows since the suspect stopped.
        unknown: windows since the suspect's traffic was known.
    """

    verdict: Verdict
    signs: Signs
    rise: Rise
    worst: float
    recovered: int = 0
    stopped: int = 0
    unknown: int = 0

    def outcome(self, history: History, times: Times) -> Outcome | None:
        """Check the newest window; returns how the verdict ends, None when it stays open."""
        victim = history.series.get(self.verdict.victim)
        if victim is None or victim.is_absent:
            return Outcome.ENDED
        suspect = self._suspect(history)
        if suspect is _Suspect.UNKNOWN:
            self.unknown += 1
            return Outcome.ENDED if self.unknown * history.seconds > LONGEST_GAP_SECONDS else None
        self.unknown = 0
        has_recovered = self._has_recovered(victim)
        self.stopped = self.stopped + 1 if suspect is _Suspect.STOPPED else 0
        self.recovered = self.recovered + 1 if has_recovered else 0
        most_windows = times.recovery / history.seconds + _NEWEST
        if not self.stopped:
            return Outcome.WITHDRAWN if self.recovered > most_windows else None
        if has_recovered:
            return Outcome.VERIFIED
        if self.stopped <= most_windows:
            return None
        return Outcome.ENDED if has_recovered is None else Outcome.WITHDRAWN

    def _has_recovered(self, victim: VmSeries) -> bool | None:
        """Whether the victim recovered; None when it does no work that shows it."""
        usual = self.signs.usual_cost or self.signs.usual_misses
        now = median((victim.cost if self.signs.usual_cost else victim.cpu_misses)[-_NEWEST:])
        if now != now:  # noqa: PLR0124  NaN
            return None
        self.worst = max(self.worst, usual.rise(now))
        return usual.rise(now) <= self.worst * _RECOVERED

    def _suspect(self, history: History) -> _Suspect:
        series = history.series.get(self.verdict.suspect)
        if series is None or series.is_absent:
            return _Suspect.STOPPED
        traffic = median(series.traffic[-_NEWEST:])
        if traffic != traffic:  # noqa: PLR0124  NaN
            return _Suspect.UNKNOWN
        least = self.rise.usual.median + _STOPPED * self.rise.bytes_a_second
        return _Suspect.GOES_ON if traffic > least else _Suspect.STOPPED
