from dataclasses import replace

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from cachemon import __version__
from cachemon.daemon.metrics_formats import MetricsFormat
from cachemon.engine.cycle import Pulse
from cachemon.engine.figures import BlockFigure, Count, Figures, NodeBlockFigure, PackageFigure, ShareFigure, Traffic
from cachemon.engine.layout import GroupLayout, GroupState
from cachemon.host.agent.host_metrics import FAMILIES, prepare_page
from cachemon.host.agent.report import HostSample
from cachemon.host.agent.watched_domains import watch
from cachemon.interference.verdict_log import EndedKind
from cachemon.interference.verdicts import Level, Outcome
from cachemon.model.counter_totals import Gap
from cachemon.model.groups import GroupKey
from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.model.readings import BlockShare, Missing
from cachemon.model.reasons import Reason
from cachemon.model.telemetry import ENERGY_EVENTS, PERF_EVENTS, Package
from cachemon.telemetry.process_families import process_families
from tests.unit.host.builders import BLOCKS, IO, UUID, WEB, layout_of, mon_group, own_monitor, running, well
from tests.unit.interference.made_verdicts import make_logged, make_node_verdicts, make_verdict
from tests.unit.telemetry.open_metrics import families_of

MOVED = {"mbm_total_bytes": Traffic(2**63 + 1, 5), "mbm_local_bytes": Traffic(7, 5)}
READ = (BlockFigure(BLOCKS[0], 4096, MOVED), BlockFigure(BLOCKS[1], Missing.ERROR, MOVED))


PACKAGES = (PackageFigure(Package(0), None, dict.fromkeys((*ENERGY_EVENTS, *PERF_EVENTS), Count(1, None))),)


VERDICTS = replace(
    make_node_verdicts(make_logged(make_verdict('v"m', "batch"))),
    ended={EndedKind(Level.LIKELY, Outcome.VERIFIED): 2},
)


def snapshot() -> HostSample:
    own = own_monitor("0")
    domain = watch(running(WEB, own=[own], name='v"m'), [IO])
    waits = GroupLayout(IO, GroupState.WAITING, Reason.NO_SUCH_THREAD, "none", (), 0, ())
    theirs = layout_of(domain, well(own.group, MonGroupName(ROOT, "qemu-3-vm1-vcpus_0")))
    return HostSample(
        layout_of(domain, well(WEB, mon_group(1)), waits),
        Figures(
            wall_time=1.8e9,
            groups={GroupKey(UUID, "web"): READ},
            guests={'v"m': READ},
            packages={GroupKey(UUID, "web"): PACKAGES},
            shares={GroupKey(UUID, "web"): (ShareFigure(BlockShare(0, 0), 1024, MOVED),)},
            guest_packages={'v"m': PACKAGES},
            verdicts=VERDICTS,
            node=(NodeBlockFigure(BLOCKS[0], 8192, 4096), NodeBlockFigure(BLOCKS[1], Missing.ERROR, 0)),
        ),
        theirs,
        Figures(groups={GroupKey(UUID, "vcpus_0"): READ[:1]}),
    )


PULSE = Pulse(0, 0, reconciles=3, samples=4, sample_seconds=0.5, overruns=1)


def scrape(what: HostSample, *, is_connected: bool = True) -> list[Sample]:
    page = prepare_page(what, PULSE, {Gap.REGROUPED: 2}, is_connected=is_connected)().decode()
    return [it for family in text_string_to_metric_families(page) for it in family.samples]


def values(samples: list[Sample], name: str) -> dict[tuple[str, ...], float]:
    return {tuple(it.labels.values()): it.value for it in samples if it.name == name}


def test_series_of_groups_carry_their_domain_and_who_keeps_them() -> None:
    samples = scrape(snapshot())
    assert values(samples, "cachemon_host_cache_occupancy_bytes") == {
        ('v"m', "web", "config", "0"): 4096,
        ('v"m', "vcpus_0", "libvirt", "0"): 4096,
    }
    assert values(samples, "cachemon_host_group_monitored") == {
        ('v"m', "web", "config"): 1,
        ('v"m', "io", "live"): 0,
        ('v"m', "vcpus_0", "libvirt"): 1,
    }
    assert values(samples, "cachemon_host_groups") == {("Monitored", ""): 2, ("Waiting", "NoSuchThread"): 1}
    assert len(values(samples, "cachemon_host_memory_traffic_bytes_total")) == 3


def test_domains_and_the_host_have_series_of_their_own() -> None:
    samples = scrape(snapshot())
    assert values(samples, "cachemon_host_domain_cache_occupancy_bytes") == {('v"m', "0"): 4096}
    assert len(values(samples, "cachemon_host_domain_memory_traffic_bytes_total")) == 2
    assert values(samples, "cachemon_host_cache_used_bytes") == {("0",): 8192}
    assert values(samples, "cachemon_host_rmids") == {("total",): 64, ("ours",): 2, ("others",): 1}
    assert values(samples, "cachemon_host_monitoring_available") == {(): 1}


def test_counters_keep_every_digit() -> None:
    page = prepare_page(snapshot(), Pulse(0, 0), {}, is_connected=True)().decode()
    assert f" {2**63 + 1}\n" in page


def test_verdicts_name_domains_and_are_absent_where_nobody_judges() -> None:
    samples = scrape(snapshot())
    assert values(samples, "cachemon_host_domain_interference_level") == {('v"m',): 2}
    assert values(samples, "cachemon_host_interference_slowdown_ratio") == {('v"m', "batch"): 0.21}
    assert values(samples, "cachemon_host_interference_verdicts_total") == {("Likely", "Verified"): 2}
    assert values(samples, "cachemon_host_interference_ratio") == {(): 0.21}
    assert not [it for it in scrape(HostSample()) if "interference" in it.name]


def test_libvirts_absence_is_a_metric() -> None:
    assert values(scrape(HostSample(), is_connected=False), "cachemon_host_libvirt_connected") == {(): 0}


def test_the_page_in_openmetrics_has_the_same_samples() -> None:
    wanted = MetricsFormat.OPEN_METRICS
    page = prepare_page(snapshot(), PULSE, {Gap.REGROUPED: 2}, is_connected=True, wanted=wanted)()
    samples = [it for family in families_of(page) for it in family.samples]

    def own(them: list[Sample]) -> list[Sample]:
        return [it for it in them if it.name.startswith("cachemon_")]

    assert own(samples) == own(scrape(snapshot()))


def test_the_page_has_the_version_and_what_the_process_takes() -> None:
    samples = scrape(HostSample())
    assert values(samples, "cachemon_host_build_info") == {(__version__,): 1}
    assert values(samples, "process_resident_memory_bytes")


def test_every_metric_is_one_of_the_documented_with_its_labels() -> None:
    documented = {family.name: family.labels for family in (*FAMILIES, *process_families())}
    assert {it.name: tuple(it.labels) for it in scrape(snapshot())} == documented
