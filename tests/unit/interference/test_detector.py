from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cachemon.interference.detector import Detector
from cachemon.interference.history import MOST_VMS
from cachemon.interference.thresholds import Harm, Thresholds, Times
from cachemon.interference.verdicts import OTHERS, Judgement, Level, Outcome, Resource
from cachemon.interference.windows import VmWindow, Window
from tests.unit.interference.any_windows import vm_windows
from tests.unit.interference.scripted import (
    CALM,
    DB,
    HURT,
    QUIET,
    STREAM,
    WEB,
    Behaviour,
    changes_of,
    played,
    steps_of,
)

QUEUEING = replace(DB, cost=1.3, traffic=200 / 1.3)
"""Slower, with the same traffic for each uop."""
CROWDED = {
    "a/db": QUEUEING,
    "b/web": replace(WEB, cost=1.2, traffic=100 / 1.2),
    "c/batch": replace(STREAM, held=1.5, traffic=4000.0),
}
"""c/batch fills the memory channels, and leaves the cache alone."""
BATCH_HURTS_DB = ("a/db", "c/batch", "Confirmed")


def judged(windows: Iterable[Window]) -> Mapping[str, Judgement]:
    detector = Detector()
    for window in windows:
        detector.observe(window)
    return detector.judgements


def test_a_vm_that_loses_cache_and_slows_down_when_another_streams_is_confirmed() -> None:
    (change,) = changes_of(played([(CALM, 60), (HURT, 12)]))
    verdict = change.verdict
    assert (verdict.victim, verdict.suspect, change.step) == BATCH_HURTS_DB
    assert verdict.resource is Resource.CACHE
    assert verdict.slowdown_ratio == pytest.approx(0.4, abs=0.05)
    assert verdict.share == pytest.approx(1, abs=0.05)
    assert verdict.lost_bytes == pytest.approx(6 << 20, rel=0.1)
    assert 0 < change.time - (1000 + 600) <= 120


def test_shorter_windows_find_the_same_in_as_many_windows() -> None:
    script = [(CALM, 60), (HURT, 12), (CALM, 20)]
    usual = changes_of(played(script))
    fast = Detector(Thresholds(times=Times().scaled_to(1)))
    changes = [change for window in played(script, seconds=1) for change in fast.observe(window)]
    assert steps_of(changes) == steps_of(usual)
    assert [change.time - 1000 for change in changes] == [(change.time - 1000) / 10 for change in usual]
    assert Times().scaled_to(Times().window) == Times()


def test_nobody_is_named_while_nothing_changes() -> None:
    assert changes_of(played([(CALM, 200)])) == []
    assert set(judged(played([(CALM, 60)])).values()) == {Judgement.UNDISTURBED}


def test_a_suspect_may_be_a_vm_that_came() -> None:
    alone = {name: CALM[name] for name in ("a/db", "b/web")}
    assert steps_of(changes_of(played([(alone, 60), (HURT, 12)]))) == [BATCH_HURTS_DB]


def test_without_a_source_of_work_cache_is_taken_and_nobody_is_hurt() -> None:
    (change,) = changes_of(played([(CALM, 60), (HURT, 12)], has_work=False))
    assert change.step is Level.TAKING_CACHE
    assert change.verdict.slowdown_ratio is None


def test_a_small_slowdown_is_no_more_than_likely() -> None:
    slow = {**HURT, "a/db": replace(HURT["a/db"], cost=1.125)}
    assert steps_of(changes_of(played([(CALM, 60), (slow, 12)], noise=0.002))) == [("a/db", "c/batch", "Likely")]


def test_a_verdict_is_raised_when_the_harm_grows() -> None:
    slow = {**HURT, "a/db": replace(HURT["a/db"], cost=1.125)}
    steps = steps_of(changes_of(played([(CALM, 60), (slow, 12), (HURT, 12)], noise=0.002)))
    assert steps == [("a/db", "c/batch", "Likely"), BATCH_HURTS_DB]


def test_a_slow_ramp_is_seen_by_the_far_reference() -> None:
    def between(part: float) -> dict[str, Behaviour]:
        db = replace(DB, held=10 - 4 * part, traffic=200 + 80 * part, cost=1 + 0.35 * part)
        return {"a/db": db, "b/web": WEB, "c/batch": replace(STREAM, held=1 + 9 * part, traffic=5 + 2000 * part)}

    ramp = [(between(step / 72), 1) for step in range(72)]
    assert BATCH_HURTS_DB in steps_of(changes_of(played([(CALM, 90), *ramp])))


