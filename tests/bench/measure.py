"""What a bench is made of."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

_CPUCLOCK_SCHED = 2  # linux/posix-timers_types.h


class Figure(NamedTuple):
    """One result; the name begins with that of its bench."""

    name: str
    value: float
    unit: str

    def __str__(self) -> str:
        return f"figure {self.name} {self.value:.4g} {self.unit}"


class Bench(NamedTuple):
    """One bench.

    Attributes:
        name: as in `python -m tests.bench NAME`.
        about: what its figures are ratios of.
        run: gives the figures; sizes are divided by the argument, for a quick try.
    """

    name: str
    about: str
    run: Callable[[int], Iterator[Figure]]


class CannotRunError(Exception):
    """The machine lacks something that a bench needs."""


def seconds_of(*actions: Callable[[], object], rounds: int) -> list[float]:
    """Median wall time of each action; they take turns, so that a busy machine slows all alike."""
    times: list[list[float]] = [[] for _ in actions]
    for _ in range(rounds):
        for action, taken in zip(actions, times, strict=True):
            began = time.perf_counter()
            action()
            taken.append(time.perf_counter() - began)
    return [median(taken) for taken in times]


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used, user and system, all its threads, to the microsecond.

    Its CPU clock has this number: glibc, clock_getcpuclockid(3). /proc/PID/stat counts in hundredths of seconds.
    """
    return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)


def peak_rss_mib(pid: int) -> float:
    """Resident memory of a process at its most so far, in MiB, shared pages of files included."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that is not below this share of all values."""
    return sorted(values)[math.ceil(share * len(values)) - 1]
