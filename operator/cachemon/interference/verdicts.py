"""Verdicts: what a detector says of two VMs, how it ends, and its JSON line. Pure."""

import json
from dataclasses import dataclass
from enum import StrEnum

from cachemon.interference.windows import BlockId

OTHERS = ""
"""The suspect is whatever runs on the node without being watched; no VM has this name."""


class Level(StrEnum):
    """How sure a verdict is. Later ones are surer."""

    TAKING_CACHE = (
        "TakingCache"  # cache moved from victim to suspect; nothing measures whether the victim slowed down
    )
    LIKELY = "Likely"
    CONFIRMED = "Confirmed"


class Outcome(StrEnum):
    """How a verdict ended."""

    VERIFIED = "Verified"  # the suspect stopped, and the victim recovered at once
    WITHDRAWN = "Withdrawn"  # the suspect stopped and the victim did not recover, or it recovered before
    ENDED = "Ended"  # the victim left or changed, so nothing can be checked


class Resource(StrEnum):
    """What the VMs share."""

    CACHE = "Cache"
    MEMORY_BANDWIDTH = "MemoryBandwidth"


class Judgement(StrEnum):
    """What a detector says of one VM now. All but the first three are reasons why it is not judged."""

    UNDISTURBED = "Undisturbed"
    DISTURBED = "Disturbed"  # a verdict is open
    CPU_CONTENTION = "CPUContention"  # it waits for CPUs, which hides what cache and memory do
    TOO_YOUNG = "TooYoung"  # not enough windows yet
    NO_REFERENCE = "NoReference"  # it did not run enough before, so there is nothing to compare with
    GAP = "Gap"  # a figure of the last windows is missing, or a window is
    IDLE = "Idle"  # it hardly runs now
    SUSPECTS_UNWATCHED = "SuspectsUnwatched"  # it is disturbed, and no watched VM explains that


@dataclass(frozen=True, slots=True)
class Verdict:
    """A victim, a suspect, and what was seen.

    Attributes:
        block: the cache block that they share.
        victim: the VM that lost.
        suspect: the VM whose traffic rose at that time, or OTHERS.
        level: the highest level so far.
        resource: what the victim lost.
        since: time of the window that opened the verdict.
        slowdown_ratio: additional cycles for each unit of work, 0.2 for 20 %; None without a source of work.
        share: the suspect's share of all traffic that rose, 0 to 1.
        lost_bytes: cache that the victim lost; below 0 when it gained.
    """

    block: BlockId
    victim: str
    suspect: str
    level: Level
    resource: Resource
    since: float
    slowdown_ratio: float | None
    share: float
    lost_bytes: float


@dataclass(frozen=True, slots=True)
class Change:
    """A verdict was opened or raised (`step` is its Level), or it ended (`step` is its Outcome)."""

    time: float
    step: Level | Outcome
    verdict: Verdict


def format_change(change: Change) -> str:
    """Write a change as one JSON line, without the line break.

    The suspect is null where nobody watched it.
    """
    verdict = change.verdict
    slowdown = verdict.slowdown_ratio
    data = {
        "time": change.time,
        "block": verdict.block,
        "victim": verdict.victim,
        "suspect": None if verdict.suspect == OTHERS else verdict.suspect,
        "level": change.step,
        "resource": verdict.resource,
        "slowdownRatio": None if slowdown is None else round(slowdown, 4),
        "share": round(verdict.share, 4),
    }
    return json.dumps(data, separators=(",", ":"))
