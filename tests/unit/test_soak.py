"""The judgement of what programs take while a soak runs."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.soak.chance import chance_of
from tests.soak.usage import BOUNDS, LEAST_SAMPLES, Program, Usage, UsageWatch, growth, read_usage

STEADY = Usage(50.0, 20, 8)
LONG = 400


def watched(samples: Sequence[Usage], pids: Iterator[int | None] | None = None) -> UsageWatch:
    """A watch that has seen these."""
    left = iter(samples)
    watch = UsageWatch({"agent": Program(lambda: next(pids) if pids else 7)}, lambda _pid: next(left))
    for _ in samples:
        watch.sample()
    return watch


def growing(field: str, by: float) -> list[Usage]:
    """A series that grows evenly, by this from its second quarter to its last."""
    start = getattr(STEADY, field)
    return [STEADY._replace(**{field: start + by * 2 * place / LONG}) for place in range(LONG)]


@pytest.mark.parametrize("field", Usage._fields)
def test_a_program_that_takes_more_and_more_of_anything_is_named_with_its_figures(field: str) -> None:
    (problem,) = watched(growing(field, 1.2 * getattr(BOUNDS, field))).problems()
    assert problem.startswith("agent grew from ")
    assert field in problem


@pytest.mark.parametrize("field", Usage._fields)
def test_growth_within_its_bound_is_none(field: str) -> None:
    assert watched(growing(field, 0.8 * getattr(BOUNDS, field))).problems() == []


@pytest.mark.parametrize("field", Usage._fields)
def test_a_slow_leak_is_found_under_bursts(field: str) -> None:
    leak = growing(field, 1.5 * getattr(BOUNDS, field))
    bursts = [it._replace(descriptors=it.descriptors + 500 * (place % 3 == 0)) for place, it in enumerate(leak)]
    assert len(watched(bursts).problems()) == 1


def test_bursts_alone_and_a_start_that_warms_up_are_no_growth() -> None:
    bursts = [
        STEADY._replace(descriptors=20 + 500 * (place % 3 == 0), memory_mib=50 + place % 5) for place in range(LONG)
    ]
    warming = [STEADY._replace(memory_mib=min(50.0, 10.0 + place)) for place in range(LONG)]
    assert watched(bursts).problems() == []
    assert watched(warming).problems() == []


def test_what_grew_before_a_restart_does_not_count() -> None:
    samples = [*growing("memory_mib", 100)[: LONG // 2], *[STEADY] * LONG]
    pids = iter([7] * (LONG // 2) + [8] * LONG)
    assert watched(samples, pids).problems() == []


def test_a_short_life_is_not_judged_and_many_looks_without_a_judgement_are_a_problem() -> None:
    assert growth("agent", [STEADY] * (LEAST_SAMPLES - 1)) is None
    pids = iter(number // 3 for number in range(LONG))
    watch = watched([STEADY] * LONG, pids)
    assert watch.problems() == [f"no program has lived for {LEAST_SAMPLES} samples, so that none was judged"]
    assert watch.summary() == ["agent: not judged, its process has lived too shortly"]


def test_a_summary_has_every_figure_early_and_late() -> None:
    (line,) = watched([STEADY] * LONG).summary()
    assert line == "agent: memory_mib 50.0 -> 50.0, descriptors 20.0 -> 20.0, threads 8.0 -> 8.0"


def test_the_usage_of_a_process_is_read_and_one_that_has_ended_has_none(tmp_path: Path) -> None:
    process = tmp_path / "7"
    (process / "fd").mkdir(parents=True)
    for number in range(3):
        (process / "fd" / str(number)).symlink_to(f"socket:[{number}]")
    (process / "status").write_text("Name:\tagent\nVmRSS:\t    2048 kB\nThreads:\t5\n")
    assert read_usage(7, tmp_path) == Usage(2.0, 3, 5)
    assert read_usage(8, tmp_path) is None
    (process / "status").write_text("Name:\tagent\nThreads:\t1\n")
    assert read_usage(7, tmp_path) is None


def test_each_counter_that_there_is_may_have_one_descriptor_and_others_are_leaks(tmp_path: Path) -> None:
    counter, gone = (tmp_path / "resctrl/mon_groups" / name / "mon_data/llc_occupancy" for name in ("a", "b"))
    counter.parent.mkdir(parents=True)
    counter.touch()
    (tmp_path / "7/fd").mkdir(parents=True)
    (tmp_path / "7/status").write_text("VmRSS:\t1024 kB\nThreads:\t1\n")
    for number, target in enumerate((counter, counter, gone, Path("/dev/null"))):
        (tmp_path / "7/fd" / str(number)).symlink_to(target)
    assert read_usage(7, tmp_path) == Usage(1.0, 3, 1)


def test_an_actions_chance_is_that_of_the_seed_and_its_number_whatever_was_drawn_before() -> None:
    first = [chance_of(5, number).random() for number in range(20)]
    chance_of(5, 3).sample(range(100), 50)
    assert [chance_of(5, number).random() for number in range(20)] == first
    assert len({*first, *(chance_of(6, number).random() for number in range(20))}) == 40
