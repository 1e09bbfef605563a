"""cachemon's detector on real programs: their recorded memory accesses share a simulated cache.

`make bench NAME=verdict.traced` has the figures of many such episodes.
"""

from array import array
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path

import pytest

from cachemon.interference.detector import Detector
from cachemon.interference.verdicts import Change, Level, Outcome
from cachemon.interference.windows import format_window, parse_window
from lab.program_cache import BinariesError
from lab.traces.recording import Records, build
from tests.bench.__main__ import main
from tests.interference.cachemons import CachemonWithoutWork
from tests.interference.judging import Naming
from tests.interference.samples import WINDOW_SECONDS
from tests.interference.traced_cache import CAPACITY_BYTES, SETS, WAYS, WINDOW_CYCLES, Guest, simulate
from tests.interference.traced_episodes import ARRIVES, WINDOWS, Cast, TracedEpisode, cached_traces
from tests.interference.traced_programs import BOUNDS

RESIDENTS = ("gzip", "json", "sort", "xz")
LEAVES = 80
MISS_CYCLES = 120.0
LINE = 64
INSTRUCTIONS_OF_AN_ACCESS = 10


@pytest.fixture(scope="module", autouse=True)
def recorded() -> None:
    try:
        cached_traces()
    except BinariesError as error:
        pytest.skip(f"no program can be recorded here: {error}")


@pytest.fixture(scope="module")
def streaming() -> TracedEpisode:
    return episode_with("copy")


@pytest.fixture(scope="module")
def benign() -> TracedEpisode:
    return episode_with("sha256sum")


def episode_with(newcomer: str | None) -> TracedEpisode:
    residents = tuple(Guest(name, number / 8, 0, WINDOWS) for number, name in enumerate(RESIDENTS))
    return TracedEpisode(Cast(residents, Guest(newcomer, 0, ARRIVES, LEAVES) if newcomer else None, MISS_CYCLES))


def changes(episode: TracedEpisode) -> list[Change]:
    detector = Detector()
    return [change for window in episode.windows() for change in detector.observe(window)]


def named(found: Sequence[Change]) -> set[tuple[str, str]]:
    return {(change.verdict.victim, change.verdict.suspect) for change in found}


def test_a_program_that_streams_slows_others_down_and_is_named(streaming: TracedEpisode) -> None:
    harms = {sought.victim: sought.harm for sought in streaming.sought()}
    assert max(harms.values()) > 0.1
    found = changes(streaming)
    assert any(change.step is Level.CONFIRMED for change in found)
    assert {suspect for _, suspect in named(found)} == {"copy"}
    assert min(harms[victim] for victim, _ in named(found)) > 0.05


def test_verdicts_are_verified_when_the_program_that_streams_leaves(streaming: TracedEpisode) -> None:
    hurt = {sought.victim for sought in streaming.sought() if sought.harm > 0.15}
    found = [change for change in changes(streaming) if change.verdict.victim in hurt]
    ends = [change for change in found if isinstance(change.step, Outcome)]
    assert {change.step for change in ends} == {Outcome.VERIFIED}
    assert {change.verdict.victim for change in ends} == {victim for victim, _ in named(found)}
    assert min(change.time for change in ends) > LEAVES * WINDOW_SECONDS


def test_a_program_that_works_in_its_private_cache_is_not_named(benign: TracedEpisode) -> None:
    assert max(sought.harm for sought in benign.sought()) < 0.03
    assert changes(benign) == []


def test_nobody_is_named_while_programs_just_go_on() -> None:
    assert changes(episode_with(None)) == []


def test_without_a_source_of_work_a_verdict_says_at_most_that_cache_is_taken(streaming: TracedEpisode) -> None:
    found = list(namings(streaming))
    assert {naming.suspect for naming in found} == {"copy"}
    assert {naming.level for naming in found} == {Level.TAKING_CACHE}


def namings(episode: TracedEpisode) -> Iterator[Naming]:
    detector = CachemonWithoutWork()
    for window in episode.windows():
        yield from detector.observe(window)


