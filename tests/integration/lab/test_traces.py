"""Recording of memory accesses, on a small program whose accesses are known."""

import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from lab.program_cache import BinariesError, user_cache
from lab.progress import Say, say_on_stderr
from lab.traces.recording import SCHED_YIELD, Bounds, Program, Records, find_or_record
from tests.interference.traced_programs import traces

LINES = 5000
REPEATED = 100
SOURCE = f"""
#include <sched.h>
static char once[{LINES} * 64], again[{REPEATED} * 64];
int main(int count, char **arguments)
{{
    (void)arguments;
    sched_yield();
    for (int lap = 0; lap < 50; lap++)
        for (int line = 0; line < {REPEATED}; line++)
            ((volatile char *)again)[line * 64] += 1;
    for (int line = 0; line < {LINES}; line++)
        ((volatile char *)once)[line * 64] = 1;
    return count > 1;
}}
"""
BOUNDS = Bounds(records=1_000_000, instructions=100_000_000, sets=64, ways=8)


@pytest.fixture
def walker(tmp_path: Path) -> str:
    """The program; it fails when it gets an argument."""
    try:
        traces()  # QEMU and a compiler are there
    except BinariesError as error:
        pytest.skip(f"no program can be recorded here: {error}")
    (tmp_path / "walker.c").write_text(SOURCE)
    subprocess.run(["gcc", "-O1", "-o", tmp_path / "walker", tmp_path / "walker.c"], check=True)
    (tmp_path / "traces").mkdir()
    (tmp_path / "traces/qemu-user").symlink_to(user_cache() / "traces/qemu-user")
    return str(tmp_path / "walker")


def record(walker: str, *arguments: str, bounds: Bounds = BOUNDS, say: Say = say_on_stderr) -> Records:
    program = Program("walker", (walker, *arguments), is_prepared_by=SCHED_YIELD)
    return find_or_record([program], {}, bounds, Path(walker).parent, say)["walker"]


def consecutive(trace: Records) -> int:
    """Records whose line follows that of the record before."""
    lines = [each & ((1 << 42) - 1) for each in trace]
    return sum(after == before + 1 for before, after in pairwise(lines))


def test_every_line_that_the_private_cache_lacks_is_recorded_and_no_other(walker: str) -> None:
    trace = record(walker)
    assert LINES + REPEATED - 10 <= consecutive(trace) <= LINES + REPEATED + 20
    assert len(trace) < LINES + REPEATED + 500


def test_a_record_has_the_instructions_since_the_one_before(walker: str) -> None:
    instructions = [each >> 42 for each in record(walker)]
    assert 50 * REPEATED * 3 < max(instructions) < 50 * REPEATED * 12
    assert sorted(instructions)[len(instructions) // 2] in range(2, 8)


def test_a_recording_ends_where_its_bounds_are(walker: str) -> None:
    assert len(record(walker, bounds=Bounds(700, 100_000_000, 64, 8))) == 700
    assert 0 < len(record(walker, bounds=Bounds(1_000_000, 1_000, 64, 8))) < 700


def test_a_program_is_recorded_once(walker: str) -> None:
    lines: list[str] = []
    assert record(walker, say=lines.append) == record(walker, say=lines.append)
    assert len([line for line in lines if "recording" in line]) == 1


def test_a_program_that_fails_is_an_error_with_its_exit_status(walker: str) -> None:
    with pytest.raises(BinariesError, match="exit status 1"):
        record(walker, "fail")


def test_a_program_that_is_missing_is_named(walker: str) -> None:
    with pytest.raises(BinariesError, match="there is no /missing/program"):
        find_or_record([Program("x", ("/missing/program",))], {}, BOUNDS, Path(walker).parent)
