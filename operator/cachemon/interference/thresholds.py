"""What the detector compares with: times and thresholds, each with its default. Pure."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Times:
    """How far the detector looks back, in seconds.

    Attributes:
        window: shorter windows are merged until they are about as long as this.
        now: what is judged: the median of this time.
        pause: time between the reference and what is judged.
        reference: length of the near reference.
        far_pause: time between the far reference and what is judged; it shows slow ramps.
        far_reference: length of the far reference.
        recovery: the victim must recover within this time after the suspect stopped.
    """

    window: float = 10.0
    now: float = 50.0
    pause: float = 60.0
    reference: float = 300.0
    far_pause: float = 360.0
    far_reference: float = 600.0
    recovery: float = 120.0


@dataclass(frozen=True, slots=True)
class Gates:
    """When a VM is judged at all.

    Attributes:
        busy: least CPU seconds a second, in the reference and now.
        delay: largest share of time that it waits for CPUs.
    """

    busy: float = 0.25
    delay: float = 0.10


@dataclass(frozen=True, slots=True)
class Harm:
    """What a victim shows, as ratios of its reference: 0.1 is 10 %.

    Attributes:
        mads: every change must also be this many MADs of the reference.
        cache_lost: least fall of occupancy.
        capacity_lost: least fall of occupancy, as a ratio of the cache's capacity.
        misses: least rise of traffic for each unit of work.
        slowdown: least rise of cycles for each unit of work.
        steady_misses: traffic for each unit of work changes less than this when bandwidth is the reason.
        block_traffic: least rise of the block's traffic when bandwidth is the reason.
        limit: least part of the bandwidth limit that is in use then.
    """

    mads: float = 3.0
    cache_lost: float = 0.10
    capacity_lost: float = 0.02
    misses: float = 0.10
    slowdown: float = 0.08
    steady_misses: float = 0.15
    block_traffic: float = 0.15
    limit: float = 0.5


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What a suspect shows, and what a level needs.

    Attributes:
        mads: its traffic must rise by this many MADs.
        share: least share of all rises of traffic.
        gained: least cache that it gained, as a ratio of what the victim lost.
        block_share: least share of the block's traffic.
        correlation: least Spearman correlation of its traffic with the victim's loss and misses.
        likely: least slowdown times share of Likely.
        confirmed: least slowdown times share of Confirmed.
        taking_misses: least rise of traffic for each CPU second of TakingCache.
        taking_cache_lost: least fall of occupancy of TakingCache.
        taking_share: least share of TakingCache.
    """

    mads: float = 3.0
    share: float = 0.35
    gained: float = 0.25
    block_share: float = 0.10
    correlation: float = 0.5
    likely: float = 0.08
    confirmed: float = 0.12
    taking_misses: float = 0.30
    taking_cache_lost: float = 0.15
    taking_share: float = 0.5


@dataclass(frozen=True, slots=True)
class Thresholds:
    """All of them."""

    times: Times = field(default_factory=Times)
    gates: Gates = field(default_factory=Gates)
    harm: Harm = field(default_factory=Harm)
    suspicion: Suspicion = field(default_factory=Suspicion)
