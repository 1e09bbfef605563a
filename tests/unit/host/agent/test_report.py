from dataclasses import replace
from decimal import Decimal

from cachemon.engine.figures import BlockFigure, Count, Figures, NodeBlockFigure, PackageFigure, Traffic
from cachemon.engine.layout import GroupLayout, GroupState, unavailable_layout
from cachemon.host.agent.report import HostSample, report_of
from cachemon.host.agent.watched_domains import watch
from cachemon.host.wire import BlockUse, HostBlock
from cachemon.model.errors import ResctrlUnavailableError
from cachemon.model.group_reports import BlockReport, GroupReport, PackageReport
from cachemon.model.groups import GroupKey, MonitoringGroup
from cachemon.model.kept_groups import Keeper
from cachemon.model.mon_groups import ROOT, MonGroupName
from cachemon.model.readings import Missing, Reading
from cachemon.model.reasons import Reason
from cachemon.model.telemetry import Package
from cachemon.model.vcpus import VcpuSet
from cachemon.qemu.domain_processes import Run
from tests.unit.host.builders import (
    ALL,
    BLOCKS,
    IO,
    UUID,
    WEB,
    layout_of,
    mon_group,
    own_monitor,
    qemu,
    running,
    well,
)

RUNS = {UUID: Run(60, 4242)}
THEIRS = MonGroupName(ROOT, "qemu-3-vm1-vcpus_0")


def figures_of(group: MonitoringGroup, occupancy: Reading | None = 4096, **traffic: int) -> Figures:
    moved = {event: Traffic(total, None) for event, total in traffic.items()}
    blocks = tuple(BlockFigure(block, occupancy, moved) for block in BLOCKS)
    return Figures(wall_time=1_800_000_000.0, groups={GroupKey(UUID, group.name): blocks})


def test_a_group_has_its_keeper_state_and_figures() -> None:
    domain = watch(running(WEB), [])
    figures = figures_of(WEB, mbm_total_bytes=2**60, mbm_local_bytes=5)
    snapshot = HostSample(layout_of(domain, well(WEB, mon_group(1))), figures)
    report = report_of([domain], snapshot, RUNS, "", 0.5)
    assert (report.observed_time, report.problem, report.period_seconds) == ("2027-01-15T08:00:00Z", "", 0.5)
    (domain_report,) = report.domains
    assert (domain_report.name, domain_report.uuid, domain_report.pid) == ("vm1", UUID, 60)
    blocks = tuple(BlockReport(block.id, 4096, 5, 2**60, "Valid") for block in BLOCKS)
    assert domain_report.groups == (GroupReport(WEB, (0,), Keeper.CONFIG, "Monitored", "", "", blocks),)


def test_telemetry_is_reported_by_package_with_all_its_decimals() -> None:
    domain = watch(running(WEB), [])
    packages = (
        PackageFigure(
            Package(0), None, {"core_energy": Count(4_250_000_001, 5), "uops_retired": Count(7 * 10**9, 1)}
        ),
        PackageFigure(Package(1), Missing.UNAVAILABLE, {"core_energy": Count(0, None)}),
    )
    figures = replace(figures_of(WEB), packages={GroupKey(UUID, "web"): packages})
    snapshot = HostSample(layout_of(domain, well(WEB, mon_group(1))), figures)
    (domain_report,) = report_of([domain], snapshot, RUNS, "").domains
    assert domain_report.groups[0].packages == (
        PackageReport(0, {"core_energy": Decimal("4.250000001"), "uops_retired": Decimal(7)}),
        PackageReport(1, {"core_energy": Decimal(0)}, "Unavailable"),
    )


def test_what_is_not_counted_and_what_was_not_read_is_no_number() -> None:
    domain = watch(running(WEB), [])
    snapshot = HostSample(layout_of(domain, well(WEB, mon_group(1))), figures_of(WEB, Missing.UNAVAILABLE))
    (domain_report,) = report_of([domain], snapshot, RUNS, "").domains
    assert domain_report.groups[0].blocks[0] == BlockReport(0, None, None, None, "Unavailable")


