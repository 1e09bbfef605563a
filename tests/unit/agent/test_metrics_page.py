from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from cachemon import __version__
from cachemon.agent.metrics_page import FAMILIES, metrics_of, prepare_page
from cachemon.agent.targets import BoundLayout
from cachemon.daemon.metrics_formats import MetricsFormat
from cachemon.engine.cycle import Pulse
from cachemon.engine.figures import (
    LOCAL_TRAFFIC,
    TOTAL_TRAFFIC,
    BlockFigure,
    Count,
    Figures,
    NodeBlockFigure,
    PackageFigure,
    ShareFigure,
    Traffic,
)
from cachemon.engine.layout import GroupState, unavailable_layout
from cachemon.interference.verdict_log import EndedKind, NodeVerdicts
from cachemon.interference.verdicts import OTHERS, Judgement, Level, Outcome
from cachemon.model.counter_totals import Gap
from cachemon.model.errors import ResctrlUnavailableError
from cachemon.model.groups import GroupKey
from cachemon.model.readings import BlockShare, CacheBlock, Missing, Reading
from cachemon.model.reasons import Reason
from cachemon.model.telemetry import CORE_ENERGY, ENERGY_EVENTS, PERF_EVENTS, UOPS_RETIRED, Package
from cachemon.telemetry.process_families import process_families
from tests.unit.agent.builders import BLOCKS, NODE, make_group, make_layout, make_object, make_target, mon_group
from tests.unit.interference.made_verdicts import make_logged, make_node_verdicts, make_verdict
from tests.unit.telemetry.open_metrics import families_of

GAPS = {Gap.RESTARTED: 2, Gap.OFFLINE: 0}
PULSE = Pulse(0, 0, samples=7, sample_seconds=0.5, overruns=1, reconciles=3)


def figures_of(layout: BoundLayout, occupancy: Reading) -> Figures:
    figure = BlockFigure(BLOCKS[1], occupancy, {TOTAL_TRAFFIC: Traffic(123_456, 100)})
    return Figures(
        wall_time=1.8e9,
        groups={GroupKey(t.uid, g.group.name): (figure,) for t in layout.targets for g in t.groups if g.mon_groups},
        node=tuple(NodeBlockFigure(block, 300, occupancy) for block in BLOCKS),
    )


WRITES = {"written": 4, "refused": 1}


def page_of(layout: BoundLayout, figures: Figures, wanted: MetricsFormat = MetricsFormat.TEXT) -> bytes:
    return prepare_page(NODE, layout, figures, pulse=PULSE, gaps=GAPS, writes=WRITES, wanted=wanted)()


def scrape(layout: BoundLayout, figures: Figures) -> list[Sample]:
    page = page_of(layout, figures).decode()
    return [sample for family in text_string_to_metric_families(page) for sample in family.samples]


def values(samples: Sequence[Sample], name: str) -> list[float]:
    return [sample.value for sample in samples if sample.name == name]


LAYOUT = make_layout(
    (make_target(make_object("vm3", spec={"vmiName": "db"})), [make_group("a", [mon_group(0)])]),
    (make_target(make_object("vm4")), [make_group("b", [], GroupState.WAITING)]),
)


def test_a_groups_series_carry_the_labels_of_kubevirt_and_ours() -> None:
    samples = scrape(LAYOUT, figures_of(LAYOUT, 4096))
    (occupancy,) = [sample for sample in samples if sample.name == "cachemon_cache_occupancy_bytes"]
    assert occupancy.value == 4096
    assert occupancy.labels == {
        "node": NODE, "namespace": "tenant-a", "name": "db", "object": "vm3", "group": "a", "cache_id": "8",
    }  # fmt: skip
    assert values(samples, "cachemon_memory_traffic_bytes_total") == [123_456]
    assert values(samples, "cachemon_group_monitored") == [1, 0]


def test_groups_are_counted_by_state_and_reason() -> None:
    counted = [sample for sample in scrape(LAYOUT, Figures()) if sample.name == "cachemon_groups"]
    assert [(sample.labels["state"], sample.labels["reason"], sample.value) for sample in counted] == [
        ("Monitored", "", 1),
        ("Waiting", "VCPUThreadMissing", 1),
    ]


