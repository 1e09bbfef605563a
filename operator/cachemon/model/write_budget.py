"""How often each status may be written when a node's budget of writes is short. Pure.

Max-min fairness, also called water filling: who asks for no more than an equal share gets all of it, and what they
leave is shared equally by the others. So the greediest namespace is slowed down first and most, and no namespace can
slow down another one that stays within its share, however many groups it has.
"""

import math
from collections.abc import Mapping
from typing import TypeVar

__all__ = ["LONGEST_PERIOD_SECONDS", "stretched_period", "stretches"]

LONGEST_PERIOD_SECONDS = 86_400
"""Maximum of `status.statusPeriodSeconds` in the schema: an agent can't ask to be believed for longer."""

_EXACT_BELOW_SECONDS = 10
_ROUNDING = 1e-9

K = TypeVar("K")


def stretches(demands: Mapping[K, float], budget: float) -> dict[K, float]:
    """By how much the periods of each namespace are multiplied.

    Args:
        demands: what each namespace would use of the budget if nothing were stretched; 0 or more.
        budget: what there is, in the same unit; above 0.

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

    Rounded up, and to two digits: the operator need not write a new message whenever one group more comes.
    """
    if factor <= 1:
        return period_seconds
    seconds = math.ceil(period_seconds * factor - _ROUNDING)
    step = 1
    while seconds > _EXACT_BELOW_SECONDS * 10 * step:
        step *= 10
    return max(period_seconds, min(LONGEST_PERIOD_SECONDS, math.ceil(seconds / step) * step))
