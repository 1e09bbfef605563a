"""What an episode is drawn from: machines, VMs and the ranges of their parameters."""

import math
from dataclasses import dataclass
from random import Random

MIB = 1 << 20
LINE_BYTES = 64
Bounds = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Machine:
    """One cache block and what is behind it.

    Attributes:
        capacity_bytes: of the cache block.
        bandwidth_limit: of the memory channels, in bytes a second.
        configured_limit: what the node knows of that limit; None if nobody configured it.
        memory_nanoseconds: latency of an idle memory channel.
        hit_nanoseconds: latency of the cache block.
        gigahertz: cycles in a nanosecond.
        cpus: CPUs that the VMs share.
        smt_slowdown: share of cycles that a fully busy sibling costs.
        occupancy_unit_bytes: granularity of CMT's counter.
        traffic_noise: relative standard deviation of one reading of MBM.
    """

    capacity_bytes: float
    bandwidth_limit: float
    configured_limit: float | None
    memory_nanoseconds: float
    hit_nanoseconds: float
    gigahertz: float
    cpus: float
    smt_slowdown: float
    occupancy_unit_bytes: int
    traffic_noise: float


@dataclass(frozen=True, slots=True)
class Access:
    """How the work of a VM uses the cache.

    Attributes:
        per_uop: accesses of the cache block per micro-operation.
        hot_bytes: what it uses again and again.
        stream_share: share of the accesses that no cache can serve.
        bypass_share: share of the streaming accesses that insert no line.
        curve: exponent of the hit ratio over the resident share of the hot set; below 1, the curve is concave.
        coldest_miss_ratio: misses of the other accesses with the whole hot set resident.
    """

    per_uop: float
    hot_bytes: float
    stream_share: float
    bypass_share: float
    curve: float
    coldest_miss_ratio: float


@dataclass(frozen=True, slots=True)
class Habits:
    """How a VM varies by itself.

    Attributes:
        noise: relative standard deviation of the slow noise of load and accesses.
        bursts_per_hour: short times with more load.
        sleeps_per_hour: minutes with next to no load.
        phases_per_hour: lasting changes of accesses and hot set.
        paced: the guest has a rate of work to do, so that a slowdown costs more CPU; else it has a share of time.
    """

    noise: float
    bursts_per_hour: float
    sleeps_per_hour: float
    phases_per_hour: float
    paced: bool


@dataclass(frozen=True, slots=True)
class Profile:
    """A VM.

    Attributes:
        vcpus: the most CPU seconds that it uses in a second.
        load: share of its vCPUs that is busy.
        cycles_per_uop: with every access served at once.
        overlap: misses under way at the same time: the higher, the less a miss costs.
        access: how its work uses the cache.
        habits: how it varies by itself.
    """

    vcpus: int
    load: float
    cycles_per_uop: float
    overlap: float
    access: Access
    habits: Habits


@dataclass(frozen=True, slots=True)
class Ranges:
    """Least and greatest values that are drawn; all but the shares on a logarithmic scale."""

    vms: tuple[int, int]
    capacity_mib: tuple[int, ...]
    limit_over_capacity: Bounds
    memory_nanoseconds: Bounds
    per_uop: Bounds
    hot_over_capacity: Bounds
    curve: Bounds
    overlap: Bounds
    traffic_noise: Bounds
    occupancy_units: tuple[int, ...]


def between(random: Random, bounds: Bounds) -> float:
    """Draw from a range whose logarithm is uniform."""
    return math.exp(random.uniform(math.log(bounds[0]), math.log(bounds[1])))


def draw_machine(random: Random, ranges: Ranges) -> Machine:
    """Draw a machine; its CPUs follow when its VMs are known."""
    capacity = random.choice(ranges.capacity_mib) * MIB
    limit = capacity * between(random, ranges.limit_over_capacity)
    return Machine(
        capacity_bytes=capacity,
        bandwidth_limit=limit,
        configured_limit=limit * random.uniform(0.85, 1.1) if random.random() < 0.6 else None,
        memory_nanoseconds=between(random, ranges.memory_nanoseconds),
        hit_nanoseconds=random.uniform(16, 26),
        gigahertz=random.uniform(2.0, 3.6),
        cpus=math.inf,
        smt_slowdown=random.choice((0.0, random.uniform(0.1, 0.4))),
        occupancy_unit_bytes=random.choice(ranges.occupancy_units),
        traffic_noise=between(random, ranges.traffic_noise),
    )


def draw_profile(random: Random, ranges: Ranges, capacity_bytes: float) -> Profile:
    """Draw an ordinary VM: it uses more of what it reads than it streams."""
    return Profile(
        vcpus=random.choice((2, 2, 4, 4, 8)),
        load=random.uniform(0.2, 0.8),
        cycles_per_uop=between(random, (0.35, 0.9)),
        overlap=between(random, ranges.overlap),
        access=Access(
            per_uop=between(random, ranges.per_uop),
            hot_bytes=capacity_bytes * between(random, ranges.hot_over_capacity),
            stream_share=random.choice((0.0, random.uniform(0.0, 0.15))),
            bypass_share=0.0,
            curve=random.uniform(*ranges.curve),
            coldest_miss_ratio=random.uniform(0.01, 0.05),
        ),
        habits=draw_habits(random),
    )


def draw_habits(random: Random) -> Habits:
    """Draw how a VM varies by itself: half of them have a habit that disturbs a detector."""
    return Habits(
        noise=random.uniform(0.02, 0.12),
        bursts_per_hour=random.choice((0.0, 0.0, random.uniform(2, 8))),
        sleeps_per_hour=random.choice((0.0, 0.0, 0.0, 0.0, random.uniform(0.5, 2))),
        phases_per_hour=random.choice((0.0, 0.0, 0.0, random.uniform(0.5, 2))),
        paced=random.random() < 0.5,
    )
