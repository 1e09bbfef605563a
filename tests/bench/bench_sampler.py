"""Reading all counters: against a C loop, against goresctrl, in operations, and kept descriptors against opening."""

import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import count, repeat
from pathlib import Path
from statistics import median

from cachemon.agent.targets import BoundLayout
from cachemon.engine.figures import Figures
from cachemon.engine.sampler import Sampler
from cachemon.model.readings import parse_reading
from cachemon.model.telemetry import parse_telemetry
from cachemon.resctrl.mon_data import CounterReader
from cachemon.resctrl.tree_reader import package_directory
from cachemon.resctrl.tree_writer import ResctrlTree
from lab.emulator import Emulator
from tests.bench import built
from tests.bench.measure import Bench, CannotRunError, Figure, seconds_of
from tests.bench.sampled import BEGIN, END
from tests.bench.trees import EVENTS, TELEMETRY, Size, fill, layout_of, mon_groups, plain_tree

SMALL, LARGE = Size(100, 2), Size(300, 8)
VALUES_PER_ROUND = 60_000
ROUNDS = 21
TIMES_UNDER_STRACE = 3
SPARE_DESCRIPTORS = 100
MOVED_BYTES = 1_000_003
LARGEST_CACHE_BYTES = 64 << 20
NO_FILE_OPERATION = frozenset({"mmap", "munmap", "mremap", "madvise", "brk", "futex", "clock_gettime", "sched_yield"})


