"""How slow this machine is now, compared with an idle one of two usual processors.

Tests assume no speed: they multiply time limits (`lab.wait`) and periods by this factor. The first process of a tree
measures it and leaves it in an environment variable, so that pytest's workers and the programs of the lab begin with
the same figure. Each process measures again when the figure is old.
"""

import math
import os
import time
from collections.abc import Callable, MutableMapping

VARIABLE = "CACHEMON_LAB_SLOWNESS"
"""Environment variable: `FACTOR@SECONDS`, with the monotonic clock, which all processes share."""

MOST = 12.0
"""The largest factor: even on a slower machine, what hangs ends."""

LONGEST_PERIOD_SECONDS = 20
"""Tests that wait for several periods take too long otherwise."""

_OLD_SECONDS = 60.0
_NOISE = 0.2  # of a measurement on an idle machine; without it, `period` would round it up

_ROUNDS = 4
_LOOPS = 160_000
_WORK_SECONDS = 0.0096
"""Time of one round of work on an idle machine (Python 3.11, 3 GHz)."""
_PAUSES = 10
_PAUSE_SECONDS = 0.001
_PAUSE_TAKES_SECONDS = 0.0012
"""Time of a pause on an idle machine: with the timer's slack and the way back to the processor."""


def slowness(environment: MutableMapping[str, str] = os.environ) -> float:
    """1 on an idle machine of the usual speed or a faster one, 5 if everything takes five times as long.

    Measures if no process of this tree has done so for a minute.
    """
    factor, _, at = environment.get(VARIABLE, "").partition("@")
    if at and 0 <= time.monotonic() - float(at) < _OLD_SECONDS:
        return float(factor)
    return measure(environment)


def measure(environment: MutableMapping[str, str] = os.environ) -> float:
    """Measure the slowness now; this takes 0.05 s on an idle machine."""
    factor = round(measured(_work, _pause, load=os.getloadavg()[0] / (os.cpu_count() or 1)), 2)
    environment[VARIABLE] = f"{factor}@{time.monotonic()}"
    return factor


def measured(
    work: Callable[[], None],
    pause: Callable[[], None],
    clock: Callable[[], float] = time.monotonic,
    *,
    load: float = 0.0,
) -> float:
    """The worst of three ratios to an idle machine.

    They are for computing now, for waking up now, and for both in the last minute: load comes and goes, and a short
    measurement may miss it.

    Args:
        work: a fixed piece of computing.
        pause: a short sleep.
        clock: of time that goes by.
        load: the mean number of runnable threads per processor.
    """
    began = clock()
    for _ in range(_ROUNDS):
        work()
    worked = clock()
    for _ in range(_PAUSES):
        pause()
    paused = clock()
    computing = (worked - began) / (_ROUNDS * _WORK_SECONDS)
    waking = (paused - worked) / (_PAUSES * _PAUSE_TAKES_SECONDS)
    return min(max(computing, waking, load, 1.0), MOST)


def allowance(seconds: float) -> float:
    """How long to wait now for something that takes less than `seconds` on an idle machine."""
    return seconds * slowness()


def period(seconds: int) -> int:
    """A period that this machine can keep; `seconds` on an idle machine.

    It measures now, because a running program's period can't change. The period grows half as fast as the slowness:
    programs sleep most of a period, and three periods are then still several times as long as the machine's pauses.
    """
    return max(seconds, min(LONGEST_PERIOD_SECONDS, math.ceil(seconds * (1 + measure()) / 2 - _NOISE)))


def _work() -> None:
    value = 0
    for number in range(_LOOPS):
        value = (value * 1_103_515_245 + number) & 0xFFFF_FFFF


def _pause() -> None:
    time.sleep(_PAUSE_SECONDS)
