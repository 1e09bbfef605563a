"""Model two: an exact LRU cache by its characteristic time, and memory channels with a knee.

No detector is tuned on it. Each VM reads four nested working sets at rates of their own. Che's approximation of LRU:
every line stays for the same time T after it was read last, and T is such that all lines fill the cache. So a working
set of S bytes that is read at rate r holds S * (1 - exp(-r * T / S)), and hits as often. Latency is nearly flat up to
a knee and steep behind it; prefetchers hide most of it from streams. A busy sibling slows what does not wait for
memory. CPUs that are nearly all busy cost run delay.
"""

import math
from collections.abc import Collection, Mapping, Sequence

from tests.interference.machines import LINE_BYTES, Machine, Ranges
from tests.interference.samples import NONE, Run, Sample
from tests.interference.scenarios import Actor, Script
from tests.interference.wishes import STEP_SECONDS, STEPS, Wish

RANGES = Ranges(
    vms=(4, 14),
    capacity_mib=(20, 30, 36, 40, 60),
    limit_over_capacity=(600.0, 3000.0),
    memory_nanoseconds=(85.0, 150.0),
    per_uop=(0.001, 0.03),
    hot_over_capacity=(0.02, 0.9),
    curve=(0.35, 1.2),
    overlap=(1.2, 8.0),
    traffic_noise=(0.01, 0.05),
    occupancy_units=(40960, 61440, 90112),
)
SET_SIZES = (0.06, 0.14, 0.3, 0.5)
"""Shares of the hot set in the four working sets."""
WRITE_BACK = 1.4
KNEE = 0.6
HIDDEN_FROM_STREAMS = 0.7
LONGEST_SECONDS = 1000.0
"""Characteristic time of a cache that is not full."""

CLOSE = 0.002
"""Share of the cache by which a solution may be wrong."""


class Reader:
    """One VM, and what its work costs now."""

    def __init__(self, actor: Actor, machine: Machine) -> None:
        self.actor = actor
        shares = [size**actor.profile.access.curve for size in SET_SIZES]
        self.rate_shares = [share / sum(shares) for share in shares]
        self.usual, _ = costs(actor, machine, actor.profile.access.per_uop, (0.0, 0.0), machine.memory_nanoseconds)
        self.slowdown = 1.0
        self.busy = 0.0
        self.hit_ratio = 0.0
        self.occupancy = 0.0
        self.rate = 0.0

    def sets(self, wish: Wish) -> list[tuple[float, float]]:
        """Size in bytes, and reads of each byte in a second, of each working set."""
        reused = self.rate * (1 - wish.stream_share)
        return [
            (wish.hot_bytes * size, reused * share / (wish.hot_bytes * size))
            for size, share in zip(SET_SIZES, self.rate_shares, strict=True)
        ]

    def once(self, wish: Wish) -> float:
        """Bytes a second that are inserted and never read again."""
        access = self.actor.profile.access
        streamed = wish.stream_share * (1 - access.bypass_share)
        return self.rate * (streamed + (1 - wish.stream_share) * access.coldest_miss_ratio)


def costs(
    actor: Actor, machine: Machine, per_uop: float, misses: tuple[float, float], nanoseconds: float
) -> tuple[float, float]:
    """Cycles of one micro-operation: all, and those that wait for memory.

    Args:
        actor: whose.
        machine: where it runs.
        per_uop: accesses of the cache block.
        misses: shares of them: of what is read again, and of streams.
        nanoseconds: latency of memory.
    """
    reused, streamed = misses
    waited = (reused + streamed * (1 - HIDDEN_FROM_STREAMS)) * nanoseconds / actor.profile.overlap
    waits = per_uop * machine.gigahertz * waited
    hits = per_uop * machine.gigahertz * (1 - reused - streamed) * machine.hit_nanoseconds * 0.4
    return actor.profile.cycles_per_uop + hits + waits, waits


def simulate(script: Script, wishes: Mapping[str, Sequence[Wish]], without: Collection[str] = ()) -> Run:
    """Run an episode.

    Args:
        script: who is there.
        wishes: what each VM wishes, by name, one for each step.
        without: VMs that never come.
    """
    machine = script.machine
    readers = [Reader(actor, machine) for actor in script.actors if actor.name not in without]
    by_name = {reader.actor.name: reader for reader in readers}
    run = {actor.name: [NONE] * STEPS if actor.name in without else [] for actor in script.actors}
    channels, time = Channels(machine), LONGEST_SECONDS
    for step in range(STEPS):
        now = [(reader, wishes[reader.actor.name][step]) for reader in readers]
        channels.carry(advance(machine, now, by_name, run, channels.nanoseconds))
        time = characteristic_time(machine.capacity_bytes, now, time)
        settle(machine.capacity_bytes, now, time)
    return run


