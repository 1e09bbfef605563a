"""What the detector compares with: each threshold with its default and its meaning. Pure.

Ratios are of the reference: 0.1 is 10 %. A MAD is the median distance from the reference's median.
"""

from dataclasses import dataclass, field, fields


def _threshold(default: float, meaning: str) -> float:
    value: float = field(default=default, metadata={"meaning": meaning})
    return value


@dataclass(frozen=True, slots=True)
class Times:
    """How far the detector looks back, in seconds."""

    window: float = _threshold(10, "seconds; shorter windows are merged until they are about as long")
    now: float = _threshold(50, "seconds that are judged, by their median")
    pause: float = _threshold(60, "seconds between the near reference and what is judged")
    reference: float = _threshold(300, "seconds of the near reference")
    far_pause: float = _threshold(360, "seconds between the far reference and what is judged; it shows slow ramps")
    far_reference: float = _threshold(600, "seconds of the far reference")
    recovery: float = _threshold(120, "seconds in which a victim must recover after its suspect stopped")

    def scaled_to(self, window: float) -> "Times":
        """The times that make up as many windows, of another length in seconds."""
        factor = window / self.window
        return Times(*(getattr(self, time.name) * factor for time in fields(self)))


@dataclass(frozen=True, slots=True)
class Gates:
    """When a VM is judged at all."""

    busy: float = _threshold(0.25, "least CPU seconds a second, in the reference and now")
    delay: float = _threshold(0.10, "largest share of its time that a VM waits for CPUs")


@dataclass(frozen=True, slots=True)
class Harm:
    """What a victim shows."""

    mads: float = _threshold(3, "every change of a victim is at least this many MADs")
    cache_lost: float = _threshold(0.10, "least ratio of its cache that a victim lost")
    capacity_lost: float = _threshold(0.003, "least ratio of the block's capacity that a victim lost")
    misses: float = _threshold(0.10, "least rise of a victim's traffic for the same work")
    slowdown: float = _threshold(0.10, "least rise of a victim's cycles for the same work")
    steady_misses: float = _threshold(1, "largest rise of misses where memory bandwidth is the reason")
    fewer_misses: float = _threshold(0.25, "largest fall of misses where memory bandwidth is the reason")
    block_traffic: float = _threshold(0.15, "least rise, of all that rose, in the block's traffic for bandwidth")
    fellows: float = _threshold(0.3, "least ratio of the other VMs that slowed down too, for bandwidth")
    limit: float = _threshold(0.5, "least ratio of the bandwidth limit that is in use then")


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What a suspect shows, and what each level needs."""

    mads: float = _threshold(3, "a suspect's traffic rose by at least this many MADs")
    rise: float = _threshold(
        0.5, "least rise of a suspect's traffic, as a ratio of what it was, and of its median of 20 minutes"
    )
    share: float = _threshold(0.25, "least share of a suspect in all rises of traffic")
    gained: float = _threshold(0.25, "least cache that a suspect gained, as a ratio of what the victim lost")
    block_share: float = _threshold(0.10, "least share of a suspect in the block's traffic")
    correlation: float = _threshold(0.5, "least Spearman correlation of a suspect's traffic with the victim's loss")
    likely: float = _threshold(0.10, "least slowdown times share for Likely")
    confirmed: float = _threshold(0.15, "least slowdown times share for Confirmed")


@dataclass(frozen=True, slots=True)
class Taking:
    """What TakingCache needs, where nothing measures work."""

    misses: float = _threshold(0.15, "least rise of traffic for each CPU second for TakingCache")
    traffic: float = _threshold(100, "the same in MB")
    cache_lost: float = _threshold(0.15, "least ratio of its cache that a victim lost for TakingCache")
    capacity_lost: float = _threshold(0.01, "least ratio of the block's capacity that it lost for TakingCache")
    share: float = _threshold(0.5, "least share of a suspect in all rises for TakingCache")
    rise: float = _threshold(0.5, "least rise of a suspect for TakingCache, as a ratio of the block's traffic before")


@dataclass(frozen=True, slots=True)
class Thresholds:
    """All thresholds."""

    times: Times = field(default_factory=Times)
    gates: Gates = field(default_factory=Gates)
    harm: Harm = field(default_factory=Harm)
    suspicion: Suspicion = field(default_factory=Suspicion)
    taking: Taking = field(default_factory=Taking)