def test_refused_groups_are_counted_and_have_no_series() -> None:
    (target, groups) = (make_target(make_object("vm3")), [make_group("a", [mon_group(0)])])
    refused = replace(target, refused=(make_group("b", []).group, make_group("c", []).group))
    samples = scrape(make_layout((refused, groups)), Figures())
    counted = [sample for sample in samples if sample.name == "cachemon_groups"]
    assert [(sample.labels["state"], sample.labels["reason"], sample.value) for sample in counted] == [
        ("Monitored", "", 1),
        ("Refused", "TooManyGroups", 2),
    ]
    assert not [sample for sample in samples if sample.labels.get("group") in ("b", "c")]


LARGEST = 2**64 - 1


@pytest.mark.pitfall(18)
@given(value=st.one_of(st.integers(0, LARGEST), st.just(LARGEST), st.just(2**53 + 1)))
def test_every_u64_is_shown_to_the_last_digit(value: int) -> None:
    figure = BlockFigure(BLOCKS[0], value, {TOTAL_TRAFFIC: Traffic(value, None)})
    figures = Figures(wall_time=1.8e9, groups={GroupKey("uid-of-vm3", "a"): (figure,)})
    page = page_of(LAYOUT, figures).decode().splitlines()
    for name in ("cachemon_cache_occupancy_bytes", "cachemon_memory_traffic_bytes_total"):
        (line,) = [line for line in page if line.startswith(f"{name}{{")]
        assert line.rpartition(" ")[2] == str(value)


def test_the_page_is_what_prometheus_clients_own_renderer_makes_of_small_numbers() -> None:
    figures = figures_of(LAYOUT, 4096)

    class Page(Collector):
        def collect(self) -> Iterator[Metric]:
            return metrics_of((NODE,), LAYOUT, figures, pulse=PULSE, gaps=GAPS, writes=WRITES)

    theirs = CollectorRegistry(auto_describe=False)
    theirs.register(Page())
    ours = {
        family.name: family
        for family in text_string_to_metric_families(page_of(LAYOUT, figures).decode())
        if not family.name.startswith("process_")
    }
    expected = {f.name: f for f in text_string_to_metric_families(generate_latest(theirs).decode()) if f.samples}
    assert ours == expected


def test_the_page_in_openmetrics_has_the_same_samples() -> None:
    layout = make_layout((make_target(make_object('we"ird\\')), [make_group('gr"oup\n', [mon_group(0)])]))
    figures = replace(figures_of(layout, 4096), verdicts=VERDICTS)
    page = page_of(layout, figures, MetricsFormat.OPEN_METRICS)
    assert page.endswith(b"\n# EOF\n")
    families = [it for it in families_of(page) if not it.name.startswith("process_")]
    assert [sample for family in families for sample in family.samples] == [
        sample for sample in scrape(layout, figures) if not sample.name.startswith("process_")
    ]
    counters = {family.name for family in FAMILIES if family.kind == "counter"}
    assert {f"{it.name}_total" for it in families if it.type == "counter"} <= counters
    assert b"_created" not in page


def test_the_page_has_the_version_and_what_the_process_takes() -> None:
    samples = scrape(LAYOUT, Figures())
    (build,) = [sample for sample in samples if sample.name == "cachemon_build_info"]
    assert (build.labels, build.value) == ({"node": NODE, "version": __version__}, 1)
    assert values(samples, "process_resident_memory_bytes")


def test_numa_nodes_of_a_cache_block_have_series_of_their_own_and_add_nothing_to_the_whole() -> None:
    key, moved = GroupKey("uid-of-vm3", "a"), {TOTAL_TRAFFIC: Traffic(7, 5)}
    shares = (
        ShareFigure(BlockShare(8, 2), 3072, moved),
        ShareFigure(BlockShare(8, 3), Missing.UNAVAILABLE, moved, uncounted={TOTAL_TRAFFIC}),
    )
    samples = scrape(LAYOUT, replace(figures_of(LAYOUT, 4096), shares={key: shares}))
    assert values(samples, "cachemon_cache_occupancy_bytes") == [4096]
    (occupancy,) = [sample for sample in samples if sample.name == "cachemon_numa_cache_occupancy_bytes"]
    assert (occupancy.value, occupancy.labels["cache_id"], occupancy.labels["numa_node"]) == (3072, "8", "2")
    assert values(samples, "cachemon_numa_memory_traffic_bytes_total") == [7]
    assert not values(scrape(LAYOUT, figures_of(LAYOUT, 4096)), "cachemon_numa_cache_occupancy_bytes")


