"""Processor time of one action, for limits that say that its cost does not explode."""

import time
from collections.abc import Callable

_TRIES = 3


def least_seconds(action: Callable[[], object]) -> float:
    """The least of three tries: a neighbour on the same core takes its caches, and makes one of them several times
    as slow."""
    return min(_seconds(action) for _ in range(_TRIES))


def _seconds(action: Callable[[], object]) -> float:
    began = time.process_time()
    action()
    return time.process_time() - began
