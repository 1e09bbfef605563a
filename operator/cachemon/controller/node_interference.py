"""What agents say of VMs that disturb each other, as the operator reads it.

An agent may be broken, so fields that are not valid count as absent and never raise.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cachemon.interference.verdicts import Level
from cachemon.model.api import ObjectName, text_of

SERIOUS = (Level.LIKELY, Level.CONFIRMED)
"""Levels with Events, the surer one last. A node without a source of work has no others than TakingCache."""

_MOST_VERDICTS = 64


def rank_of(level: str) -> int:
    """1 and 2 for SERIOUS levels, 0 for all else."""
    return next((place for place, known in enumerate(SERIOUS, 1) if known == level), 0)


@dataclass(frozen=True, slots=True)
class GroupInterference:
    """`status.interference` of a group: what its tenant may know."""

    level: str
    since: str
    evidence: str


@dataclass(frozen=True, slots=True)
class NodeVerdict:
    """One of `status.cacheBlocks[].verdicts` of a node."""

    block: int
    victim: ObjectName
    suspect: ObjectName | None  # None for what is not monitored
    level: str
    outcome: str  # empty while it is open
    since: str
    until: str  # empty while it is open
    evidence: str

    @property
    def key(self) -> tuple[int, ObjectName, ObjectName]:
        """Which two VMs it is about, and where."""
        return self.block, self.victim, self.suspect or ObjectName("", "")


def parse_group_interference(status: Mapping[str, Any]) -> GroupInterference | None:
    """From the status of a CacheMonitorGroup; None where nothing disturbs it."""
    found = status.get("interference")
    if not isinstance(found, Mapping):
        return None
    return GroupInterference(*(text_of(found.get(field)) for field in ("level", "since", "evidence")))


def parse_node_verdicts(status: Mapping[str, Any]) -> tuple[NodeVerdict, ...]:
    """From the status of a CacheMonitorNode."""
    return tuple(verdict for verdict, _ in zip(_verdicts(status), range(_MOST_VERDICTS), strict=False))


def _verdicts(status: Mapping[str, Any]) -> Iterator[NodeVerdict]:
    for block in _mappings(status.get("cacheBlocks")):
        number = block.get("id")
        for item in _mappings(block.get("verdicts")):
            victim = _name(item.get("victim"))
            if victim is not None and isinstance(number, int):
                texts = (text_of(item.get(field)) for field in ("level", "outcome", "since", "until", "evidence"))
                yield NodeVerdict(number, victim, _name(item.get("suspect")), *texts)


def _mappings(value: object) -> Iterator[Mapping[str, Any]]:
    yield from (item for item in value if isinstance(item, Mapping)) if isinstance(value, list) else ()


def _name(value: object) -> ObjectName | None:
    if not isinstance(value, Mapping):
        return None
    name = ObjectName(text_of(value.get("namespace")), text_of(value.get("name")))
    return name if all(name) else None
