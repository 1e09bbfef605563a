import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from cachemon.agent.targets import judged_guests
from cachemon.daemon.interference_settings import InterferenceSettings
from cachemon.daemon.settings import MachineSettings
from cachemon.engine.figures import Figures
from cachemon.engine.interference_watch import InterferenceWatch, make_watch
from cachemon.engine.layout import unavailable_layout
from cachemon.engine.sampler import Sampler
from cachemon.interference.detector import Detector
from cachemon.interference.verdict_log import NodeVerdicts
from cachemon.interference.verdicts import Change, Judgement
from cachemon.interference.windows import Window, parse_windows
from cachemon.model.errors import ResctrlUnavailableError
from cachemon.model.reasons import Reason
from cachemon.resctrl.tree_writer import ResctrlTree
from lab.wait import until
from tests.unit.engine.node_bench import Guest, NodeBench
from tests.unit.interference.made_verdicts import make_verdict
from tests.unit.qemu.fake_perf import FakePerf

UNAVAILABLE = ResctrlUnavailableError(Reason.RESCTRL_NOT_MOUNTED, "no resctrl")


class FakeDetector:
    """Opens a verdict at every window; breaks where `fails`."""

    fails = False
    made = 0

    def __init__(self) -> None:
        FakeDetector.made += 1

    def observe(self, window: Window) -> Sequence[Change]:
        if FakeDetector.fails:
            raise ZeroDivisionError
        verdict = make_verdict("tenant-a/db", "tenant-a/web", since=window.time)
        return [Change(window.time, verdict.level, verdict)]

    @property
    def judgements(self) -> Mapping[str, Judgement]:
        return {"tenant-a/db": Judgement.UNDISTURBED, "tenant-a/web": Judgement.UNDISTURBED}


@pytest.fixture
def bench(tmp_path: Path) -> NodeBench:
    FakeDetector.fails, FakeDetector.made = False, 0
    return NodeBench(tmp_path, Guest("db", 1), Guest("web", 2))


@pytest.fixture
def recorded() -> list[Window]:
    return []


@pytest.fixture
def watch(bench: NodeBench, recorded: list[Window]) -> InterferenceWatch[Any]:
    return InterferenceWatch(bench.windows, judged_guests, FakeDetector, record=recorded.append, grain_seconds=60)


def verdicts(figures: Figures) -> NodeVerdicts:
    assert figures.verdicts is not None
    return figures.verdicts


def test_verdicts_come_with_the_sample_that_ends_a_window(
    bench: NodeBench, watch: InterferenceWatch[Any], recorded: list[Window]
) -> None:
    first = watch.judge(*bench.sample())
    assert verdicts(first) == NodeVerdicts()
    second = watch.judge(*bench.sample())
    assert verdicts(second).judgements == {"tenant-a/db": Judgement.DISTURBED, "tenant-a/web": Judgement.UNDISTURBED}
    between = watch.judge(*bench.sample(1))
    assert between.verdicts is second.verdicts
    assert len(recorded) == 1
    assert verdicts(second).time == recorded[0].time
    assert FakeDetector.made == 1


def test_tenants_see_what_was_known_when_the_minute_began(bench: NodeBench, watch: InterferenceWatch[Any]) -> None:
    seen = []
    for _ in range(30):
        figures = watch.judge(*bench.sample())
        assert figures.minute_verdicts is not None
        seen.append((verdicts(figures).time, figures.minute_verdicts.time))
    shown = sorted({minute for _, minute in seen if minute})
    assert len(shown) == 5
    assert all(later - earlier == 60 for earlier, later in pairwise(shown[1:]))
    assert all(now - minute < 60 for now, minute in seen if minute)


def test_a_wall_clock_that_is_set_moves_the_times_and_no_window(
    bench: NodeBench, watch: InterferenceWatch[Any], recorded: list[Window]
) -> None:
    watch.judge(*bench.sample())
    before = verdicts(watch.judge(*bench.sample()))
    layout, figures = bench.sample()
    after = verdicts(watch.judge(layout, replace(figures, wall_time=figures.wall_time + 7200)))
    layout, figures = bench.sample()
    slewed = verdicts(watch.judge(layout, replace(figures, wall_time=figures.wall_time + 7201)))
    assert [it.clock_error for it in (before, after, slewed)] == [0, 7200, 7200]
    assert after.wall_time(after.time) == before.wall_time(before.time) + 7210
    assert [later.time - earlier.time for earlier, later in pairwise(recorded)] == [10, 10]


def test_figures_stay_as_they_are(bench: NodeBench, watch: InterferenceWatch[Any]) -> None:
    layout, figures = bench.sample()
    judged = watch.judge(layout, figures)
    assert replace(judged, verdicts=None, minute_verdicts=None) == figures


def test_after_a_failure_judging_begins_anew_and_figures_go_on(
    bench: NodeBench, watch: InterferenceWatch[Any], caplog: pytest.LogCaptureFixture
) -> None:
    watch.judge(*bench.sample())
    assert list(verdicts(watch.judge(*bench.sample())).open())
    FakeDetector.fails = True
    failed = watch.judge(*bench.sample())
    assert failed.groups
    assert "judging the VMs failed" in caplog.text
    assert list(verdicts(failed).open()) == [], "nobody checks it any longer"
    assert failed.minute_verdicts == failed.verdicts
    FakeDetector.fails = False
    assert verdicts(watch.judge(*bench.sample())).judgements
    assert FakeDetector.made == 2, "series that a failure left half written count no more"


