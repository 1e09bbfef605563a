"""What a victim shows: less cache, more misses, more cycles for the same work. Pure."""

from dataclasses import dataclass
from math import ceil

from cachemon.interference.history import History, VmSeries
from cachemon.interference.spans import FEWEST, Spans
from cachemon.interference.thresholds import Gates, Harm
from cachemon.interference.usual import Reference, known, median
from cachemon.interference.verdicts import Judgement, Resource


@dataclass(frozen=True, slots=True)
class Block:
    """What is known of a cache block: its capacity in bytes, and its bandwidth limit in bytes a second."""

    capacity: float
    limit: float | None


@dataclass(frozen=True, slots=True)
class Signs:
    """How a VM differs from its reference.

    Attributes:
        spans: the windows that were compared.
        resource: what the signs point at.
        usual_misses: reference of its traffic for each uop, or for each CPU second without a source of work.
        usual_cost: reference of its cycles for each uop; None without a source of work.
        lost_bytes: cache that it lost; below 0 when it gained.
        lost: the same as a ratio of what it had.
        misses: ratio by which its misses rose.
        slowdown: ratio by which its cost rose; None without a source of work.
    """

    spans: Spans
    resource: Resource
    usual_misses: Reference
    usual_cost: Reference | None
    lost_bytes: float
    lost: float
    misses: float
    slowdown: float | None


def judgement(series: VmSeries, spans: Spans, gates: Gates) -> Judgement:
    """Whether a VM can be judged now: UNDISTURBED when it can, else the reason."""
    if len(series.busy) < spans.skip + FEWEST:
        return Judgement.TOO_YOUNG
    newest = (series.occupancy, series.traffic, series.busy, series.delay)
    if any(len(known(values[-spans.now :])) < spans.now for values in newest):
        return Judgement.GAP
    if median(series.busy[-spans.now :]) < gates.busy:
        return Judgement.IDLE
    usual = spans.usual(series.busy)
    if usual is None or usual.median < gates.busy:
        return Judgement.NO_REFERENCE
    if median(series.delay[-spans.now :]) > gates.delay:
        return Judgement.CPU_CONTENTION
    return Judgement.UNDISTURBED


def signs_of(series: VmSeries, history: History, spans: Spans, block: Block, harm: Harm) -> Signs | None:
    """The signs of harm of a VM that can be judged; None when there are none."""
    cost, cost_now = _cost(series, spans)
    if cost and not (cost.rise(cost_now) >= harm.slowdown and cost.is_above(cost_now, harm.mads)):
        return None
    of_misses = series.misses if cost else series.cpu_misses
    usual_misses, usual_held = spans.usual(of_misses), spans.usual(series.occupancy)
    if usual_misses is None or usual_held is None:
        return None
    misses, held = median(of_misses[-spans.now :]), median(series.occupancy[-spans.now :])
    lost_bytes, lost, more = usual_held.median - held, -usual_held.rise(held), usual_misses.rise(misses)
    if (
        lost >= harm.cache_lost
        and lost_bytes >= harm.capacity_lost * block.capacity
        and usual_held.is_below(held, harm.mads)
        and more >= harm.misses
        and usual_misses.is_above(misses, harm.mads)
    ):
        resource = Resource.CACHE
    elif cost and -harm.fewer_misses <= more <= harm.steady_misses and _is_crowded(history, spans, block, harm):
        resource = Resource.MEMORY_BANDWIDTH
    else:
        return None
    slowdown = cost.rise(cost_now) if cost else None
    return Signs(spans, resource, usual_misses, cost, lost_bytes, lost, more, slowdown)


def _cost(series: VmSeries, spans: Spans) -> tuple[Reference | None, float]:
    """What work cost before and costs now; None when too few windows of one of both are known."""
    now = known(series.cost[-spans.now :])
    return (spans.usual(series.cost) if len(now) >= ceil(spans.now / 2) else None), median(now)


def _is_crowded(history: History, spans: Spans, block: Block, harm: Harm) -> bool:
    """Whether much more traffic is wanted than before, and it takes much of what the memory carries.

    Where nobody knows the limit, the highest traffic so far stands for it: the limit is not below that.
    """
    usual, now = spans.usual(history.total), median(history.total[-spans.now :])
    return usual is not None and now >= usual.median and now >= harm.limit * (block.limit or history.highest)
