"""Whether a program takes more and more of something: memory, descriptors, threads."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tests.bench.measure import percentile

LEAST_SAMPLES = 60
"""Of one process; fewer say nothing."""
_FLOOR = 0.25
"""A part's usual low: what is held for a moment only, such as a connection, does not count."""
_PARTS = 4


class Usage(NamedTuple):
    """What a process has at one moment.

    Attributes:
        memory_mib: resident.
        descriptors: without one for each counter of a mon_group that there is: these are its work.
        threads: of it.
    """

    memory_mib: float
    descriptors: float
    threads: float


BOUNDS = Usage(memory_mib=6.0, descriptors=6.0, threads=3.0)
"""A process that lives on without more work grows by less."""


class Growth(NamedTuple):
    """The usual low of a process early and late in its life."""

    program: str
    early: Usage
    late: Usage

    def excess(self, bounds: Usage) -> list[str]:
        """What grew by more than the bounds allow, in sentences."""
        return [
            f"{self.program} grew from {early:.1f} to {late:.1f} {name}, and may grow by {bound:g}"
            for name, early, late, bound in zip(Usage._fields, self.early, self.late, bounds, strict=True)
            if late - early >= bound
        ]

    def __str__(self) -> str:
        pairs = zip(Usage._fields, self.early, self.late, strict=True)
        return f"{self.program}: " + ", ".join(f"{name} {early:.1f} -> {late:.1f}" for name, early, late in pairs)


def growth(program: str, samples: Sequence[Usage]) -> Growth | None:
    """The second quarter of a life against the last: the first is warming up. None for too few samples."""
    if len(samples) < LEAST_SAMPLES:
        return None
    quarter = len(samples) // _PARTS
    return Growth(program, _low(samples[quarter : 2 * quarter]), _low(samples[-quarter:]))


def _low(samples: Sequence[Usage]) -> Usage:
    return Usage(*(percentile(values, _FLOOR) for values in zip(*samples, strict=True)))


def read_usage(pid: int, proc: Path = Path("/proc")) -> Usage | None:
    """What a process has now; None when it has ended."""
    try:
        lines = (proc / str(pid) / "status").read_text().splitlines()
        targets = [*_targets(proc / str(pid) / "fd")]
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = dict(line.split(":", 1) for line in lines)
    if "VmRSS" not in fields:  # it is about to end
        return None
    counters = {target for target in targets if "/mon_data/" in target and Path(target).exists()}
    return Usage(int(fields["VmRSS"].split()[0]) / 1024, len(targets) - len(counters), int(fields["Threads"]))


def _targets(descriptors: Path) -> Iterator[str]:
    for descriptor in descriptors.iterdir():
        with suppress(FileNotFoundError):  # it was closed meanwhile
            yield str(descriptor.readlink())


class Program(NamedTuple):
    """A program to watch: how to find its PID, None while it does not run; and the bounds of its growth."""

    pid: Callable[[], int | None]
    bounds: Usage = BOUNDS


class UsageWatch:
    """Samples programs that may be ended and started anew. A process that ends is forgotten.

    Args:
        programs: by name.
        read: reads the usage of a process.
    """

    def __init__(self, programs: Mapping[str, Program], read: Callable[[int], Usage | None] = read_usage) -> None:
        self._programs, self._read = programs, read
        self._lives: dict[str, tuple[int | None, list[Usage]]] = {name: (None, []) for name in programs}
        self._looks = 0

    def sample(self) -> None:
        """Take one sample of each."""
        self._looks += 1
        for name, program in self._programs.items():
            pid = program.pid()
            if pid != self._lives[name][0]:
                self._lives[name] = pid, []
            if pid is not None and (usage := self._read(pid)):
                self._lives[name][1].append(usage)

    def growths(self) -> list[Growth]:
        """Of each program whose process has lived long enough."""
        found = (growth(name, samples) for name, (_, samples) in self._lives.items())
        return [each for each in found if each is not None]

    def problems(self) -> list[str]:
        """What grew by too much; also that nothing could be judged, after many samples."""
        growths = self.growths()
        if not growths and self._looks >= _PARTS * LEAST_SAMPLES:
            return [f"no program has lived for {LEAST_SAMPLES} samples, so that none was judged"]
        return [problem for each in growths for problem in each.excess(self._programs[each.program].bounds)]

    def summary(self) -> list[str]:
        """A line for each program."""
        lines = {each.program: str(each) for each in self.growths()}
        return [lines.get(name, f"{name}: not judged, its process has lived too shortly") for name in self._programs]
