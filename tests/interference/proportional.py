"""Model one: a cache that evicts in proportion, and memory channels with a queue.

Each VM has two pools of lines: its hot set, and lines that nobody reads again. A miss inserts a line and evicts one
of any pool; lines that are read often are less likely to go. The hit ratio is a concave function of the resident
share of the hot set. Latency rises with utilisation as in an M/M/1 queue.
"""

from collections.abc import Collection, Mapping, Sequence

from tests.interference.machines import LINE_BYTES, Machine, Ranges
from tests.interference.samples import NONE, Run, Sample
from tests.interference.scenarios import Actor, Script
from tests.interference.wishes import STEP_SECONDS, STEPS, Wish

RANGES = Ranges(
    vms=(4, 16),
    capacity_mib=(16, 24, 32, 48, 64),
    limit_over_capacity=(800.0, 4000.0),
    memory_nanoseconds=(75.0, 120.0),
    per_uop=(0.002, 0.03),
    hot_over_capacity=(0.03, 0.6),
    curve=(0.5, 1.0),
    overlap=(1.5, 6.0),
    traffic_noise=(0.005, 0.03),
    occupancy_units=(32768, 65536, 114688),
)
WRITE_BACK = 1.25
"""Bytes of traffic for each byte that a miss reads."""
LARGEST_TURNOVER = 0.3
"""Share of the cache that one step replaces at most: it keeps the steps stable."""
PROTECTION = 0.6
"""How far hits keep a line from being evicted: 0 is random replacement."""
QUEUE_WEIGHT = 0.35
"""Part of the latency that waits in the queue at half of the limit."""
FULL = 0.98
"""Utilisation at which latency rises no further."""


class Pools:
    """Lines of one VM, and what its work costs now."""

    def __init__(self, actor: Actor, machine: Machine) -> None:
        self.actor = actor
        self.hot = 0.0
        self.dead = 0.0
        self.uncontended = cycles_per_uop(
            actor, machine, actor.profile.access.per_uop, 0.0, machine.memory_nanoseconds
        )
        self.slowdown = 1.0
        self.busy = 0.0
        self.hits = 0.0

    def miss_ratio(self, wish: Wish) -> tuple[float, float]:
        """Misses of the hot set, and all misses, as shares of all accesses."""
        access = self.actor.profile.access
        resident = min(1.0, self.hot / wish.hot_bytes) ** access.curve
        reused = 1 - wish.stream_share
        return reused * (1 - resident), 1 - reused * resident * (1 - access.coldest_miss_ratio)


def cycles_per_uop(actor: Actor, machine: Machine, per_uop: float, misses: float, nanoseconds: float) -> float:
    """Cycles of one micro-operation, with those that it waits for cache block and memory."""
    profile = actor.profile
    waits = (1 - misses) * machine.hit_nanoseconds * 0.3 + misses * nanoseconds / profile.overlap
    return profile.cycles_per_uop + per_uop * machine.gigahertz * waits


def simulate(script: Script, wishes: Mapping[str, Sequence[Wish]], without: Collection[str] = ()) -> Run:
    """Run an episode.

    Args:
        script: who is there.
        wishes: what each VM wishes, by name, one for each step.
        without: VMs that never come.
    """
    machine = script.machine
    pools = [Pools(actor, machine) for actor in script.actors if actor.name not in without]
    by_name = {each.actor.name: each for each in pools}
    run = {actor.name: [NONE] * STEPS if actor.name in without else [] for actor in script.actors}
    utilisation = 0.0
    for step in range(STEPS):
        now = [(each, wishes[each.actor.name][step]) for each in pools]
        nanoseconds = machine.memory_nanoseconds * (1 + QUEUE_WEIGHT * utilisation / (1 - utilisation))
        inserted, traffic = advance(machine, now, by_name, run, nanoseconds)
        evict(machine, now, inserted)
        utilisation += 0.3 * (min(FULL, traffic / machine.bandwidth_limit) - utilisation)
    return run


def advance(
    machine: Machine,
    now: Sequence[tuple[Pools, Wish]],
    by_name: Mapping[str, Pools],
    run: Mapping[str, list[Sample]],
    nanoseconds: float,
) -> tuple[list[tuple[float, float]], float]:
    """Let every VM work for one step.

    Returns:
        bytes a second that each inserts into its hot set and into its other lines; bytes a second of traffic.
    """
    needs = [
        min(each.actor.profile.vcpus, wish.cpus * (each.slowdown if each.actor.profile.habits.paced else 1.0))
        for each, wish in now
    ]
    share = min(1.0, machine.cpus / max(sum(needs), 1e-9))
    siblings = [by_name[name].busy if (name := each.actor.sibling or "") in by_name else 0.0 for each, _ in now]
    inserted, total = [], 0.0
    for (each, wish), need, sibling in zip(now, needs, siblings, strict=True):
        cpus = need * share
        each.busy = cpus / each.actor.profile.vcpus
        hot_misses, misses = each.miss_ratio(wish)
        unhindered = cycles_per_uop(each.actor, machine, wish.per_uop, misses, nanoseconds)
        hindered = unhindered * (1 + machine.smt_slowdown * sibling)
        each.slowdown = hindered / each.uncontended
        uops = cpus * machine.gigahertz * 1e9 / hindered
        accessed = uops * wish.per_uop * LINE_BYTES
        each.hits = accessed * (1 - misses)
        bypassed = accessed * wish.stream_share * each.actor.profile.access.bypass_share
        inserted.append((accessed * hot_misses, accessed * (misses - hot_misses) - bypassed))
        traffic = accessed * misses * WRITE_BACK
        total += traffic
        delay = need - cpus + 0.004 * cpus
        run[each.actor.name].append(
            Sample(each.hot + each.dead, traffic, cpus, delay, uops * hindered, uops, uops * unhindered)
        )
    return inserted, total


def evict(machine: Machine, now: Sequence[tuple[Pools, Wish]], inserted: Sequence[tuple[float, float]]) -> None:
    """Insert the lines of one step, and evict as many when the cache is full."""
    capacity = machine.capacity_bytes
    rate = sum(hot + dead for hot, dead in inserted)
    seconds = min(STEP_SECONDS, LARGEST_TURNOVER * capacity / max(rate, 1.0))
    turnover = max(rate, 1.0) / capacity
    weights = [each.hot / (1 + each.hits / max(each.hot, 1.0) / turnover) ** PROTECTION for each, _ in now]
    free = capacity - sum(each.hot + each.dead for each, _ in now)
    evicted = max(0.0, rate * seconds - max(0.0, free))
    share = evicted / max(sum(weights) + sum(each.dead for each, _ in now), 1.0)
    for (each, wish), (hot, dead), weight in zip(now, inserted, weights, strict=True):
        kept = max(0.0, each.hot - share * weight) + hot * seconds
        each.hot = min(kept, wish.hot_bytes)
        each.dead = max(0.0, each.dead * (1 - share)) + dead * seconds + kept - each.hot
    held = sum(each.hot + each.dead for each, _ in now)
    if held > capacity:
        for each, _ in now:
            each.hot *= capacity / held
            each.dead *= capacity / held