def test_a_vm_that_slows_down_without_losing_cache_accuses_nobody() -> None:
    own = {**HURT, "a/db": replace(DB, cost=1.4)}
    assert changes_of(played([(CALM, 60), (own, 20)])) == []


def test_a_vm_that_loses_cache_without_slowing_down_is_not_hurt() -> None:
    kept = {**HURT, "a/db": replace(HURT["a/db"], cost=1.0)}
    assert changes_of(played([(CALM, 60), (kept, 20)])) == []


def test_a_vm_whose_traffic_did_not_rise_is_no_suspect() -> None:
    own = {**CALM, "a/db": HURT["a/db"]}
    assert changes_of(played([(CALM, 60), (own, 20)])) == []


def test_a_fellow_victim_is_no_suspect() -> None:
    busy = {"a/db": DB, "b/web": Behaviour(held=9.0, traffic=400.0), "c/batch": QUIET}
    both = {**HURT, "b/web": Behaviour(held=5.0, traffic=3000.0, cost=1.3)}
    steps = steps_of(changes_of(played([(busy, 60), (both, 20)])))
    assert {suspect for _, suspect, _ in steps} == {"c/batch"}
    assert {victim for victim, _, _ in steps} == {"a/db", "b/web"}


def test_a_suspect_that_gained_no_cache_did_not_take_the_victims() -> None:
    passing = {**HURT, "c/batch": replace(STREAM, held=1.2)}
    assert changes_of(played([(CALM, 60), (passing, 20)])) == []


def test_a_rise_before_the_loss_is_no_suspect() -> None:
    first = {**CALM, "c/batch": replace(STREAM, held=1.0)}
    assert changes_of(played([(CALM, 40), (first, 30), (HURT, 20)])) == []


@pytest.mark.parametrize("limit", [10e9, None])
def test_slowness_with_the_same_misses_on_crowded_memory_is_of_bandwidth(limit: float | None) -> None:
    changes = changes_of(played([(CALM, 60), (CROWDED, 12)], limit=limit))
    assert {*steps_of(changes)} == {BATCH_HURTS_DB, ("b/web", "c/batch", "Confirmed")}
    assert {change.verdict.resource for change in changes} == {Resource.MEMORY_BANDWIDTH}


def test_on_crowded_memory_misses_may_rise_while_the_victim_holds_as_much_cache() -> None:
    crowded = {**CROWDED, "a/db": replace(QUEUEING, traffic=QUEUEING.traffic * 1.8)}
    changes = changes_of(played([(CALM, 60), (crowded, 12)]))
    assert BATCH_HURTS_DB in steps_of(changes)
    assert {change.verdict.resource for change in changes} == {Resource.MEMORY_BANDWIDTH}


def test_memory_that_could_carry_much_more_is_not_the_reason() -> None:
    assert changes_of(played([(CALM, 60), (CROWDED, 12)], limit=100e9)) == []


def test_a_vm_that_slows_down_alone_does_not_wait_for_memory() -> None:
    alone = {**CROWDED, "b/web": WEB}
    assert changes_of(played([(CALM, 60), (alone, 12)])) == []


def test_a_little_more_traffic_is_not_the_reason() -> None:
    before = {**CALM, "c/batch": CROWDED["c/batch"]}
    after = {**CROWDED, "c/batch": replace(CROWDED["c/batch"], traffic=4400.0)}
    assert changes_of(played([(before, 60), (after, 12)])) == []


def test_a_vm_that_is_as_slow_now_and_then_by_itself_accuses_nobody() -> None:
    slow = {**CALM, "a/db": HURT["a/db"]}
    habit = [(slow if number % 6 == 0 else CALM, 1) for number in range(80)]
    assert changes_of(played([*habit, (HURT, 12)])) == []


def test_traffic_that_nobody_watches_can_be_the_suspect() -> None:
    alone = {name: CALM[name] for name in ("a/db", "b/web")}
    hurt = {**alone, "a/db": HURT["a/db"]}
    calm, later = [*played([(alone, 60)], others=10)], [*played([(alone, 60), (hurt, 12)], others=5000)][60:]
    steps = steps_of(changes_of(iter([*calm, *later])))
    assert steps == [("a/db", OTHERS, "Confirmed")]