def test_traffic_without_a_counter_has_no_series() -> None:
    figure = BlockFigure(BLOCKS[0], 4096, {TOTAL_TRAFFIC: Traffic(7, None)}, uncounted={TOTAL_TRAFFIC})
    figures = Figures(groups={GroupKey("uid-of-vm3", "a"): (figure,)}, guests={"tenant-a_db": (figure,)})
    samples = scrape(LAYOUT, figures)
    assert values(samples, "cachemon_cache_occupancy_bytes") == [4096]
    assert not values(samples, "cachemon_memory_traffic_bytes_total")
    assert not values(samples, "cachemon_vmi_memory_traffic_bytes_total")


def test_cache_ids_of_any_size_are_labels() -> None:
    """Arm MPAM takes them from the firmware's PPTT: 32 bits, with gaps."""
    blocks = [CacheBlock(3, id_, 1 << 20, "") for id_ in (1, 122, 4_194_305)]
    figures = Figures(
        wall_time=1.8e9,
        groups={GroupKey("uid-of-vm3", "a"): tuple(BlockFigure(block, 4096, {}) for block in blocks)},
        node=tuple(NodeBlockFigure(block, 8192, 4096) for block in blocks),
    )
    samples = scrape(LAYOUT, figures)
    for name in ("cachemon_cache_occupancy_bytes", "cachemon_cache_capacity_bytes"):
        ids = [sample.labels["cache_id"] for sample in samples if sample.name == name]
        assert ids == ["1", "122", "4194305"]


def test_what_was_not_read_has_no_series_and_its_counter_stays() -> None:
    samples = scrape(LAYOUT, figures_of(LAYOUT, Missing.UNAVAILABLE))
    assert values(samples, "cachemon_cache_occupancy_bytes") == []
    assert values(samples, "cachemon_node_cache_monitored_bytes") == []
    assert values(samples, "cachemon_node_cache_occupancy_bytes") == [300, 300]
    assert values(samples, "cachemon_memory_traffic_bytes_total") == [123_456]


@pytest.mark.pitfall(30)
def test_series_of_groups_that_are_gone_disappear() -> None:
    assert b'name="db"' in page_of(LAYOUT, figures_of(LAYOUT, 4096))
    later = page_of(make_layout(), figures_of(make_layout(), 0))
    assert b'name="db"' not in later
    assert b"cachemon_agent_objects" in later


def test_the_agents_own_figures_are_there() -> None:
    samples = scrape(LAYOUT, figures_of(LAYOUT, 1))
    assert values(samples, "cachemon_agent_samples_total") == [7]
    gaps = [sample for sample in samples if sample.name == "cachemon_agent_traffic_gaps_total"]
    assert {sample.labels["reason"]: sample.value for sample in gaps} == {"Restarted": 2, "Offline": 0}
    assert values(samples, "cachemon_agent_api_writes_total") == [1, 4]
    assert values(samples, "cachemon_rmids") == [64, 2, 1]
    assert values(samples, "cachemon_monitoring_available") == [1]
    assert values(samples, "cachemon_cache_capacity_bytes") == [64 << 20] * 2


@pytest.mark.pitfall(28)
def test_a_node_without_resctrl_differs_from_one_without_rmids() -> None:
    layout = unavailable_layout([make_target()], ResctrlUnavailableError(Reason.RESCTRL_NOT_MOUNTED, "mount it"))
    samples = scrape(layout, Figures(wall_time=1.8e9))
    assert values(samples, "cachemon_monitoring_available") == [0]
    assert values(samples, "cachemon_rmids") == []
    assert values(samples, "cachemon_group_monitored") == [0]


def test_odd_names_do_not_break_the_page() -> None:
    layout = make_layout((make_target(make_object('we"ird\\')), [make_group('gr"oup\n', [mon_group(0)])]))
    samples = scrape(layout, figures_of(layout, 5))
    assert [s.labels["group"] for s in samples if s.name == "cachemon_group_monitored"] == ['gr"oup\n']