def test_programs_never_hold_more_lines_than_the_cache_has_or_than_they_have_fetched(
    streaming: TracedEpisode,
) -> None:
    held = [sum(each[window].lines for each in streaming.run.values()) for window in range(WINDOWS)]
    assert max(held) <= SETS * WAYS
    assert held[-1] > 0.9 * SETS * WAYS
    for counted in streaming.run.values():
        fetched = accumulate(each.misses for each in counted)
        assert all(each.lines <= total for each, total in zip(counted, fetched, strict=True))


def test_programs_run_all_the_time_that_they_are_here_and_do_less_work_beside_one_that_streams(
    streaming: TracedEpisode,
) -> None:
    for name, counted in streaming.run.items():
        here = counted[ARRIVES:LEAVES] if name == "copy" else counted
        assert sum(each.cycles for each in here) == pytest.approx(len(here) * WINDOW_CYCLES, rel=0.01)
    assert sum(each.cycles for each in streaming.run["copy"][:ARRIVES]) == 0
    before, beside = (
        sum(each.instructions for each in streaming.run["sort"][first : first + 20]) for first in (20, ARRIVES + 5)
    )
    assert beside < before


def test_windows_stand_in_the_format_of_the_agents_json_lines(streaming: TracedEpisode) -> None:
    windows = list(streaming.windows())
    assert [parse_window(format_window(window)) for window in windows] == windows
    assert windows[0].vms != windows[1].vms
    assert [len(window.vms) for window in (windows[0], windows[ARRIVES], windows[LEAVES])] == [4, 5, 4]
    assert all(sum(vm.occupancy_bytes or 0 for vm in window.vms) <= CAPACITY_BYTES for window in windows)


def test_traces_are_bounded_and_those_of_the_same_program_are_read_again() -> None:
    assert cached_traces() is cached_traces()
    assert all(0 < len(trace) <= BOUNDS.records for trace in cached_traces().values())
    assert len({trace.tobytes() for trace in cached_traces().values()}) == len(cached_traces())


def lap(lines: int) -> Records:
    """A trace that reads lines one after the other."""
    return array("Q", (INSTRUCTIONS_OF_AN_ACCESS << 42 | LINE * 1000 + line for line in range(lines)))


def test_lines_that_fit_are_fetched_once_and_those_of_a_longer_lap_each_time() -> None:
    fits, too_many = SETS * WAYS // 4, SETS * WAYS * 3
    for lines, share in ((fits, 0.0), (too_many, 1.0)):
        (last,) = simulate([Guest("lap", 0, 0, 20)], {"lap": lap(lines)}, 20, MISS_CYCLES)["lap"][-1:]
        accesses = last.instructions / INSTRUCTIONS_OF_AN_ACCESS
        assert last.misses / accesses == pytest.approx(share, abs=0.02)


def test_the_processes_of_a_vm_share_its_rmid_and_no_line() -> None:
    lines = SETS * WAYS // 8
    alone, three = (
        simulate([Guest("lap", 0, 0, 20, vcpus)], {"lap": lap(lines)}, 20, MISS_CYCLES)["lap"] for vcpus in (1, 3)
    )
    assert (alone[-1].lines, three[-1].lines) == (lines, 3 * lines)
    assert three[-1].cycles == pytest.approx(3 * alone[-1].cycles, rel=0.01)
    assert sum(each.misses for each in three) == 3 * lines


def test_what_does_not_compile_is_an_error_with_the_compilers_reason(tmp_path: Path) -> None:
    source = tmp_path / "broken.c"
    source.write_text("int broken(void) { return missing; }\n")
    with pytest.raises(BinariesError, match="missing"):
        build(source, tmp_path)


def test_the_bench_prints_figures_of_every_rule(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verdict.traced"], divisor=40) == 0
    about, *figures = capsys.readouterr().out.splitlines()
    assert about.startswith("# verdicts on programs")
    for rule in ("cachemon.likely", "cachemon_without_work.takingcache", "watcher.confirmed"):
        assert any(line.startswith(f"figure verdict.traced.{rule}.accusations ") for line in figures)
