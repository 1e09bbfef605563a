"""All chance of a soak comes from its seed."""

import random


def new_seed() -> int:
    """Any seed."""
    return random.randrange(1 << 32)


def chance_of(seed: int, number: int) -> random.Random:
    """The chance of one action: it does not depend on how much of it earlier ones used, and so on no timing."""
    return random.Random(f"{seed}/{number}")
