"""Reading all counters: kept descriptors against opening every file for every value."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cachemon.model.readings import parse_reading
from cachemon.resctrl.counters import CounterReader
from lab.emulator import Emulator
from tests.bench.measure import Bench, CannotRunError, Figure, seconds_of

GROUPS = 100
EVENTS = ("llc_occupancy", "mbm_total_bytes", "mbm_local_bytes")
BLOCKS = (0, 1)


def run(divisor: int) -> Iterator[Figure]:
    """Sample GROUPS groups x 2 cache blocks x 3 events on the mounted emulator."""
    if os.geteuid() != 0 or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        raise CannotRunError("mounting the emulator needs root and /dev/fuse")
    groups = max(1, GROUPS // divisor)
    blocks = dict.fromkeys(BLOCKS, 32 << 20)
    with (
        tempfile.TemporaryDirectory(prefix="cachemon-bench-") as place,
        Emulator(Path(place), blocks=blocks, rmids=groups + 1) as emulator,
    ):
        directories = [emulator.mountpoint / "mon_groups" / f"cachemon-bench-{n}" for n in range(groups)]
        for directory in directories:
            directory.mkdir()
        emulator.control.freeze()
        reader = CounterReader()
        reader.keep(directories, EVENTS)
        paths = [
            directory / f"mon_data/mon_L3_{block:02d}" / event
            for directory in directories
            for block in BLOCKS
            for event in EVENTS
        ]

        def open_each() -> int:
            return sum(parse_reading(path.read_bytes()) is not None for path in paths)

        kept, opened = seconds_of(reader.read, open_each, rounds=max(2, 11 // divisor))
        reader.close()
    yield Figure("sampler.kept_vs_reopened", kept / opened, "ratio")


BENCH = Bench(
    "sampler",
    "wall time of one sample of 100 groups x 2 cache blocks x 3 events on the mounted emulator: by descriptors that "
    "are kept / by opening, reading and closing each file",
    run,
)