def test_when_nobody_explains_the_harm_the_suspects_are_unwatched() -> None:
    alone = {name: CALM[name] for name in ("a/db", "b/web")}
    judgements = judged(played([(alone, 60), ({**alone, "a/db": HURT["a/db"]}, 12)]))
    assert judgements == {"a/db": Judgement.SUSPECTS_UNWATCHED, "b/web": Judgement.UNDISTURBED}


def test_a_vm_that_waits_for_cpus_has_cpu_contention_and_no_culprit() -> None:
    waiting = {**HURT, "a/db": replace(HURT["a/db"], delay=0.2)}
    windows = [*played([(CALM, 60), (waiting, 20)])]
    assert changes_of(iter(windows)) == []
    assert judged(windows)["a/db"] is Judgement.CPU_CONTENTION


def test_a_vm_that_hardly_runs_is_idle_and_one_that_hardly_ran_has_no_reference() -> None:
    lazy = replace(DB, busy=0.1)
    assert judged(played([(CALM, 60), ({**CALM, "a/db": lazy}, 10)]))["a/db"] is Judgement.IDLE
    assert judged(played([({**CALM, "a/db": lazy}, 60), (HURT, 10)]))["a/db"] is Judgement.NO_REFERENCE


def test_a_young_vm_is_not_judged() -> None:
    assert set(judged(played([(CALM, 20)])).values()) == {Judgement.TOO_YOUNG}
    assert judged(played([(CALM, 60), ({**CALM, "d/new": DB}, 5)]))["d/new"] is Judgement.TOO_YOUNG


def test_a_disturbed_vm_says_so() -> None:
    assert judged(played([(CALM, 60), (HURT, 12)]))["a/db"] is Judgement.DISTURBED


@pytest.mark.parametrize("figure", ["occupancy_bytes", "traffic_bytes", "cpu_seconds", "run_delay_seconds"])
def test_a_missing_figure_is_a_gap_of_its_vm(figure: str) -> None:
    windows = [*played([(CALM, 60)])]
    db, *rest = windows[-2].vms
    missing: dict[str, Any] = {figure: None}
    windows[-2] = replace(windows[-2], vms=(replace(db, **missing), *rest))
    judgements = judged(windows)
    assert (judgements["a/db"], judgements["b/web"]) == (Judgement.GAP, Judgement.UNDISTURBED)


def test_a_lost_window_is_a_gap_of_all_and_accuses_nobody() -> None:
    windows = [*played([(CALM, 60)])]
    judgements = judged([*windows[:56], *windows[57:]])
    assert set(judgements.values()) == {Judgement.GAP}
    windows = [*played([(CALM, 200)])]
    assert changes_of(window for number, window in enumerate(windows) if number % 17) == []


def test_after_a_short_gap_the_old_reference_counts() -> None:
    windows = [*played([(CALM, 60), (HURT, 20)])]
    assert steps_of(changes_of(iter([*windows[:58], *windows[61:]]))) == [BATCH_HURTS_DB]


def test_after_a_long_gap_the_block_starts_again() -> None:
    windows = [*played([(CALM, 60), (HURT, 12)])]
    later = [replace(window, time=window.time + 5000) for window in windows]
    detector = Detector()
    changes = changes_of(iter([*windows, *later[:20]]), detector)
    assert steps_of(changes) == [BATCH_HURTS_DB, ("a/db", "c/batch", "Ended")]
    assert set(detector.judgements.values()) == {Judgement.TOO_YOUNG}


def test_time_that_goes_back_starts_the_block_again() -> None:
    windows = [*played([(CALM, 60), (HURT, 12)])]
    expected = [BATCH_HURTS_DB, ("a/db", "c/batch", "Ended"), BATCH_HURTS_DB]
    assert steps_of(changes_of(iter([*windows, *windows]))) == expected


def test_a_verdict_is_verified_when_the_victim_recovers_as_the_suspect_stops() -> None:
    steps = steps_of(changes_of(played([(CALM, 60), (HURT, 20), (CALM, 20)])))
    assert steps == [BATCH_HURTS_DB, ("a/db", "c/batch", "Verified")]


