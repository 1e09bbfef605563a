"""Compares a VM with itself on another node, and with others of its template: weak hints, never verdicts. Pure.

A detector sees who begins to disturb. It can't see a neighbour that was there before. A VM that works worse here than
before a migration, or than its like on other nodes, may have such a neighbour. It may also have other work, or less
fortunate hardware. So a comparison names nobody, and it never says that a VM is hurt.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import exp, hypot, log

from cachemon.interference.thresholds import Gates
from cachemon.interference.typical import FEWEST_MINUTES, Measure, Typical
from cachemon.interference.usual import median

FEWEST_PEERS = 2
_FEWEST_FOR_WEAK = 3
_LOUDEST = 3.0  # a difference counts when it is this many times the spread of both
_FINEST = 0.01  # a spread counts as this ratio of its median at least: counters have noise of their own
_LEAST = {Measure.CYCLES: log(1.10), Measure.INSTRUCTION_CYCLES: log(1.10), Measure.TRAFFIC: log(1.30)}
_MOST_LOAD = log(1.5)
"""Of two VMs whose CPU use differs by more, nobody knows what the same work would cost."""
_LESS_CACHE = 0.85  # who holds at most this ratio of the other's cache holds less
_SAME_WORK_SECONDS = 24 * 3600.0  # a VM that moved longer ago may do something else now
_SAME_TIME_SECONDS = 3600.0  # load follows the time of day


class Kind(StrEnum):
    """What a VM is compared with."""

    BEFORE_MIGRATION = "BeforeMigration"
    SAME_TEMPLATE = "SameTemplate"


class Strength(StrEnum):
    """How much a comparison says at most."""

    WEAK = "weak"
    VERY_WEAK = "very weak"


@dataclass(frozen=True, slots=True)
class Stay:
    """What was usual for a VM while it ran on one node.

    Attributes:
        node: name of the node.
        vmi_uid: the VM's run; a restarted one has another.
        typical: what was usual.
    """

    node: str
    vmi_uid: str
    typical: Typical


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a VM differs.

    Attributes:
        kind: what it is compared with.
        measure: what is compared.
        ratio: of its measure to the other's; above 1 it does worse, below 1 better.
        low: lower bound of the ratio: by the spreads, or of all peers.
        high: upper bound.
        holds_less: whether it holds clearly less cache than all others; None where it is about as much, or mixed.
        nodes: where the others ran.
        strength: how much this says.
    """

    kind: Kind
    measure: Measure
    ratio: float
    low: float
    high: float
    holds_less: bool | None
    nodes: tuple[str, ...]
    strength: Strength


@dataclass(frozen=True, slots=True)
class _Difference:
    """Logarithm of the ratio of two medians, its spread, and whether it is more than noise and fits the cache."""

    size: float
    spread: float
    counts: bool
    holds_less: bool | None


def before_migration(own: Stay, previous: Stay) -> Comparison | None:
    """Compare a VM with itself on the node before; None when there is nothing to say.

    Args:
        own: on the node where it runs.
        previous: on another node.
    """
    if own.node == previous.node or own.vmi_uid != previous.vmi_uid:
        return None
    found = _difference(own.typical, previous.typical, _SAME_WORK_SECONDS)
    if found is None or not found.counts:
        return None
    return Comparison(
        Kind.BEFORE_MIGRATION,
        own.typical.measure,
        exp(found.size),
        exp(found.size - found.spread),
        exp(found.size + found.spread),
        found.holds_less,
        (previous.node,),
        Strength.WEAK,
    )


def same_template(own: Stay, peers: Sequence[Stay]) -> Comparison | None:
    """Compare a VM with others of its template; None when there is nothing to say.

    Every peer that can be compared has to agree. And the peers have to be alike: the nearest one differs from the VM
    by at least as much as the peers differ from each other.

    Args:
        own: the VM.
        peers: VMs of the same template; those on its own node don't count.
    """
    pairs = [
        (peer.node, found)
        for peer in peers
        if peer.node != own.node and (found := _difference(own.typical, peer.typical, _SAME_TIME_SECONDS))
    ]
    sizes = sorted(found.size for _, found in pairs)
    if len(pairs) < FEWEST_PEERS or not all(found.counts for _, found in pairs):
        return None
    nearest = min(abs(sizes[0]), abs(sizes[-1]))
    if sizes[0] * sizes[-1] < 0 or nearest < sizes[-1] - sizes[0]:
        return None
    holds = {found.holds_less for _, found in pairs}
    return Comparison(
        Kind.SAME_TEMPLATE,
        own.typical.measure,
        exp(median(sizes)),
        exp(sizes[0]),
        exp(sizes[-1]),
        holds.pop() if len(holds) == 1 else None,
        tuple(node for node, _ in pairs),
        Strength.WEAK if len(pairs) >= _FEWEST_FOR_WEAK else Strength.VERY_WEAK,
    )


def _difference(own: Typical, other: Typical, seconds_apart: float) -> _Difference | None:
    """How two differ; None when they can't be compared."""
    if not (_is_usable(own) and _is_usable(other)):
        return None
    if own.measure is not other.measure or own.cpu_model != other.cpu_model:
        return None
    if abs(log(own.cpus / other.cpus)) > _MOST_LOAD or abs(own.until - other.until) > seconds_apart:
        return None
    size = log(own.median / other.median)
    spread = hypot(_spread(own), _spread(other))
    holds_less = _holds_less(own.occupancy_bytes, other.occupancy_bytes)
    counts = abs(size) >= max(_LEAST[own.measure], _LOUDEST * spread)
    if own.measure is Measure.TRAFFIC:  # more traffic alone may be other work: less cache has to go with it
        counts = counts and holds_less is (size > 0)
    return _Difference(size, spread, counts, holds_less)


def _is_usable(typical: Typical) -> bool:
    gates = Gates()
    return (
        typical.minutes >= FEWEST_MINUTES
        and typical.median > 0
        and typical.cpus >= gates.busy
        and typical.delay <= gates.delay
        and bool(typical.cpu_model)
    )


def _spread(typical: Typical) -> float:
    return max(typical.spread / typical.median, _FINEST)


def _holds_less(own: float, other: float) -> bool | None:
    if own <= other * _LESS_CACHE:
        return True if other > 0 else None
    return False if other <= own * _LESS_CACHE else None