class Channels:
    """The memory channels: latency is nearly flat up to the knee, and rises until the traffic is below the limit."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._utilisation = 0.0
        self._pressure = 1.0

    @property
    def nanoseconds(self) -> float:
        """Latency now: 1.1 times the least at the knee, 3.1 times at the limit, more while too much is wanted."""
        flat = min(1.0, self._utilisation / KNEE)
        rise = max(0.0, min(1.0, self._utilisation) - KNEE) / (1 - KNEE)
        return self._machine.memory_nanoseconds * (1 + 0.1 * flat + 2 * rise**2) * self._pressure

    def carry(self, traffic: float) -> None:
        """Carry the bytes a second of one step."""
        wanted = traffic / self._machine.bandwidth_limit
        self._utilisation += 0.25 * (wanted - self._utilisation)
        self._pressure = max(1.0, self._pressure * wanted**0.4)


def advance(
    machine: Machine,
    now: Sequence[tuple[Reader, Wish]],
    by_name: Mapping[str, Reader],
    run: Mapping[str, list[Sample]],
    nanoseconds: float,
) -> float:
    """Let every VM work for one step; the answer is the traffic in bytes a second."""
    needs = [
        min(each.actor.profile.vcpus, wish.cpus * (each.slowdown if each.actor.profile.habits.paced else 1.0))
        for each, wish in now
    ]
    load = sum(needs) / machine.cpus
    share = 1 / max(1.0, load)
    waiting = min(0.08, 0.01 * load**4 / max(0.05, 1.05 - load))
    siblings = [by_name[name].busy if (name := each.actor.sibling or "") in by_name else 0.0 for each, _ in now]
    total = 0.0
    for (each, wish), need, sibling in zip(now, needs, siblings, strict=True):
        cpus = need * share
        each.busy = cpus / each.actor.profile.vcpus
        reused, streamed = (1 - wish.stream_share) * (1 - each.hit_ratio), wish.stream_share
        unhindered, waits = costs(each.actor, machine, wish.per_uop, (reused, streamed), nanoseconds)
        hindered = unhindered + (unhindered - waits) * machine.smt_slowdown * sibling
        each.slowdown = hindered / each.usual
        uops = cpus * machine.gigahertz * 1e9 / hindered
        each.rate = uops * wish.per_uop * LINE_BYTES
        traffic = each.rate * (reused + streamed) * WRITE_BACK
        total += traffic
        delay = need - cpus + need * waiting
        run[each.actor.name].append(
            Sample(each.occupancy, traffic, cpus, delay, uops * hindered, uops, uops * unhindered)
        )
    return total


def characteristic_time(capacity: float, now: Sequence[tuple[Reader, Wish]], guess: float) -> float:
    """Seconds that a line stays after it was read last, by Newton's method.

    What the lines fill is a concave function of the time, so that each step ends below the solution or on it.
    """
    once = sum(each.once(wish) for each, wish in now)
    sets = [one for each, wish in now for one in each.sets(wish) if one[1] > 0]
    time = guess
    for _ in range(8):
        left = [(size, rate, math.exp(-rate * time)) for size, rate in sets]
        lack = capacity - once * time - sum(size * (1 - gone) for size, _, gone in left)
        slope = once + sum(size * rate * gone for size, rate, gone in left)
        if abs(lack) < capacity * CLOSE or slope * LONGEST_SECONDS <= lack:
            return time if lack < capacity * CLOSE else LONGEST_SECONDS
        time = min(LONGEST_SECONDS, max(time / 4, time + lack / slope))
    return time


def settle(capacity: float, now: Sequence[tuple[Reader, Wish]], time: float) -> None:
    """Bring hit ratios and occupancies nearer to those of the characteristic time, as lines come and go."""
    nearer = 1 - math.exp(-STEP_SECONDS / max(2.0, min(time, 30.0)))
    wanted = []
    for each, wish in now:
        held = [(size, 1 - math.exp(-rate * time)) for size, rate in each.sets(wish)]
        wanted.append(each.once(wish) * time + sum(size * share for size, share in held))
        hits = sum(rate * share for rate, (_, share) in zip(each.rate_shares, held, strict=True))
        hits *= 1 - each.actor.profile.access.coldest_miss_ratio
        each.hit_ratio += nearer * (hits - each.hit_ratio)
    fit = min(1.0, capacity / max(1.0, sum(wanted)))
    for (each, _), occupancy in zip(now, wanted, strict=True):
        each.occupancy += nearer * (occupancy * fit - each.occupancy)