def test_a_suspect_that_leaves_has_stopped() -> None:
    alone = {name: CALM[name] for name in ("a/db", "b/web")}
    steps = steps_of(changes_of(played([(CALM, 60), (HURT, 20), (alone, 20)])))
    assert steps == [BATCH_HURTS_DB, ("a/db", "c/batch", "Verified")]


def test_a_verdict_is_withdrawn_when_the_suspect_stops_and_the_victim_does_not_recover() -> None:
    still = {**CALM, "a/db": HURT["a/db"]}
    changes = changes_of(played([(CALM, 60), (HURT, 20), (still, 30)]))
    assert steps_of(changes) == [BATCH_HURTS_DB, ("a/db", "c/batch", "Withdrawn")]
    assert changes[1].time - (1000 + 800) <= 180


def test_a_verdict_is_withdrawn_when_the_victim_recovers_while_the_suspect_goes_on() -> None:
    recovered = {**HURT, "a/db": DB}
    steps = steps_of(changes_of(played([(CALM, 60), (HURT, 20), (recovered, 30)])))
    assert steps == [BATCH_HURTS_DB, ("a/db", "c/batch", "Withdrawn")]


def test_a_verdict_ends_when_the_victim_leaves() -> None:
    gone = {name: HURT[name] for name in ("b/web", "c/batch")}
    steps = steps_of(changes_of(played([(CALM, 60), (HURT, 20), (gone, 30)])))
    assert steps == [BATCH_HURTS_DB, ("a/db", "c/batch", "Ended")]


def test_a_verdict_ends_when_nobody_can_say_for_long_what_the_suspect_does() -> None:
    """As where the CPU's MBM counters have gone to other groups."""
    detector = Detector()
    changes = changes_of(played([(CALM, 60), (HURT, 12)]), detector)
    assert changes
    windows = [*played([(HURT, 150)])][72:]
    blind = [
        replace(window, vms=tuple(replace(vm, traffic_bytes=None) if vm.vm == "c/batch" else vm for vm in window.vms))
        for window in windows
    ]
    assert steps_of(changes_of(iter(blind[:50]), detector)) == []
    assert steps_of(changes_of(iter(blind[50:]), detector)) == [("a/db", "c/batch", "Ended")]


def test_a_victim_that_sleeps_has_not_left() -> None:
    asleep = {**HURT, "a/db": replace(DB, busy=0.0)}
    steps = steps_of(changes_of(played([(CALM, 60), (HURT, 20), (asleep, 30), (HURT, 5), (CALM, 20)])))
    assert steps == [BATCH_HURTS_DB, ("a/db", "c/batch", "Verified")]


def test_a_verdict_ends_when_the_victim_sleeps_as_the_suspect_stops() -> None:
    asleep = {**CALM, "a/db": replace(DB, busy=0.0)}
    steps = steps_of(changes_of(played([(CALM, 60), (HURT, 20), (asleep, 30)])))
    assert steps == [BATCH_HURTS_DB, ("a/db", "c/batch", "Ended")]


def test_a_lull_of_the_suspect_is_no_end_while_the_victim_stays_slow() -> None:
    lull = {**HURT, "c/batch": replace(STREAM, traffic=5.0)}
    assert steps_of(changes_of(played([(CALM, 60), (HURT, 20), (lull, 8), (HURT, 40)]))) == [BATCH_HURTS_DB]


def test_two_windows_of_harm_are_not_enough() -> None:
    assert changes_of(played([(CALM, 60), (HURT, 2), (CALM, 30)])) == []


def test_a_suspect_needs_a_share_of_all_rises() -> None:
    four = {f"d/{number}": QUIET for number in range(5)}
    more = {name: replace(STREAM, held=2.0) for name in four}
    assert changes_of(played([({**CALM, **four}, 60), ({**HURT, "c/batch": QUIET, **more}, 20)])) == []


def test_a_suspect_needs_a_share_of_the_blocks_traffic() -> None:
    heavy = {**CALM, "d/heavy": replace(STREAM, held=8.0, traffic=30_000.0)}
    after = {**HURT, "d/heavy": heavy["d/heavy"]}
    alone = steps_of(changes_of(played([(CALM, 60), (HURT, 12)])))
    assert alone == [BATCH_HURTS_DB]
    assert changes_of(played([(heavy, 60), (after, 12)], noise=0.001)) == []


