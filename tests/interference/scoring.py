"""What a detector is worth: pure functions of accusations and of the truth."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

ANY = "*"
"""Victim of a rule that names only a suspect: the VM that the suspect hurts most."""
LEVELS = ("TakingCache", "Likely", "Confirmed")
"""From the least sure to the surest."""


@dataclass(frozen=True, slots=True)
class Accusation:
    """A detector named a suspect.

    Attributes:
        victim: who is hurt.
        suspect: who is named.
        level: one of LEVELS.
        at: second of the episode.
        harm: the truth about that time.
    """

    victim: str
    suspect: str
    level: str
    at: float
    harm: float


@dataclass(frozen=True, slots=True)
class Sought:
    """A victim and a suspect that a detector should find.

    Attributes:
        victim: who is hurt.
        suspect: who begins to hurt it.
        onset: when, in seconds of the episode.
        end: when one of them has left.
        harm: the truth from onset to end.
    """

    victim: str
    suspect: str
    onset: float
    end: float
    harm: float


@dataclass(frozen=True, slots=True)
class Result:
    """One episode as a detector saw it.

    Attributes:
        scenario: its name.
        vm_hours: watched VMs times hours.
        quiet: nobody arrived, and no suspect began to disturb.
        cpu_only: only the delay of CPUs changed.
        accusations: those that the detector made.
        sought: what was to find.
        cpu_seconds: what the detector used.
    """

    scenario: str
    vm_hours: float
    quiet: bool
    cpu_only: bool
    accusations: tuple[Accusation, ...]
    sought: tuple[Sought, ...]
    cpu_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Share:
    """Hits among trials."""

    hits: int
    trials: int

    @property
    def ratio(self) -> float:
        """NaN without trials."""
        return self.hits / self.trials if self.trials else math.nan

    @property
    def low(self) -> float:
        """Lower bound of the Wilson score interval of 95 %; 0 without trials."""
        return wilson_low(self.hits, self.trials)


def wilson_low(hits: int, trials: int, z: float = 1.959964) -> float:
    """Lower bound of the Wilson score interval.

    Args:
        hits: trials that succeeded.
        trials: all of them.
        z: quantile of the normal distribution; the default is for 95 %, both sides together.
    """
    if not trials:
        return 0.0
    ratio = hits / trials
    centre = ratio + z * z / (2 * trials)
    spread = z * math.sqrt(ratio * (1 - ratio) / trials + z * z / (4 * trials * trials))
    return max(0.0, (centre - spread) / (1 + z * z / trials))


def at_least(level: str, least: str) -> bool:
    """Whether a level is as sure as another, or surer."""
    return LEVELS.index(level) >= LEVELS.index(least)


def precision(results: Iterable[Result], level: str, harm: float) -> Share:
    """Accusations of one level or surer that are true: the suspect costs the victim at least `harm`.

    A verdict that rises counts once for each level, and at the level asked for it counts once.
    """
    harms = [accusation.harm for result in results for accusation in firsts(result.accusations, level)]
    return Share(sum(found >= harm for found in harms), len(harms))


def firsts(accusations: Iterable[Accusation], level: str) -> Iterator[Accusation]:
    """Accusations that say a level or a surer one, without those that say it of a pair again within ten minutes."""
    last: dict[tuple[str, str], float] = {}
    for accusation in sorted(accusations, key=lambda each: each.at):
        pair = accusation.victim, accusation.suspect
        if at_least(accusation.level, level):
            if accusation.at - last.get(pair, -math.inf) >= 600:
                yield accusation
            last[pair] = accusation.at


def found_after(sought: Sought, accusations: Iterable[Accusation], level: str) -> float | None:
    """Seconds from the onset to the first accusation of this pair; None if there is none while both are there."""
    return min(
        (
            accusation.at - sought.onset
            for accusation in accusations
            if accusation.suspect == sought.suspect and accusation.victim in (sought.victim, ANY)
            if sought.onset < accusation.at <= sought.end and at_least(accusation.level, level)
        ),
        default=None,
    )


def recall(results: Iterable[Result], level: str, harm: float) -> Share:
    """Pairs with at least this harm that were found."""
    found = [seconds is not None for seconds in search(results, level, harm)]
    return Share(sum(found), len(found))


def delays(results: Iterable[Result], level: str, harm: float) -> list[float]:
    """Seconds until a pair with at least this harm was found, sorted, without those that were not."""
    return sorted(seconds for seconds in search(results, level, harm) if seconds is not None)


def search(results: Iterable[Result], level: str, harm: float) -> Iterator[float | None]:
    """For each pair with at least this harm the seconds until it was found."""
    for result in results:
        for sought in result.sought:
            if sought.harm >= harm:
                yield found_after(sought, result.accusations, level)


def percentile(ordered: Sequence[float], share: float) -> float:
    """The least value that is not below this share of all; NaN without values."""
    return ordered[math.ceil(share * len(ordered)) - 1] if ordered else math.nan


def quiet_per_100_vm_hours(results: Iterable[Result], level: str, below_harm: float = math.inf) -> float:
    """Accusations per 100 VM-hours in quiet episodes, of those whose harm is below a bound."""
    quiet = [result for result in results if result.quiet]
    hours = sum(result.vm_hours for result in quiet)
    number = sum(each.harm < below_harm for result in quiet for each in firsts(result.accusations, level))
    return 100 * number / hours if hours else math.nan


def cpu_only_accusations(results: Iterable[Result], level: str, below_harm: float) -> int:
    """Accusations that are not true in episodes in which only the delay of CPUs changed."""
    return sum(
        each.harm < below_harm for result in results if result.cpu_only for each in firsts(result.accusations, level)
    )
