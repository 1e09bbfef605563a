"""The detector of one cache block: windows in, changes of verdicts out. Pure: no clock, no I/O."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from cachemon.interference.audit import OpenVerdict
from cachemon.interference.history import History
from cachemon.interference.signs import Block, Signs, judgement, signs_of
from cachemon.interference.spans import Spans, near_and_far
from cachemon.interference.suspects import Rise, Suspect, rises, suspects
from cachemon.interference.thresholds import Thresholds
from cachemon.interference.verdicts import Change, Judgement, Level, Outcome, Verdict
from cachemon.interference.windows import Window

_RANKS = (None, Level.TAKING_CACHE, Level.LIKELY, Level.CONFIRMED)
_NOBODY = None
"""In place of a suspect: nobody explains what the victim shows."""
_Pair = tuple[str, str | None]
_QUIET = (0, 0, 0, 0)
_MB = 1e6


@dataclass(frozen=True, slots=True)
class _Finding:
    """What one window says of a victim and a suspect."""

    rank: int  # index in _RANKS
    signs: Signs
    suspect: Suspect | None


class Detector:
    """Judges the VMs of one block.

    Memory is bounded: about 4 KiB for each VM of the last 20 minutes, and at most `history.MOST_VMS` of them.
    """

    def __init__(self, thresholds: Thresholds | None = None) -> None:
        self._thresholds = thresholds or Thresholds()
        times = self._thresholds.times
        span = times.now + max(times.pause + times.reference, times.far_pause + times.far_reference)
        self._history = History(times.window, span)
        self._recent: dict[_Pair, tuple[int, ...]] = {}
        self._open: dict[_Pair, OpenVerdict] = {}
        self._judgements: dict[str, Judgement] = {}

    @property
    def judgements(self) -> Mapping[str, Judgement]:
        """What the newest window says of each VM on the block."""
        return self._judgements

    @property
    def open_verdicts(self) -> tuple[Verdict, ...]:
        """The verdicts that hold now."""
        return tuple(entry.verdict for entry in self._open.values())

    def observe(self, window: Window) -> tuple[Change, ...]:
        """Take in the next window of the block; returns what changed.

        Windows shorter than `Times.window` are merged. A window after a gap only says that there was one. After a
        long gap, or when time goes backwards, the block starts again and open verdicts end.
        """
        if not self._history.add(window):
            return () if self._history.series else self._end_all(window.time)
        ended = self._audit(window.time)
        self._judgements = {}
        found = dict(self._findings(window))
        changes = (*ended, *self._settle(window, found))
        self._name_disturbed()
        return changes

    def _findings(self, window: Window) -> Iterator[tuple[_Pair, _Finding]]:
        thresholds = self._thresholds
        block = Block(window.capacity_bytes, window.bandwidth_limit_bytes_per_second)
        both = near_and_far(thresholds.times, self._history.seconds)
        risen: dict[Spans, dict[str, Rise]] = {}
        for victim in sorted(vm.vm for vm in window.vms if vm.vm in self._history.series):
            series = self._history.series[victim]
            judged = self._judgements[victim] = judgement(series, both[0], thresholds.gates)
            if judged is not Judgement.UNDISTURBED:
                continue
            best: dict[_Pair, _Finding] = {}
            for spans in both:
                if signs := signs_of(series, self._history, spans, block, thresholds.harm):
                    if spans not in risen:
                        risen[spans] = rises(self._history, spans, thresholds.suspicion.mads)
                    for finding in self._with_suspects(block, victim, signs, risen[spans]):
                        pair = victim, finding.suspect.name if finding.suspect else _NOBODY
                        if pair not in best or finding.rank > best[pair].rank:
                            best[pair] = finding
            yield from best.items()

    def _with_suspects(
        self, block: Block, victim: str, signs: Signs, risen: Mapping[str, Rise]
    ) -> Iterator[_Finding]:
        named = suspects(self._history, victim, signs, risen, self._thresholds)
        for suspect in named:
            yield _Finding(_rank(signs, suspect, block.capacity, self._thresholds), signs, suspect)
        if not named:
            yield _Finding(1, signs, None)

    def _settle(self, window: Window, found: Mapping[_Pair, _Finding]) -> list[Change]:
        """Open and raise the verdicts that three of the last four windows support."""
        changes = []
        for pair in sorted({*self._recent, *found}, key=str):
            finding = found.get(pair)
            recent = (*self._recent.get(pair, _QUIET)[1:], finding.rank if finding else 0)
            self._recent[pair] = recent
            if not any(recent):
                del self._recent[pair]
            level = _RANKS[sorted(recent)[1]]
            if level and finding and finding.suspect and finding.rank:
                changes += self._raise(window, pair[0], finding, finding.suspect, level)
        return changes

    def _raise(self, window: Window, victim: str, finding: _Finding, suspect: Suspect, level: Level) -> list[Change]:
        signs, entry = finding.signs, self._open.get((victim, suspect.name))
        if entry is None:
            verdict = Verdict(
                window.block,
                victim,
                suspect.name,
                level,
                signs.resource,
                window.time,
                signs.slowdown,
                suspect.share,
                signs.lost_bytes,
            )
            worst = signs.misses if signs.slowdown is None else signs.slowdown
            self._open[victim, suspect.name] = OpenVerdict(verdict, signs, suspect.rise, worst)
            return [Change(window.time, level, verdict)]
        if _RANKS.index(level) <= _RANKS.index(entry.verdict.level):
            return []
        entry.verdict = replace(
            entry.verdict,
            level=level,
            slowdown_ratio=signs.slowdown,
            share=suspect.share,
            lost_bytes=signs.lost_bytes,
        )
        return [Change(window.time, level, entry.verdict)]

    def _audit(self, time: float) -> list[Change]:
        changes = []
        for pair, entry in [*self._open.items()]:
            if outcome := entry.outcome(self._history, self._thresholds.times):
                changes.append(Change(time, outcome, entry.verdict))
                del self._open[pair]
                self._recent.pop(pair, None)
        return changes

    def _end_all(self, time: float) -> tuple[Change, ...]:
        changes = tuple(Change(time, Outcome.ENDED, verdict) for verdict in self.open_verdicts)
        self._open.clear()
        self._recent.clear()
        self._judgements = {}
        return changes

    def _name_disturbed(self) -> None:
        for (victim, suspect), recent in self._recent.items():
            if suspect is _NOBODY and sorted(recent)[1]:
                self._judgements[victim] = Judgement.SUSPECTS_UNWATCHED
        for entry in self._open.values():
            self._judgements[entry.verdict.victim] = Judgement.DISTURBED


def _rank(signs: Signs, suspect: Suspect, capacity: float, thresholds: Thresholds) -> int:
    """How much one window says; an index in _RANKS."""
    if signs.slowdown is not None:
        harm = signs.slowdown * suspect.share
        return 3 if harm >= thresholds.suspicion.confirmed else 2 if harm >= thresholds.suspicion.likely else 0
    need = thresholds.taking
    return int(
        signs.misses >= need.misses
        and signs.misses * signs.usual_misses.median >= need.traffic * _MB
        and signs.lost >= need.cache_lost
        and signs.lost_bytes >= need.capacity_lost * capacity
        and suspect.share >= need.share
        and suspect.of_block >= need.rise
    )
