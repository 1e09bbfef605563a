"""A shared cache that programs use at their own pace, each line with the RMID of its program's VM.

It is set-associative and evicts the line of a set that was used longest ago. Lines of a page stand in sets that
follow each other, and pages lie at random, as where a kernel hands out frames. A program runs from one access to the
next, and a miss costs more cycles than a hit. So a program that misses gets less work done in the same time. Memory
is never busy, and nobody waits for a CPU: whatever slows down is the cache. traced_cache.c does the work.
"""

import ctypes
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from zlib import crc32

from lab.traces.recording import Records, build
from tests.interference.machines import LINE_BYTES

WAYS = 16
SETS = 1024
CAPACITY_BYTES = WAYS * SETS * LINE_BYTES
CYCLES_PER_INSTRUCTION = 0.5
HIT_CYCLES = 14
"""What an access costs, with some others under way at the same time."""
WINDOW_CYCLES = 2_000_000
SLICE_CYCLES = 2_000
"""Programs take turns of this length, so that one's lines come between the other's."""
SOURCE = Path(__file__).with_suffix(".c")


@dataclass(frozen=True, slots=True)
class Guest:
    """A VM in a run. Each of its vCPUs runs the same program in a process of its own.

    Attributes:
        program: its name.
        begin: place in its trace, from 0 to 1. The trace begins again at its end.
        arrives: window in which it begins to run.
        leaves: window in which it no longer runs.
        vcpus: each begins at another place of the trace.
    """

    program: str
    begin: float
    arrives: int
    leaves: int
    vcpus: int = 1


@dataclass(frozen=True, slots=True)
class Counted:
    """What one VM did in one window.

    Attributes:
        lines: of the cache that bear its RMID at the end; those of a VM that has left stay until others need the
            room.
        misses: lines that came from memory.
        instructions: that it executed: its work.
        cycles: that its vCPUs ran.
    """

    lines: int
    misses: int
    instructions: int
    cycles: float


class _Machine(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_uint64) for name in ("sets", "ways")),
        *((f"{name}_cycles", ctypes.c_double) for name in ("instruction", "hit", "miss", "window", "slice")),
    )


class _Program(ctypes.Structure):
    _fields_ = (
        ("records", ctypes.c_void_p),
        *((name, ctypes.c_uint64) for name in ("count", "next", "salt", "arrives", "leaves", "rmid")),
        ("clock", ctypes.c_double),
    )


class _Counted(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_uint64) for name in ("lines", "misses", "instructions")),
        ("cycles", ctypes.c_double),
    )


def simulate(
    guests: Sequence[Guest], traces: Mapping[str, Records], windows: int, miss_cycles: float
) -> dict[str, list[Counted]]:
    """Run VMs side by side; what each did by the name of its program, one for each window.

    Args:
        guests: the VMs, no program twice.
        traces: of each program by its name.
        windows: how long they run.
        miss_cycles: what a miss costs, with some others under way at the same time.
    """
    machine = _Machine(SETS, WAYS, CYCLES_PER_INSTRUCTION, HIT_CYCLES, miss_cycles, WINDOW_CYCLES, SLICE_CYCLES)
    found = [
        _program(guest, traces[guest.program], rmid, vcpu)
        for rmid, guest in enumerate(guests)
        for vcpu in range(guest.vcpus)
    ]
    programs = (_Program * len(found))(*found)
    counted = (_Counted * (len(guests) * windows))()
    sizes = (ctypes.c_uint64(size) for size in (len(found), len(guests), windows))
    if not _library().simulate(ctypes.byref(machine), programs, *sizes, counted):
        raise MemoryError
    return {
        guest.program: [
            Counted(each.lines, each.misses, each.instructions, each.cycles) for each in counted[rmid :: len(guests)]
        ]
        for rmid, guest in enumerate(guests)
    }


def _program(guest: Guest, trace: Records, rmid: int, vcpu: int) -> _Program:
    address, count = trace.buffer_info()
    begin = int((guest.begin + vcpu / guest.vcpus) * count) % count
    salt = crc32(f"{guest.program} {vcpu}".encode())
    return _Program(address, count, begin, salt, guest.arrives, guest.leaves, rmid, 0.0)


@cache
def _library() -> ctypes.CDLL:
    with tempfile.TemporaryDirectory() as folder:
        return ctypes.CDLL(str(build(SOURCE, Path(folder))))