def test_a_vm_whose_traffic_rises_by_less_than_half_is_no_suspect() -> None:
    before = {**CALM, "c/batch": replace(STREAM, held=8.0)}
    after = {**HURT, "c/batch": replace(STREAM, held=14.0, traffic=3500.0)}
    assert changes_of(played([(before, 60), (after, 20)])) == []
    more = {**HURT, "c/batch": replace(STREAM, held=14.0, traffic=4500.0)}
    assert steps_of(changes_of(played([(before, 60), (more, 20)]))) == [BATCH_HURTS_DB]


@pytest.mark.parametrize(("pause", "accused"), [(45, []), (75, [BATCH_HURTS_DB])], ids=["short", "long"])
def test_a_vm_that_goes_on_after_a_pause_is_a_suspect_only_if_the_pause_was_long(
    pause: int, accused: list[tuple[str, str, str]]
) -> None:
    assert steps_of(changes_of(played([(HURT, 60), (CALM, pause), (HURT, 10)]))) == accused


def test_a_loss_of_next_to_no_cache_is_none() -> None:
    tiny = {**CALM, "a/db": replace(DB, held=0.2)}
    after = {**HURT, "a/db": replace(HURT["a/db"], held=0.12)}
    assert changes_of(played([(tiny, 60), (after, 20)])) == []


def test_without_a_source_of_work_a_vm_with_next_to_no_traffic_loses_nothing() -> None:
    silent = {**CALM, "a/db": replace(DB, traffic=20.0)}
    after = {**HURT, "a/db": replace(HURT["a/db"], traffic=30.0)}
    assert changes_of(played([(silent, 60), (after, 20)], has_work=False)) == []


def test_without_a_source_of_work_a_suspect_that_hardly_changes_the_block_takes_nothing() -> None:
    stream = {"d/other": replace(STREAM, held=3.0, traffic=8000.0)}
    windows = [*played([({**CALM, **stream}, 60), ({**HURT, **stream}, 20)], has_work=False)]
    assert changes_of(iter(windows)) == []


def test_a_source_of_work_that_ends_leaves_what_cache_shows() -> None:
    work, none = [*played([(CALM, 60), (HURT, 20)])], [*played([(CALM, 60), (HURT, 20)], has_work=False)]
    (change,) = changes_of(iter([*work[:58], *none[58:]]))
    assert change.step is Level.TAKING_CACHE


def test_a_verdict_stays_open_while_suspect_and_harm_go_on() -> None:
    detector = Detector()
    assert steps_of(changes_of(played([(CALM, 60), (HURT, 400)]), detector)) == [BATCH_HURTS_DB]
    assert [verdict.victim for verdict in detector.open_verdicts] == ["a/db"]


def test_a_second_suspect_has_a_verdict_of_its_own() -> None:
    db = replace(DB, held=2.0, traffic=450.0, cost=2.0)
    more = {**HURT, "a/db": db, "d/late": replace(STREAM, held=8.0)}
    steps = steps_of(changes_of(played([(CALM, 60), (HURT, 40), (more, 20)])))
    assert [step for step in steps if step[0] == "a/db"] == [BATCH_HURTS_DB, ("a/db", "d/late", "Confirmed")]


@pytest.mark.parametrize("seconds", [1.0, 5.0, 20.0, 30.0])
def test_windows_of_other_lengths_work(seconds: float) -> None:
    calm, hurt = int(600 / seconds) + 60, int(200 / seconds) + 10
    steps = steps_of(changes_of(played([(CALM, calm), (HURT, hurt)], seconds=seconds)))
    assert steps == [BATCH_HURTS_DB]


@pytest.mark.parametrize("lengths", [(10, 5), (7, 12, 10, 9), (10, 14, 10)])
def test_windows_of_uneven_length_work(lengths: tuple[int, ...]) -> None:
    time, uneven = 0.0, []
    for number, window in enumerate(played([(CALM, 90), (HURT, 20)])):
        factor = lengths[number % len(lengths)] / 10
        time += 10 * factor
        uneven.append(replace(window, time=time, vms=tuple(scaled(vm, factor) for vm in window.vms)))
    assert steps_of(changes_of(iter(uneven))) == [BATCH_HURTS_DB]


def scaled(vm: VmWindow, factor: float) -> VmWindow:
    deltas = ("traffic_bytes", "cpu_seconds", "run_delay_seconds", "cycles", "uops")
    return replace(vm, **{name: getattr(vm, name) * factor for name in deltas})


