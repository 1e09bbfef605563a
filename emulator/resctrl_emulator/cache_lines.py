"""How the lines of a cache are shared out among those who bring lines in. Pure.

New lines go:

1. to free lines, then to those of dead RMIDs (unused, so the oldest),
2. and once the cache is full, to all lines in proportion to who holds how many (random replacement).

So the sum never exceeds the capacity.
"""

import math
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import NamedTuple, TypeVar

LINE_BYTES = 64
"""Size of a cache line; also the usual upscale factor (CPUID 0xF.1 EBX), the unit of all values."""


class Pool(NamedTuple):
    """Lines that are evicted alike.

    Attributes:
        rmid: the RMID that brought them in.
        tid: the thread whose hot set they are; 0 for all other lines.
    """

    rmid: int
    tid: int = 0


Key = TypeVar("Key", int, Pool)


def share_out(total: int, weights: Mapping[Key, float]) -> dict[Key, int]:
    """Split `total` in proportion to weights, exactly: the parts are integers and sum up to it.

    The largest remainders get what rounding left over, so a larger weight never gets less.
    """
    whole = math.fsum(weights.values())
    if total == 0 or whole <= 0:
        return dict.fromkeys(weights, 0)
    exact = {key: total * (weight / whole) for key, weight in weights.items()}
    parts = {key: math.floor(value) for key, value in exact.items()}
    left = total - sum(parts.values())
    by_remainder = sorted(exact, key=lambda key: (parts[key] - exact[key], key))
    for key in by_remainder[: max(left, 0)]:
        parts[key] += 1
    # Floats may put the floors a few lines over the total: take them from the largest.
    for key in sorted(parts, key=lambda key: -parts[key])[: max(-left, 0)]:
        parts[key] -= 1
    return parts


def fill(
    held: Mapping[Key, int], new: Mapping[Key, int], capacity: int, dead: AbstractSet[Key] = frozenset()
) -> dict[Key, int]:
    """Lines held by each RMID or pool after new ones came in, in any order.

    Args:
        held: lines per RMID or pool; their sum is at most `capacity`.
        new: lines that each brings in.
        capacity: lines of the cache.
        dead: those of RMIDs without a group; their lines go first.

    Returns:
        Lines of each; their sum is the old sum plus the new lines, or `capacity` if that is less.
    """
    result = {key: held.get(key, 0) for key in held.keys() | new.keys()}
    coming = sum(new.values())
    free = capacity - sum(result.values())
    old = {key: lines for key, lines in result.items() if key in dead}
    landing = min(coming, free + sum(old.values()))
    for key, lines in share_out(max(landing - free, 0), old).items():
        result[key] -= lines
    for key, lines in share_out(landing, new).items():
        result[key] += lines
    rest = coming - landing
    if rest == 0:
        return result
    # Each new line hits any line with the same chance: what was there survives all of them with (1-1/C)^rest.
    stays = math.exp(-rest / capacity)
    goal = {key: lines * stays + (1 - stays) * capacity * new.get(key, 0) / coming for key, lines in result.items()}
    return share_out(capacity, goal)
