"""What is known of a node's VMs now: open verdicts, the last that ended, and half an hour of figures. Pure."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from cachemon.interference.minutes import Minutes, MinuteSeries
from cachemon.interference.typical import Typical, TypicalMinutes
from cachemon.interference.verdicts import OTHERS, Change, Judgement, Level, Outcome, Verdict
from cachemon.interference.windows import BlockId, Window

MOST_ENDED = 5  # of a cache block
MOST_OPEN = 64
"""Of a cache block: a VM that disturbs many gives one for each. Further ones are judged, and not listed."""

_SUREST_FIRST = (Level.CONFIRMED, Level.LIKELY, Level.TAKING_CACHE)
_WEIGHTIEST_FIRST = (
    Judgement.DISTURBED,
    Judgement.SUSPECTS_UNWATCHED,
    Judgement.CPU_CONTENTION,
    Judgement.GAP,
    Judgement.TOO_YOUNG,
    Judgement.NO_REFERENCE,
    Judgement.UNDISTURBED,
    Judgement.IDLE,
)
"""The judgement of a VM on several cache blocks is the first of these: the least that is known counts."""


@dataclass(frozen=True, slots=True)
class LoggedVerdict:
    """A verdict, and what its charts show.

    Attributes:
        verdict: the newest form of it.
        outcome: how it ended; None while it is open.
        until: when it ended, in seconds; None while it is open.
        charts_until: end of the last minute of the series.
        victim: figures of the victim.
        suspect: figures of the suspect; None where the suspect is nobody's VM.
    """

    verdict: Verdict
    outcome: Outcome | None
    until: float | None
    charts_until: float
    victim: MinuteSeries
    suspect: MinuteSeries | None


class EndedKind(NamedTuple):
    """Verdicts are counted by these."""

    level: Level
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class NodeVerdicts:
    """What is known of a node's VMs after a window.

    Attributes:
        time: end of the window, in seconds.
        judgements: of every VM, over all cache blocks.
        verdicts: of every cache block: the open ones, surest first, and then those that ended, newest first.
        ended: how many verdicts have ended, by kind.
        clock_error: seconds by which times in here are behind the wall clock of now.
        typical: what is usual for each VM, as of the last full minute.
    """

    time: float = 0.0
    judgements: Mapping[str, Judgement] = field(default_factory=dict)
    verdicts: Mapping[BlockId, tuple[LoggedVerdict, ...]] = field(default_factory=dict)
    ended: Mapping[EndedKind, int] = field(default_factory=dict)
    clock_error: float = 0.0
    typical: Mapping[str, Typical] = field(default_factory=dict)

    def wall_time(self, seconds: float) -> float:
        """A time in here, by the wall clock of now: it may have been set since."""
        return seconds + self.clock_error

    def open(self) -> Iterable[Verdict]:
        """Every open verdict."""
        return (it.verdict for logged in self.verdicts.values() for it in logged if it.outcome is None)

    def of_victim(self, vm: str) -> list[Verdict]:
        """The open verdicts of a victim, the surest first. Of equally sure ones, that with the highest slowdown."""
        return sorted((verdict for verdict in self.open() if verdict.victim == vm), key=_surest_first)

    @property
    def ratio(self) -> float | None:
        """How much the VMs slow each other down, 0 to 1; None while no VM is judged.

        The sum of the slowdowns of VMs with a verdict that is at least Likely, divided by the number of VMs that are
        judged. A VM that takes twice the cycles or more counts as 1.
        """
        judged = [vm for vm, judgement in self.judgements.items() if judgement in _JUDGED]
        if not judged:
            return None
        slowdowns = dict.fromkeys(judged, 0.0)
        for verdict in self.open():
            if verdict.victim in slowdowns and verdict.slowdown_ratio is not None:
                slowdowns[verdict.victim] = max(slowdowns[verdict.victim], min(verdict.slowdown_ratio, 1.0))
        return sum(slowdowns.values()) / len(judged)


_JUDGED = (Judgement.UNDISTURBED, Judgement.DISTURBED)


class _BlockLog:
    """The verdicts of one cache block."""

    def __init__(self) -> None:
        self.open: dict[tuple[str, str], Verdict] = {}
        self.ended: deque[LoggedVerdict] = deque(maxlen=MOST_ENDED)
        self.minutes = Minutes()
        self.judgements: Mapping[str, Judgement] = {}
        self.time = 0.0

    def listed(self) -> tuple[LoggedVerdict, ...]:
        surest = sorted(self.open.values(), key=_surest_first)[:MOST_OPEN]
        return (*(self.logged(verdict) for verdict in surest), *self.ended)

    def logged(self, verdict: Verdict, outcome: Outcome | None = None, until: float | None = None) -> LoggedVerdict:
        """The verdict with the charts of now."""
        suspect = None if verdict.suspect == OTHERS else self.minutes.series(verdict.suspect)
        return LoggedVerdict(
            verdict, outcome, until, self.minutes.until, self.minutes.series(verdict.victim), suspect
        )


class VerdictLog:
    """Follows the verdicts of all cache blocks of a node, and what is usual for its VMs.

    Args:
        cpu_model: of the node; empty when it is not known.
    """

    def __init__(self, cpu_model: str = "") -> None:
        self._blocks: dict[BlockId, _BlockLog] = {}
        self._typical = TypicalMinutes(cpu_model)
        self._ended: Counter[EndedKind] = Counter()

    def take(self, window: Window, changes: Sequence[Change], judgements: Mapping[str, Judgement]) -> None:
        """Take in the findings of a detector about a window.

        Args:
            window: the window.
            changes: verdicts that the detector opened, raised or ended.
            judgements: of the VMs that it knows; of those in the window it counts.
        """
        block = self._blocks.setdefault(window.block, _BlockLog())
        block.minutes.add(window)
        self._typical.add(window)
        block.time = window.time
        block.judgements = {vm.vm: judgements[vm.vm] for vm in window.vms if vm.vm in judgements}
        for change in changes:
            verdict = change.verdict
            if isinstance(change.step, Level):
                block.open[verdict.victim, verdict.suspect] = verdict
                continue
            block.open.pop((verdict.victim, verdict.suspect), None)
            block.ended.appendleft(block.logged(verdict, change.step, change.time))
            self._ended[EndedKind(verdict.level, change.step)] += 1

    def retain(self, blocks: Iterable[BlockId]) -> None:
        """Forget all other cache blocks."""
        kept = set(blocks)
        self._blocks = {id_: block for id_, block in self._blocks.items() if id_ in kept}

    def verdicts(self, clock_error: float = 0.0) -> NodeVerdicts:
        """What is known now; see `NodeVerdicts.clock_error`."""
        blocks = self._blocks
        disturbed = {verdict.victim for block in blocks.values() for verdict in block.open.values()}
        by_vm: dict[str, list[Judgement]] = {}
        for block in blocks.values():
            for vm, judgement in block.judgements.items():
                by_vm.setdefault(vm, []).append(judgement)
        return NodeVerdicts(
            max((block.time for block in blocks.values()), default=0.0),
            {
                vm: Judgement.DISTURBED if vm in disturbed else min(its, key=_WEIGHTIEST_FIRST.index)
                for vm, its in by_vm.items()
            },
            {id_: listed for id_, block in blocks.items() if (listed := block.listed())},
            dict(self._ended),
            clock_error,
            self._typical.typical,
        )


def _surest_first(verdict: Verdict) -> tuple[object, ...]:
    return (
        _SUREST_FIRST.index(verdict.level),
        -(verdict.slowdown_ratio or 0.0),
        verdict.since,
        verdict.victim,
        verdict.suspect,
    )