def test_a_window_that_comes_twice_counts_once() -> None:
    windows = [*played([(CALM, 60), (HURT, 12)])]
    twice = [window for each in windows for window in (each, each)]
    assert changes_of(iter(twice)) == changes_of(iter(windows))


def test_a_threshold_that_was_given_counts() -> None:
    strict = Detector(Thresholds(harm=Harm(slowdown=0.6)))
    assert changes_of(played([(CALM, 60), (HURT, 20)]), strict) == []


def test_the_order_of_vms_changes_nothing() -> None:
    windows = [*played([(CALM, 60), (HURT, 20), (CALM, 20)])]
    turned = (replace(window, vms=window.vms[::-1]) for window in windows)
    assert changes_of(turned) == changes_of(iter(windows))


def test_more_vms_than_rmids_are_left_out() -> None:
    crowd = {f"ns/{number}": QUIET for number in range(MOST_VMS + 10)}
    detector = Detector()
    assert changes_of(played([(crowd, 4)]), detector) == []
    assert len(detector.judgements) == MOST_VMS


def test_vms_that_come_and_go_leave_no_vm_unjudged() -> None:
    """Somebody might start VMs all the time so that those of others are left out."""
    detector = Detector()
    calm = [*played([(CALM, 130)])]
    for number, window in enumerate(calm):
        short = [VmWindow(f"x/{number // 2}-{n}", 1e6, 1e6, 1.0, 0.0) for n in range(40)]
        late = () if number < 60 else window.vms
        detector.observe(replace(window, vms=(*short, *late)))
    assert detector.judgements["a/db"] is Judgement.UNDISTURBED


def test_vms_that_went_are_forgotten() -> None:
    detector = Detector()
    crowd = {f"ns/{number}": DB for number in range(MOST_VMS)}
    late = {"new/late": DB}
    assert changes_of(played([(crowd, 3), (late, 200)]), detector) == []
    assert set(detector.judgements) == {"new/late"}


names = st.sampled_from(["ns/a", "ns/b", "ns/c"])
sequences = st.lists(
    st.builds(
        Window,
        time=st.floats(0, 1000) | st.floats(-1e29, 1e29),
        block=st.just(0),
        capacity_bytes=st.floats(1, 1e29),
        bandwidth_limit_bytes_per_second=st.none() | st.floats(1, 1e29),
        vms=st.lists(vm_windows(names), max_size=3, unique_by=lambda vm: vm.vm).map(tuple),
        others_traffic_bytes=st.none() | st.floats(0, 1e29),
    ),
    max_size=12,
)


@given(sequences)
def test_no_sequence_of_windows_is_an_error(windows: list[Window]) -> None:
    changes_of(iter(windows))


@st.composite
def moving(draw: st.DrawFn) -> list[Window]:
    """Long enough to be judged, with a jump in anything and gaps."""
    vms = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    scale = st.sampled_from([0.0, 0.1, 0.5, 1.0, 1.5, 3.0, 1e20])
    phases = [
        {name: [draw(scale) for _ in range(6)] for name in draw(st.lists(st.sampled_from(vms), unique=True)) or vms}
        for _ in range(3)
    ]
    lengths = [draw(st.integers(0, 40)) for _ in phases]
    hole = draw(st.integers(0, 60))
    windows: list[Window] = []
    for phase, length in zip(phases, lengths, strict=True):
        for number in range(length):
            entries = tuple(
                VmWindow(name, 1e6 * a, 1e8 * b, 10 * c, d if number != hole else None, 1e9 * e, 1e9 * f)
                for name, (a, b, c, d, e, f) in phase.items()
            )
            windows.append(Window(10.0 * len(windows), 0, 3e7, draw(st.sampled_from([None, 1e9])), entries, None))
    return windows


@settings(max_examples=50)
@given(moving())
def test_only_vms_of_the_block_are_accused_and_order_does_not_matter(windows: list[Window]) -> None:
    changes = changes_of(iter(windows))
    turned = changes_of(replace(window, vms=window.vms[::-1]) for window in windows)
    assert turned == changes
    present = {window.time: {vm.vm for vm in window.vms} for window in windows}
    for change in changes:
        if not isinstance(change.step, Outcome):
            assert {change.verdict.victim, change.verdict.suspect} <= present[change.time]
            assert change.verdict.victim != change.verdict.suspect