@given(st.integers(0, LARGEST))
def test_every_decimal_of_energy_is_shown(millionths: int) -> None:
    figure = PackageFigure(
        Package(1), None, {CORE_ENERGY: Count(millionths * 1000, None), UOPS_RETIRED: Count(0, None)}
    )
    figures = Figures(wall_time=1.8e9, packages={GroupKey("uid-of-vm3", "a"): (figure,)})
    page = page_of(LAYOUT, figures).decode().splitlines()
    (line,) = [line for line in page if line.startswith("cachemon_core_energy_joules_total{")]
    assert Decimal(line.rpartition(" ")[2]) == Decimal(millionths).scaleb(-6)
    assert 'package="1"' in line


PACKAGES = (PackageFigure(Package(0), None, dict.fromkeys((*ENERGY_EVENTS, *PERF_EVENTS), Count(1, None))),)


VERDICTS = replace(
    make_node_verdicts(
        make_logged(make_verdict()),
        make_logged(make_verdict(block=8, slowdown_ratio=0.4, level=Level.CONFIRMED)),
        make_logged(
            make_verdict(victim="tenant-a/web", suspect=OTHERS, slowdown_ratio=None, level=Level.TAKING_CACHE)
        ),
        make_logged(make_verdict(victim="tenant-c/db", suspect=OTHERS)),
        judgements={"tenant-b/batch": Judgement.UNDISTURBED, "tenant-b/new": Judgement.TOO_YOUNG},
    ),
    ended={EndedKind(Level.LIKELY, Outcome.WITHDRAWN): 3},
)


def test_a_judged_vm_has_the_level_of_its_surest_verdict_and_others_have_none() -> None:
    samples = scrape(LAYOUT, replace(figures_of(LAYOUT, 1), verdicts=VERDICTS))
    levels = {
        (it.labels["namespace"], it.labels["name"]): it.value
        for it in samples
        if it.name == "cachemon_vmi_interference_level"
    }
    assert levels == {
        ("tenant-a", "vm3"): 3,
        ("tenant-a", "web"): 1,
        ("tenant-c", "db"): 2,
        ("tenant-b", "batch"): 0,
    }


def test_a_slowdown_names_victim_and_suspect_once_and_nothing_where_none_is_known() -> None:
    samples = scrape(LAYOUT, replace(figures_of(LAYOUT, 1), verdicts=VERDICTS))
    slowdowns = {
        tuple(it.labels.values()): it.value for it in samples if it.name == "cachemon_interference_slowdown_ratio"
    }
    assert slowdowns == {
        (NODE, "tenant-a", "vm3", "tenant-b", "batch"): 0.4,
        (NODE, "tenant-c", "db", "", ""): 0.21,
    }


def test_verdicts_that_ended_are_counted_and_the_node_has_a_ratio() -> None:
    samples = scrape(LAYOUT, replace(figures_of(LAYOUT, 1), verdicts=VERDICTS))
    assert values(samples, "cachemon_interference_verdicts_total") == [3]
    assert values(samples, "cachemon_node_interference_ratio") == [pytest.approx((0.4 + 0.21) / 4)]


def test_without_judged_vms_there_is_no_ratio_and_without_the_switch_no_metric() -> None:
    assert (
        values(
            scrape(LAYOUT, replace(figures_of(LAYOUT, 1), verdicts=NodeVerdicts())),
            "cachemon_node_interference_ratio",
        )
        == []
    )
    assert b"interference" not in page_of(LAYOUT, figures_of(LAYOUT, 1))


def test_every_metric_is_one_of_the_documented_with_its_labels() -> None:
    documented = {family.name: family.labels for family in FAMILIES}
    traffic = {event: Traffic(1, None) for event in (TOTAL_TRAFFIC, LOCAL_TRAFFIC)}
    figures = (BlockFigure(BLOCKS[0], 1, traffic),)
    sampled = figures_of(LAYOUT, 1)
    guests = {target.object.guest_name: figures for target in LAYOUT.targets}
    groups = dict.fromkeys(sampled.groups, figures)
    samples = scrape(
        LAYOUT,
        replace(
            sampled,
            groups=groups,
            guests=guests,
            packages=dict.fromkeys(groups, PACKAGES),
            shares=dict.fromkeys(groups, (ShareFigure(BlockShare(0, 0), 1, traffic),)),
            guest_packages=dict.fromkeys(guests, PACKAGES),
            verdicts=VERDICTS,
        ),
    )
    documented |= {family.name: () for family in process_families()}
    assert {sample.name: tuple(sample.labels) for sample in samples} == documented
