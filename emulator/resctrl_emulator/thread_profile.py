"""What a thread does with its CPU time when it has a profile. Pure.

A thread without a profile moves memory at a constant rate (`workload.py`). The work of a thread with a profile looks
up cache lines:

* the streaming share of its lookups wants lines that it never uses again: each one is a miss;
* the others want lines of its hot set, each with the same chance. They miss for the part that is not in the cache;
* a miss brings in one line from memory, and is one line of traffic;
* misses slow the work: a lookup that misses takes 1 + sensitivity times as long as one that hits.

So the thread works at 1 / (1 + sensitivity * miss ratio) of its full speed, and stalls for the rest of its CPU time.
"""

import math
from dataclasses import dataclass

from resctrl_emulator.cache_lines import LINE_BYTES

NS_PER_SECOND = 1_000_000_000
NOTHING_MOVES = 1e-9
"""Lines that come and go in a turn / lines held; below this the number of lines held stays what it is."""


@dataclass(frozen=True, slots=True)
class ThreadProfile:
    """How a thread uses the cache.

    Attributes:
        hot_set_bytes: memory that it uses again and again.
        accesses_per_second: cache lookups in a second of CPU time without a miss.
        streaming_share: part of the lookups that never finds its line in the cache, 0 to 1.
        sensitivity: by how much misses slow it: at a miss ratio of 1 its work takes 1 + sensitivity times as long.
        cpu_share: CPU seconds that it seems to use in a second; None for the CPU time that it really uses.
        block: the cache block that it seems to run on; None for that of its CPU.

    Raises:
        ValueError: a value is out of its range.
    """

    hot_set_bytes: int
    accesses_per_second: int
    streaming_share: float = 0.0
    sensitivity: float = 0.0
    cpu_share: float | None = None
    block: int | None = None

    def __post_init__(self) -> None:
        counts = (self.hot_set_bytes, self.accesses_per_second, self.block or 0)
        if any(isinstance(count, bool) or not isinstance(count, int) or count < 0 for count in counts):
            raise ValueError("hot_set_bytes, accesses_per_second and block must be integers of at least 0")
        if not 0 <= self.streaming_share <= 1:
            raise ValueError(f"streaming_share must be from 0 to 1, not {self.streaming_share}")
        if not 0 <= self.sensitivity < math.inf:
            raise ValueError(f"sensitivity must be at least 0, not {self.sensitivity}")
        if self.cpu_share is not None and not 0 <= self.cpu_share <= 1:
            raise ValueError(f"cpu_share must be from 0 to 1, not {self.cpu_share}")

    @property
    def hot_lines(self) -> float:
        """Lines of the hot set."""
        return self.hot_set_bytes / LINE_BYTES

    def miss_ratio(self, held_lines: float) -> float:
        """Misses / lookups while the cache holds this many lines of the hot set."""
        hit = min(held_lines / self.hot_lines, 1.0) if self.hot_set_bytes else 1.0
        return 1 - (1 - self.streaming_share) * hit

    def speed(self, miss_ratio: float) -> float:
        """Work / the work of the same CPU time without a miss."""
        return 1 / (1 + self.sensitivity * miss_ratio)


@dataclass(frozen=True, slots=True)
class Turn:
    """What a thread did with some CPU time.

    Attributes:
        cpu_ns: the CPU time.
        work_ns: the CPU time that the same work takes without a miss.
        hot_lines: lines of the hot set that it brought in.
        streamed_lines: other lines that it brought in.
    """

    cpu_ns: float
    work_ns: float
    hot_lines: float
    streamed_lines: float

    def __add__(self, other: "Turn") -> "Turn":
        return Turn(
            self.cpu_ns + other.cpu_ns,
            self.work_ns + other.work_ns,
            self.hot_lines + other.hot_lines,
            self.streamed_lines + other.streamed_lines,
        )

    @property
    def missed_lines(self) -> float:
        """All lines that it brought in."""
        return self.hot_lines + self.streamed_lines


def take_turn(profile: ThreadProfile, cpu_ns: float, held_lines: float, evictions: float) -> Turn:
    """Let a thread work for some CPU time.

    The lines that the cache holds approach, exponentially, the number at which misses and evictions balance. What
    counts is their mean over the turn. So a long turn gives nearly the same result as many short ones.

    Args:
        profile: the thread's.
        cpu_ns: the CPU time.
        held_lines: lines of its hot set that the cache holds at the beginning.
        evictions: lines that all threads together evict in this turn / lines of the cache.
    """
    speed = profile.speed(profile.miss_ratio(held_lines))
    held = min(held_lines, profile.hot_lines)
    mean = _mean_held(profile, cpu_ns * speed, held, evictions)
    misses = profile.miss_ratio(mean)
    work_ns = cpu_ns * profile.speed(misses)
    lookups = _lookups(profile, work_ns)
    streamed = lookups * profile.streaming_share
    # The thread speeds up as its lines come in; the mean holds for the speed at the beginning.
    lacking = profile.hot_lines - held + evictions * mean
    return Turn(cpu_ns, work_ns, max(min(lookups * misses - streamed, lacking), 0.0), streamed)


def _lookups(profile: ThreadProfile, work_ns: float) -> float:
    return profile.accesses_per_second * work_ns / NS_PER_SECOND


def _mean_held(profile: ThreadProfile, work_ns: float, held: float, evictions: float) -> float:
    """The mean of x over a turn, where x' = lookups * (1 - x / hot set) - evictions * x."""
    if not profile.hot_set_bytes:
        return held
    lookups = _lookups(profile, work_ns) * (1 - profile.streaming_share)
    decay = lookups / profile.hot_lines + evictions
    if decay < NOTHING_MOVES:
        return held
    balance = lookups / decay
    return balance + (held - balance) * -math.expm1(-decay) / decay