def test_a_group_that_waits_says_why_and_one_of_helper_threads_has_no_vcpus() -> None:
    domain = watch(running(IO), [])
    waits = GroupLayout(IO, GroupState.WAITING, Reason.OUT_OF_RMIDS, "needs 1 RMID", (), 1, ())
    (domain_report,) = report_of([domain], HostSample(layout_of(domain, waits)), RUNS, "").domains
    assert domain_report.groups == (GroupReport(IO, None, Keeper.CONFIG, "Waiting", "OutOfRMIDs", "needs 1 RMID"),)


def test_libvirts_own_monitors_come_last_with_figures_of_their_own() -> None:
    own = own_monitor("0")
    domain = watch(running(own=[own]), [ALL])
    theirs = layout_of(domain, well(own.group, THEIRS))
    own_figures = figures_of(own.group, 7)
    snapshot = HostSample(layout_of(domain, well(ALL, mon_group(1))), figures_of(ALL), theirs, own_figures)
    (domain_report,) = report_of([domain], snapshot, RUNS, "").domains
    assert [(it.group.name, it.kept, it.blocks[0].occupancy_bytes) for it in domain_report.groups] == [
        ("all", "live", 4096),
        ("vcpus_0", "libvirt", 7),
    ]


def test_a_group_that_is_newer_than_the_snapshot_waits_and_one_that_is_older_is_gone() -> None:
    domain = watch(running(WEB), [])
    snapshot = HostSample(layout_of(domain, well(WEB, mon_group(1))), figures_of(WEB))
    newer = watch(running(), [ALL])
    (domain_report,) = report_of([newer], snapshot, RUNS, "").domains
    (group,) = domain_report.groups
    assert (group.group, group.kept, group.state, group.blocks) == (ALL, "live", "Waiting", ())
    assert "has not handled it yet" in group.message


def test_a_group_of_the_same_name_that_wants_something_else_is_not_taken_for_the_one_before() -> None:
    domain = watch(running(WEB), [])
    snapshot = HostSample(layout_of(domain, well(WEB, mon_group(1))), figures_of(WEB))
    other = MonitoringGroup("web", VcpuSet.of({1}), all_vcpus=False, threads=frozenset())
    (domain_report,) = report_of([watch(running(other), [])], snapshot, RUNS, "").domains
    assert (domain_report.groups[0].group, domain_report.groups[0].blocks) == (other, ())


def test_problems_of_a_domain_of_libvirt_and_of_the_machine_are_reported() -> None:
    domain = watch(running(problem="correct it"), [])
    layout = layout_of(domain, qemus=[qemu()])
    assert report_of([domain], HostSample(layout), RUNS, "libvirt is away").problem == "libvirt is away"
    assert report_of([domain], HostSample(layout), RUNS, "").domains[0].problem == "correct it"
    none = unavailable_layout(
        [it.target for it in layout.targets], ResctrlUnavailableError(Reason.RESCTRL_NOT_MOUNTED, "mount it")
    )
    assert report_of([domain], HostSample(none), RUNS, "").problem == "mount it"


def test_before_the_first_sample_there_is_no_time() -> None:
    report = report_of([watch(running(), [])], HostSample(), {}, "")
    assert (report.observed_time, report.domains[0].pid, report.domains[0].groups) == ("", None, ())


def test_the_host_has_its_blocks_and_each_domain_its_sums() -> None:
    domain = watch(running(WEB), [])
    blocks = tuple(BlockFigure(block, 4096, {"mbm_total_bytes": Traffic(9, 3)}) for block in BLOCKS)
    node = NodeBlockFigure(BLOCKS[0], 9000, 4096), NodeBlockFigure(BLOCKS[1], Missing.ERROR, 4096)
    figures = Figures(groups={GroupKey(UUID, "web"): blocks}, guests={"vm1": blocks}, node=node)
    report = report_of([domain], HostSample(layout_of(domain, well(WEB, mon_group(1))), figures), RUNS, "")
    assert report.blocks == (HostBlock(0, 64 << 20, 9000), HostBlock(8, 64 << 20, None, "Error"))
    assert report.domains[0].uses == (BlockUse(0, 4096, 3), BlockUse(8, 4096, 3))
    assert report.domains[0].groups[0].blocks[0] == BlockReport(0, 4096, None, 9, "Valid", None, 3)
