"""How often each status is written when a node's budget of writes is short. Pure.

Max-min fairness, also called water filling. A namespace that asks for no more than an equal share gets all that it
asks for. The others share the rest equally. So the namespace with the highest demand is slowed down first and most.
None can slow down another one that stays within its share, however many groups it has.
"""

import math
from collections.abc import Mapping
from typing import TypeVar

LONGEST_PERIOD_SECONDS = 86_400
"""Maximum of `status.statusPeriodSeconds` in the schema. It bounds how long figures count as fresh."""

_EXACT_BELOW_SECONDS = 10
_ROUNDING = 1e-9

K = TypeVar("K")


def stretches(demands: Mapping[K, float], budget: float) -> dict[K, float]:
    """The factor for the periods of each namespace.

    Args:
        demands: each namespace's use of the budget if no period were stretched; 0 or more.
        budget: in the same unit; above 0.

    Returns:
        Factors of 1 or more. `demand / factor`, summed over all namespaces, is at most the budget.
    """
    factors: dict[K, float] = {}
    left = budget
    ordered = sorted(demands.items(), key=lambda item: item[1])
    for place, (name, demand) in enumerate(ordered):
        share = left / (len(ordered) - place)
        factors[name] = max(1.0, demand / share)
        left -= min(demand, share)
    return factors


def stretched_period(period_seconds: int, factor: float) -> int:
    """The period in force, in whole seconds.

    Rounded up to two digits, so that one group more does not cause a new message.
    """
    if factor <= 1:
        return period_seconds
    seconds = math.ceil(period_seconds * factor - _ROUNDING)
    step = 1
    while seconds > _EXACT_BELOW_SECONDS * 10 * step:
        step *= 10
    return max(period_seconds, min(LONGEST_PERIOD_SECONDS, math.ceil(seconds / step) * step))
