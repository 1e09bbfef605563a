"""Sentences about verdicts. They say what was seen, and never who is at fault. Pure."""

from cachemon.interference.verdicts import Resource, Verdict
from cachemon.model.units import format_bytes

LONGEST_EVIDENCE = 1024
MOST_PERCENT = 100_000


def evidence(verdict: Verdict, victim: str, suspect: str) -> str:
    """What was seen, in one sentence.

    Args:
        verdict: the verdict.
        victim: the name to give the victim.
        suspect: the name to give whose traffic rose.
    """
    if verdict.resource is Resource.CACHE:
        lost = f" by {format_bytes(round(verdict.lost_bytes))}" if verdict.lost_bytes >= 1 else ""
        seen = f"the traffic of {suspect} rose when the cache of {victim} fell{lost}"
    else:
        seen = f"the traffic of {suspect} rose when memory was nearly as busy as it can be"
    if verdict.slowdown_ratio is None:
        return f"{seen}; nothing measures whether {victim} is slower"
    return f"{seen}, and {victim} takes {percent(verdict.slowdown_ratio)} % more cycles for the same work"


def percent(ratio: float) -> int:
    """A ratio as a whole number of percent; 0 for a negative one."""
    return max(0, round(100 * ratio))
