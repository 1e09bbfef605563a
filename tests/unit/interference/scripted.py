"""Windows of a block as a script of phases: in each, every VM behaves in one way, with a little noise."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from cachemon.interference.detector import Detector
from cachemon.interference.verdicts import Change
from cachemon.interference.windows import VmWindow, Window

MIB = 1 << 20
CAPACITY = 32 * MIB
UOPS_PER_CPU_SECOND = 3e9


@dataclass(frozen=True)
class Behaviour:
    """Of one VM: MiB of cache, MB/s of traffic for each CPU second, cycles for each uop, CPUs in use, delay share."""

    held: float = 6.0
    traffic: float = 200.0
    cost: float = 1.0
    busy: float = 1.0
    delay: float = 0.01


DB = Behaviour(held=10.0)
WEB = Behaviour(held=3.0, traffic=100.0)
QUIET = Behaviour(held=1.0, traffic=5.0, busy=0.3)
STREAM = Behaviour(held=14.0, traffic=2500.0, busy=2.0)
CALM: Mapping[str, Behaviour] = {"a/db": DB, "b/web": WEB, "c/batch": QUIET}
HURT: Mapping[str, Behaviour] = {
    "a/db": replace(DB, held=4.0, traffic=300.0, cost=1.4),
    "b/web": WEB,
    "c/batch": STREAM,
}
"""c/batch streams, and a/db loses cache and becomes slow."""

Phase = tuple[Mapping[str, Behaviour], int]


def played(
    phases: Sequence[Phase],
    *,
    seconds: float = 10.0,
    has_work: bool = True,
    limit: float | None = None,
    others: float | None = None,
    noise: float = 0.01,
) -> Iterator[Window]:
    """The windows of phases, each with its number of windows; `others` is MB/s of traffic that nobody watches."""
    random = Random(7)
    time = 1000.0
    for vms, windows in phases:
        for _ in range(windows):
            time += seconds
            yield Window(
                time,
                0,
                CAPACITY,
                limit,
                tuple(
                    _entry(name, vm, seconds, lambda: random.gauss(1, noise), has_work=has_work)
                    for name, vm in vms.items()
                ),
                None if others is None else others * 1e6 * seconds,
            )


def _entry(name: str, vm: Behaviour, seconds: float, noise: Callable[[], float], *, has_work: bool) -> VmWindow:
    cpu = vm.busy * seconds
    uops = cpu * UOPS_PER_CPU_SECOND / vm.cost
    return VmWindow(
        name,
        vm.held * MIB * noise(),
        vm.traffic * 1e6 * cpu * noise(),
        cpu,
        cpu * vm.delay / (1 - vm.delay),
        cpu * UOPS_PER_CPU_SECOND * noise() if has_work else None,
        uops if has_work else None,
    )


def changes_of(windows: Iterator[Window], detector: Detector | None = None) -> list[Change]:
    """What a detector says of all windows."""
    detector = detector or Detector()
    return [change for window in windows for change in detector.observe(window)]


def steps_of(changes: Sequence[Change]) -> list[tuple[str, str, str]]:
    """Victim, suspect and step of each change."""
    return [(change.verdict.victim, change.verdict.suspect, str(change.step)) for change in changes]
