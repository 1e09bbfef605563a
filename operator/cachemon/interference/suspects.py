"""Who may be the reason: the VMs whose traffic rose when the victim lost. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cachemon.interference.history import History, VmSeries
from cachemon.interference.signs import Signs
from cachemon.interference.spans import FEWEST, Spans
from cachemon.interference.thresholds import Harm, Thresholds
from cachemon.interference.usual import Reference, known, median, reference, spearman
from cachemon.interference.verdicts import OTHERS, Resource

_FELLOW_LOSS = 0.05
"""A VM that lost more than this ratio of its cache is a victim too: its traffic rose because it lost cache."""


@dataclass(frozen=True, slots=True)
class Rise:
    """How traffic and cache of a VM differ from its reference.

    Attributes:
        usual: its traffic before, in bytes a second; 0 before it came.
        traffic: its traffic now.
        bytes_a_second: by how much it rose; 0 when it fell.
        gained: cache that it gained, in bytes; below 0 when it lost.
        lost: ratio of its cache that it lost; below 0 when it gained.
        is_clear: whether its traffic rose by more than noise.
        slowed: whether its work costs more than before; None when nothing measures that.
    """

    usual: Reference
    traffic: float
    bytes_a_second: float
    gained: float
    lost: float
    is_clear: bool
    slowed: bool | None


@dataclass(frozen=True, slots=True)
class Suspect:
    """A VM that may be the reason.

    Attributes:
        name: its name, or OTHERS.
        share: its share of all rises.
        of_block: its rise as a ratio of the block's traffic before.
        rise: its rise.
    """

    name: str
    share: float
    of_block: float
    rise: Rise


def rises(history: History, spans: Spans, mads: float) -> dict[str, Rise]:
    """The rise of every VM whose traffic is known now and before."""
    found = {}
    for name, series in history.series.items():
        traffic = median(series.traffic[-spans.now :])
        before = _before(series.traffic, spans, history)
        if traffic != traffic or len(before) < FEWEST:  # noqa: PLR0124  NaN
            continue
        usual = reference(before)
        rise = max(traffic - usual.median, 0.0)
        held = median(_before(series.occupancy, spans, history))
        gained = median(series.occupancy[-spans.now :]) - held
        lost = -gained / held if held > 0 else 0.0
        is_clear = rise > 0 and usual.is_above(traffic, mads)
        found[name] = Rise(usual, traffic, rise, gained, lost, is_clear, _slowed(series, spans, mads))
    return found


def _slowed(series: VmSeries, spans: Spans, mads: float) -> bool | None:
    usual, now = spans.usual(series.cost), median(series.cost[-spans.now :])
    return None if usual is None or now != now else usual.is_above(now, mads)  # noqa: PLR0124  NaN


def _before(values: Sequence[float], spans: Spans, history: History) -> list[float]:
    """The known values of the reference; 0 for windows before the VM came."""
    rows = len(history.total)
    own = spans.before(values)
    wanted = len(spans.before(history.total))
    came_later = len(values) < rows
    return known(own) + [0.0] * (wanted - len(own) if came_later else 0)


def suspects(
    history: History, victim: str, signs: Signs, risen: Mapping[str, Rise], thresholds: Thresholds
) -> list[Suspect]:
    """Every suspect of what the victim shows."""
    need, harm = thresholds.suspicion, thresholds.harm
    others = {name: rise for name, rise in risen.items() if name != victim and not rise.lost > _FELLOW_LOSS}
    all_rises = sum(rise.bytes_a_second for rise in others.values())
    block_traffic = sum(rise.traffic for rise in risen.values())
    before = max(sum(rise.usual.median for rise in risen.values()), 1.0)
    if signs.resource is Resource.MEMORY_BANDWIDTH and not _is_crowd(victim, risen, harm):
        return []
    return [
        Suspect(name, rise.bytes_a_second / all_rises, rise.bytes_a_second / before, rise)
        for name, rise in others.items()
        if rise.is_clear
        and rise.bytes_a_second >= need.rise * rise.usual.median
        and rise.traffic >= (1 + need.rise) * _long_usual(history, name, signs.spans)
        and rise.traffic >= need.block_share * block_traffic
        and rise.bytes_a_second >= need.share * all_rises
        and (name == OTHERS or signs.resource is not Resource.CACHE or rise.gained >= need.gained * signs.lost_bytes)
        and _moves_together(history, victim, name, signs, need.correlation)
    ]


def _long_usual(history: History, name: str, spans: Spans) -> float:
    """The median of all its remembered traffic before what is judged; 0 for windows before it came.

    A VM that pauses now and then begins nothing new when it goes on.
    """
    return median(_tail(history.series[name].traffic, len(history.total))[: -spans.now])


def _is_crowd(victim: str, risen: Mapping[str, Rise], harm: Harm) -> bool:
    """Whether much more traffic is wanted than before, and not only the victim waits for it.

    Full memory slows down all who use it. A VM that slows down alone has a reason of its own, such as a busy sibling
    of its hyperthreads.
    """
    before = sum(rise.usual.median for rise in risen.values())
    more = sum(rise.bytes_a_second for rise in risen.values())
    fellows = [
        rise.slowed
        for name, rise in risen.items()
        if name != victim and rise.slowed is not None and not rise.is_clear
    ]
    return more >= harm.block_traffic * before and sum(fellows) >= harm.fellows * len(fellows)


def _moves_together(history: History, victim: str, name: str, signs: Signs, least: float) -> bool:
    """Whether the suspect's traffic goes with what the victim lost."""
    spans, series = signs.spans, history.series[victim]
    length = min(spans.skip + spans.length // 2, len(series.traffic))
    traffic = _tail(history.series[name].traffic, length)
    if signs.resource is Resource.MEMORY_BANDWIDTH:
        return spearman(traffic, series.cost[-length:]) >= least
    misses = series.misses if signs.usual_cost else series.cpu_misses
    return -spearman(traffic, series.occupancy[-length:]) >= least and spearman(traffic, misses[-length:]) >= least


def _tail(values: Sequence[float], length: int) -> list[float]:
    """The last values; 0 for windows before the series began."""
    last = values[-length:]
    return [0.0] * (length - len(last)) + [*last]