class Goresctrl:
    """The program of `goresctrl/`, that collects on request."""

    def __init__(self, root: Path) -> None:
        self._process = subprocess.Popen(
            [built.goresctrl()], cwd=root.parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def nanoseconds_per_value(self, times: int) -> float:
        """CPU time of `times` scrapes, without the text page."""
        if self._process.stdin is None or self._process.stdout is None:
            raise ValueError("the process was started without pipes")
        print(times, file=self._process.stdin, flush=True)
        spent, values = map(int, self._process.stdout.readline().split())
        return spent / values

    def stop(self) -> None:
        """End it."""
        self._process.communicate()


def per_value(action: Callable[[], object], values: int) -> Callable[[int], float]:
    """How to measure the CPU time that some runs of an action take, in nanoseconds per value."""

    def measure(times: int) -> float:
        began = time.process_time_ns()
        for _ in range(times):
            action()
        return (time.process_time_ns() - began) / (times * values)

    return measure


def cpu_figures(size: Size, rounds: int, times: int) -> Iterator[Figure]:
    """CPU time per value on plain files in memory: the same files for all, and the same descriptors for C."""
    suffix = suffix_of(size)
    with ExitStack() as stack:
        root = stack.enter_context(plain_tree(size))
        now = [0.0]
        reader = CounterReader(clock=lambda: now[0])
        sampler, layout = Sampler(ResctrlTree(root), 10, reader=reader), layout_of(size)
        stack.callback(sampler.close)
        sampler.sample(layout)
        descriptors = reader._descriptors
        if len(descriptors) != values_of(size):
            raise AssertionError("the sampler does not hold what is to be read")
        sample = partial(sample_a_second_later, sampler, layout, now)
        measures = {
            "": per_value(sample, len(descriptors)),
            "every_figure": per_value(lambda: derive_all(sample()), len(descriptors)),
            "floor": per_value(lambda: list(preads(descriptors)), len(descriptors)),
            "parsed_floor": per_value(lambda: list(map(int, preads(descriptors))), len(descriptors)),
        }
        try:
            measures["c"] = per_value(built.c_loop(descriptors), len(descriptors))
        except built.NotBuiltError as error:
            print(f"bench sampler: no figures against C: {error}", file=sys.stderr)
        try:
            goresctrl = Goresctrl(root)
            stack.callback(goresctrl.stop)
            measures["goresctrl"] = goresctrl.nanoseconds_per_value
        except built.NotBuiltError as error:
            print(f"bench sampler: no figures against goresctrl: {error}", file=sys.stderr)
        more = count(MOVED_BYTES, MOVED_BYTES)
        cold = cold_ratio(measures[""], measures["c"], rounds) if "c" in measures else None
        spent = interleaved(measures, rounds, times, between=lambda: fill(root, size, next(more)))
    if cold is not None:
        yield Figure(f"sampler.cpu_vs_c{suffix}", spent[""] / spent["c"], "ratio")
        yield Figure(f"sampler.cold_cpu_vs_c{suffix}", cold, "ratio")
        yield Figure(f"sampler.python_floor_vs_c{suffix}", spent["floor"] / spent["c"], "ratio")
        yield Figure(f"sampler.python_parsed_floor_vs_c{suffix}", spent["parsed_floor"] / spent["c"], "ratio")
        yield Figure(f"sampler.every_figure_vs_c{suffix}", spent["every_figure"] / spent["c"], "ratio")
    if "goresctrl" in spent:
        yield Figure(f"sampler.cpu_vs_goresctrl{suffix}", spent[""] / spent["goresctrl"], "ratio")


def telemetry_figure(size: Size, rounds: int, times: int) -> Figure:
    """CPU time per value of a sample with telemetry of CPU packages / of one without, from the same tree."""
    without = size._replace(packages=0)
    with ExitStack() as stack:
        root = stack.enter_context(plain_tree(size))
        now = [0.0]
        measures = {}
        for name, part in (("with", size), ("without", without)):
            clock = partial(now.__getitem__, 0)
            of_packages = CounterReader(clock=clock, directory_of=package_directory, parse=parse_telemetry)
            sampler = Sampler(ResctrlTree(root), 10, reader=CounterReader(clock=clock), package_reader=of_packages)
            stack.callback(sampler.close)
            values = values_of(part) + part.groups * part.packages * len(TELEMETRY)
            measures[name] = per_value(partial(sample_a_second_later, sampler, layout_of(part), now), values)
        more = count(MOVED_BYTES, MOVED_BYTES)
        spent = interleaved(measures, rounds, times, between=lambda: fill(root, size, next(more)))
    return Figure("sampler.telemetry_vs_without", spent["with"] / spent["without"], "ratio")


def sample_a_second_later(sampler: Sampler, layout: BoundLayout, now: list[float]) -> Figures:
    """As many samples are kept for the rates as by an agent."""
    now[0] += 1
    return sampler.sample(layout)


def preads(descriptors: Sequence[int]) -> Iterator[bytes]:
    """The cheapest that Python has: no step of the interpreter for a value."""
    return map(os.pread, descriptors, repeat(24), repeat(0))


def values_of(size: Size) -> int:
    """Of all mon_groups, and the occupancy of the default group."""
    return size.groups * size.blocks * len(EVENTS) + size.blocks


def suffix_of(size: Size) -> str:
    """The small size is the one that figures are of when they don't say."""
    return "" if size.blocks == SMALL.blocks else f".{LARGE}"


def derive_all(figures: Figures) -> None:
    """Ask for every figure of every group, as no scrape and no status does every time."""
    for mapping in (figures.groups, figures.objects, figures.rates):
        list(mapping.values())


def interleaved(
    measures: dict[str, Callable[[int], float]], rounds: int, times: int, between: Callable[[], object]
) -> dict[str, float]:
    """Medians; they take turns, so that a busy machine slows all alike.

    Each runs as often before it is measured: else the one that comes after another program would find the CPU's
    caches full of that, and the one that comes after another reader of the same files would not. And each is as
    often the first: files that have just been written are slower to read for a while.
    """
    taken: dict[str, list[float]] = {name: [] for name in measures}
    turn = deque(measures.items())
    for _ in range(rounds):
        between()
        for name, measure in turn:
            measure(times)
            taken[name].append(measure(times))
        turn.rotate()
    return {name: median(spent) for name, spent in taken.items()}


def cold_ratio(sampler: Callable[[int], float], other: Callable[[int], float], rounds: int) -> float:
    """What one sample takes / one run of the other, each with the CPU's caches full of something else.

    An agent that has slept for a second finds them so.
    """
    memory = bytes(LARGEST_CACHE_BYTES)
    taken: list[tuple[float, float]] = []
    for _ in range(rounds):
        spent = []
        for measure in (sampler, other):
            memory.count(1)
            spent.append(measure(1))
        taken.append((spent[0], spent[1]))
    ours, theirs = zip(*taken, strict=True)
    return float(median(ours) / median(theirs))


def operations(root: Path, size: Size) -> Iterator[Figure]:
    """System calls on files that a sample makes, as strace sees them, for each value that there is to read."""
    if (strace := shutil.which("strace")) is None:
        print("bench sampler: no figure of operations: no strace on PATH", file=sys.stderr)
        return
    log = root.parent / "strace.log"
    arguments = [str(root), str(size.groups), str(size.blocks), str(TIMES_UNDER_STRACE)]
    done = subprocess.run(
        [strace, "-f", "-qq", "-o", str(log), sys.executable, "-m", "tests.bench.sampled", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = log.read_text(errors="replace") if log.exists() else ""
    if done.returncode != 0 or BEGIN not in lines or END not in lines:
        print(f"bench sampler: no figure of operations: strace: {done.stderr.strip()[-300:]}", file=sys.stderr)
        return
    between = lines.partition(BEGIN)[2].partition(END)[0].splitlines()[1:-1]
    calls = [match[1] for line in between if (match := re.match(r"\d+\s+(\w+)\(", line))]
    number = sum(call not in NO_FILE_OPERATION for call in calls)
    yield Figure(f"sampler.ops_per_value{suffix_of(size)}", number / (TIMES_UNDER_STRACE * values_of(size)), "ratio")


def kept_against_reopened(root: Path, size: Size, rounds: int) -> Figure:
    """Wall time on the mounted emulator."""
    directories = mon_groups(root, size)
    reader = CounterReader()
    reader.keep(dict.fromkeys(directories, EVENTS), range(size.blocks))
    paths = [
        directory / f"mon_data/mon_L3_{block:02d}" / event
        for directory in directories
        for block in range(size.blocks)
        for event in EVENTS
    ]

    def open_each() -> int:
        return sum(parse_reading(path.read_bytes()) is not None for path in paths)

    kept, opened = seconds_of(reader.read, open_each, rounds=rounds)
    reader.close()
    return Figure("sampler.kept_vs_reopened", kept / opened, "ratio")


def run(divisor: int) -> Iterator[Figure]:
    """100 groups x 2 cache blocks x 3 events, and 300 x 8 x 3."""
    if os.geteuid() != 0 or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        raise CannotRunError("mounting the emulator needs root and /dev/fuse")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    small, large = (Size(max(1, size.groups // divisor), size.blocks) for size in (SMALL, LARGE))
    if hard < values_of(large) + SPARE_DESCRIPTORS:
        raise CannotRunError(f"it takes more open files than the {hard} that are allowed here (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        for size in (small, large):
            times = max(1, VALUES_PER_ROUND // divisor // values_of(size))
            yield from cpu_figures(size, max(2, ROUNDS // divisor), times)
        yield telemetry_figure(small._replace(packages=2), max(2, ROUNDS // divisor), max(1, times))
        yield from on_the_emulator(small, max(2, ROUNDS // divisor))
        with plain_tree(large) as root:
            yield from operations(root, large)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def on_the_emulator(size: Size, rounds: int) -> Iterator[Figure]:
    """What needs a file system that acts."""
    blocks = dict.fromkeys(range(size.blocks), 32 << 20)
    with (
        tempfile.TemporaryDirectory(prefix="cachemon-bench-") as place,
        Emulator(Path(place), blocks=blocks, rmids=size.groups + 1) as emulator,
    ):
        for directory in mon_groups(emulator.mountpoint, size):
            directory.mkdir()
        emulator.control.freeze()
        yield kept_against_reopened(emulator.mountpoint, size, rounds)
        yield from operations(emulator.mountpoint, size)


BENCH = Bench(
    "sampler",
    "CPU time per value of one sample of 100 groups x 2 cache blocks x 3 events (and 300 x 8 x 3), plain files in "
    "memory: parsed, counted, and worked out what each counter moved in the rate window / a C loop that only preads "
    "the same descriptors, each as often before it is measured; the same with the CPU's caches full of other things, "
    "as an agent that slept finds them; the cheapest preads that Python has / C, also with int() of each; with every "
    "figure of every group asked for / C; ours / goresctrl's collector; with telemetry of 2 CPU packages / without. "
    "System calls on files / values. Wall time on the mounted emulator: by kept descriptors / opening, reading and "
    "closing each file",
    run,
)
