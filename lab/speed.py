"""How slow this machine is now, against an idle one of two usual processors.

Tests take no speed for granted: they stretch what they wait (`lab.wait`) and the periods that they ask for by this.
The first process of a tree measures and leaves the result in an environment variable, so that pytest's workers and
the programs of the lab begin with the same figure. Each measures again when the figure has grown old.
"""

import math
import os
import time
from collections.abc import Callable, MutableMapping

__all__ = ["MOST", "measure", "patience", "period", "slowness"]

VARIABLE = "CACHEMON_LAB_SLOWNESS"
"""Of the environment: `FACTOR@SECONDS`, the second by the monotonic clock, which all processes share."""

MOST = 12.0
"""A machine that is slower than this is treated as one that is just this slow, so that what hangs ends."""

LONGEST_PERIOD_SECONDS = 20
"""Tests that look at several periods take too long otherwise."""

_OLD_SECONDS = 60.0
_NOISE = 0.2  # of a measurement on an idle machine, rounded up otherwise

_ROUNDS = 4
_LOOPS = 160_000
_WORK_SECONDS = 0.0096
"""What one round of work takes on an idle machine (Python 3.11, 3 GHz)."""
_NAPS = 10
_NAP_SECONDS = 0.001
_NAP_TAKES_SECONDS = 0.0012
"""What a nap takes on an idle machine: the timer's slack and the way back to the processor."""


def slowness(environment: MutableMapping[str, str] = os.environ) -> float:
    """1 on an idle machine of the usual speed or a faster one, 5 where everything takes five times as long.

    Measures where nobody in this process tree has done so for a minute.
    """
    factor, _, at = environment.get(VARIABLE, "").partition("@")
    if at and 0 <= time.monotonic() - float(at) < _OLD_SECONDS:
        return float(factor)
    return measure(environment)


def measure(environment: MutableMapping[str, str] = os.environ) -> float:
    """The same, measured now. Takes 0.05 s on an idle machine."""
    factor = round(measured(_work, _nap, load=os.getloadavg()[0] / (os.cpu_count() or 1)), 2)
    environment[VARIABLE] = f"{factor}@{time.monotonic()}"
    return factor


def measured(
    work: Callable[[], None],
    nap: Callable[[], None],
    clock: Callable[[], float] = time.monotonic,
    *,
    load: float = 0.0,
) -> float:
    """The worst of three ratios to an idle machine.

    For who computes now, for who is woken again and again now, and for both in the last minute: load comes and goes,
    and what is measured in a moment may miss it.

    Args:
        work: a fixed piece of computing.
        nap: a short sleep.
        clock: of time that goes by.
        load: the mean number of those that want a processor, for each that there is.
    """
    began = clock()
    for _ in range(_ROUNDS):
        work()
    worked = clock()
    for _ in range(_NAPS):
        nap()
    napped = clock()
    computing = (worked - began) / (_ROUNDS * _WORK_SECONDS)
    waking = (napped - worked) / (_NAPS * _NAP_TAKES_SECONDS)
    return min(max(computing, waking, load, 1.0), MOST)


def patience(seconds: float) -> float:
    """How long to wait here and now for what takes less than `seconds` on an idle machine."""
    return seconds * slowness()


def period(seconds: int) -> int:
    """A period for a test in which nothing may be late, though `seconds` would do on an idle machine.

    Measures, since a period can't be made longer once it runs. It grows half as fast as the machine gets slower:
    programs sleep most of a period, and three of them are then still several times as long as the machine's pauses.
    """
    return max(seconds, min(LONGEST_PERIOD_SECONDS, math.ceil(seconds * (1 + measure()) / 2 - _NOISE)))


def _work() -> None:
    value = 0
    for number in range(_LOOPS):
        value = (value * 1_103_515_245 + number) & 0xFFFF_FFFF


def _nap() -> None:
    time.sleep(_NAP_SECONDS)
