"""A verdict on interference as people see it: which VM, which other, how sure, since when. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cachemon.interference.verdicts import Level
from cachemon.model.age import Age
from cachemon.model.times import format_time

LEVELS = (Level.CONFIRMED, Level.LIKELY, Level.TAKING_CACHE)
"""Surest first."""


@dataclass(frozen=True, slots=True)
class Charts:
    """The last half hour of a VM: one value a minute, oldest first; None where there is none.

    Attributes:
        occupancy: cache at the end of the minute, in MiB.
        traffic: memory traffic, in MiB per second.
        until: end of the last minute, in seconds since the epoch; None when unknown.
    """

    occupancy: Sequence[int | None] = ()
    traffic: Sequence[int | None] = ()
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Party:
    """One of the two VMs of a verdict.

    Attributes:
        label: its name, or what stands for it where it has none: `another VM of this node`.
        name: its name; empty where it has none.
        charts: its last half hour; None where there is none.
    """

    label: str
    name: str = ""
    charts: Charts | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where two VMs are.

    Attributes:
        machine: name of the node; empty on a plain host.
        block: id of the cache block; None where it is not said.
    """

    machine: str = ""
    block: int | None = None

    def __str__(self) -> str:
        block = "" if self.block is None else f"cache block {self.block}"
        return ", ".join(filter(None, (self.machine, block)))


@dataclass(frozen=True, slots=True)
class Measures:
    """The figures of a verdict; None for each that is not known.

    Attributes:
        slowdown_percent: additional cycles for each unit of work.
        share_percent: the suspect's share of all traffic that rose.
        bytes_lost: cache that the victim lost.
    """

    slowdown_percent: int | None = None
    share_percent: int | None = None
    bytes_lost: int | None = None


@dataclass(frozen=True, slots=True)
class Term:
    """When a verdict held, in seconds since the epoch.

    Attributes:
        since: when it began; None when unknown.
        until: when it ended; None while it is open.
        outcome: how it ended: Verified, Withdrawn or Ended; empty while it is open.
    """

    since: float | None
    until: float | None = None
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class VerdictRecord:
    """A verdict.

    Attributes:
        victim: the VM that lost cache or bandwidth.
        suspect: the VM whose traffic rose.
        place: where they are.
        level: one of LEVELS.
        resource: what the victim lacks: Cache or MemoryBandwidth.
        measures: its figures.
        term: when it held.
        evidence: what was seen, in one sentence without a full stop.
        age: of what is known; None when unknown.
    """

    victim: Party
    suspect: Party
    place: Place
    level: str
    resource: str
    measures: Measures
    term: Term
    evidence: str
    age: Age | None = field(default=None)

    @property
    def is_open(self) -> bool:
        """Whether it holds now."""
        return not self.term.outcome

    @property
    def rank(self) -> tuple[Any, ...]:
        """A key to sort by: open ones first, surest and slowest first; then those that ended, newest first."""
        level = next((place for place, level in enumerate(LEVELS) if level == self.level), len(LEVELS))
        order = (level, -(self.measures.slowdown_percent or 0)) if self.is_open else (0, -(self.term.until or 0.0))
        return (not self.is_open, *order, self.term.since or 0.0, self.victim.label, self.suspect.label)

    def as_data(self) -> dict[str, Any]:
        """For JSON and YAML; without the fields that are not known."""
        term, measures = self.term, self.measures
        found = {
            "victim": self.victim.name,
            "suspect": self.suspect.name or None,
            "neighbour": self.suspect.label,
            "node": self.place.machine or None,
            "block": self.place.block,
            "level": self.level,
            "resource": self.resource,
            "outcome": term.outcome or None,
            "since": None if term.since is None else format_time(term.since),
            "until": None if term.until is None else format_time(term.until),
            "slowdownPercent": measures.slowdown_percent,
            "sharePercent": measures.share_percent,
            "bytesLost": measures.bytes_lost,
            "evidence": self.evidence,
            "ageSeconds": None if self.age is None else round(self.age.seconds),
        }
        return {name: value for name, value in found.items() if value is not None}