def test_a_node_without_resctrl_knows_nothing(bench: NodeBench, watch: InterferenceWatch[Any]) -> None:
    for _ in range(3):
        watch.judge(*bench.sample())
    figures = watch.judge(unavailable_layout((), UNAVAILABLE), Figures(wall_time=1.0))
    assert (figures.verdicts, figures.minute_verdicts) == (NodeVerdicts(), NodeVerdicts())


def test_a_vm_that_takes_the_cache_of_another_is_named_and_what_follows_is_checked(tmp_path: Path) -> None:
    """The real detector on real files: only the files' content is made up."""
    victim, aggressor = Guest("db", 1, held=20 << 20, traffic=10_000_000), Guest("batch", 2, held=1 << 20)
    bench = NodeBench(tmp_path, victim, aggressor)
    watch = InterferenceWatch(bench.windows, judged_guests, Detector, grain_seconds=60)

    def after(windows: int) -> NodeVerdicts:
        for number in range(windows):
            wobble = 1 + (number % 3 - 1) / 200
            victim.traffic, aggressor.traffic = (int(rate * wobble) for rate in rates)
            figures = watch.judge(*bench.sample())
        return verdicts(figures)

    rates = [10_000_000, 1_000_000]
    assert after(60).judgements["tenant-a/db"] is Judgement.UNDISTURBED
    rates, victim.held, aggressor.held = [40_000_000, 400_000_000], 8 << 20, 20 << 20
    victim.cycles = 3_000_000_000
    found = after(12)
    (verdict,) = found.of_victim("tenant-a/db")
    assert (verdict.suspect, verdict.resource) == ("tenant-a/batch", "Cache")
    assert verdict.slowdown_ratio == pytest.approx(0.5, abs=0.05)
    assert found.of_victim("tenant-a/batch") == []
    assert found.ratio == pytest.approx(0.25, abs=0.03)
    rates, victim.held, aggressor.held = [10_000_000, 1_000_000], 20 << 20, 1 << 20
    victim.cycles = 2_000_000_000
    ended = after(12)
    assert ended.of_victim("tenant-a/db") == []
    assert [it.outcome for it in ended.verdicts[0]] == ["Verified"]


def test_a_node_without_resctrl_has_no_counter_open(tmp_path: Path) -> None:
    perf = FakePerf()
    bench = NodeBench(tmp_path, Guest("db", 1), has_telemetry=False, perf=perf)
    watch: InterferenceWatch[Any] = InterferenceWatch(bench.windows, judged_guests, FakeDetector, grain_seconds=60)
    watch.judge(*bench.sample())
    assert perf.open_events
    watch.judge(unavailable_layout([], UNAVAILABLE), Figures())
    assert perf.open_events == {}


def test_the_watch_of_a_machine_with_perf_judges_also_where_perf_is_refused(
    tmp_path: Path, bench: NodeBench, caplog: pytest.LogCaptureFixture
) -> None:
    """This machine's folder has no sysfs, so nothing proves that counting is harmless."""
    machine = MachineSettings(bench.root, bench.proc, tmp_path / "sys", 1, 5, None)
    settings = InterferenceSettings(10**10, window_seconds=1e-6, perf=True)
    tree = ResctrlTree(bench.root)
    watch = make_watch(settings, machine, tree, judged_guests)
    bench.facts = replace(bench.facts, telemetry=None, packages=())
    sampler = Sampler(tree, 10)
    for _ in range(3):
        bench.pass_time(1)
        layout = bench.layout()
        figures = watch.judge(layout, sampler.sample(layout))
    assert set(verdicts(figures).judgements) == {"tenant-a/db", "tenant-a/web"}
    assert "no cycles of VMs by perf" in caplog.text


def test_the_watch_of_a_machine_reads_its_files_and_records_what_it_saw(tmp_path: Path, bench: NodeBench) -> None:
    """Real clocks, and windows so short that the next sample ends one."""
    machine = MachineSettings(bench.root, bench.proc, tmp_path / "sys", 1, 5, None)
    record = tmp_path / "windows"
    record.touch()
    settings = InterferenceSettings(10**10, record, window_seconds=1e-6)
    tree = ResctrlTree(bench.root)
    watch = make_watch(settings, machine, tree, judged_guests)
    sampler = Sampler(tree, 10)
    for _ in range(5):
        bench.pass_time(1)
        layout = bench.layout()
        figures = watch.judge(layout, sampler.sample(layout))
    windows = until("windows", lambda: [*parse_windows(record.read_text().splitlines())][3:])
    assert verdicts(figures).time == pytest.approx(time.time(), abs=60)
    assert windows[-1].bandwidth_limit_bytes_per_second == 10**10
    assert {vm.vm for vm in windows[-1].vms} == {"tenant-a/db", "tenant-a/web"}
    assert all(vm.cpu_seconds for vm in windows[-1].vms)
