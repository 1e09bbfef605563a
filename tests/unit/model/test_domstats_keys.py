from dataclasses import replace
from decimal import Decimal

from cachemon.model.domstats_keys import KeyStyle, keys_of, render_keys
from cachemon.model.group_reports import BlockReport, GroupReport, PackageReport, name_groups, problems_of
from cachemon.model.groups import parse_group
from cachemon.model.kept_groups import Keeper


def report(name: str, vcpus: str | None, *blocks: BlockReport, state: str = "Monitored") -> GroupReport:
    group = parse_group({"name": name, "vcpus": vcpus, "threads": ["IOThread"]})
    shown = None if group.vcpus is None else tuple(group.vcpus)
    return GroupReport(group, shown, Keeper.CONFIG, state, "Reason", "", blocks)


IO = report("io", None, BlockReport(0, 4096), BlockReport(8, None, reading="Unavailable"))
GROUPS = {
    "vcpus_0-2": report("vcpus_0-2", "0-2", BlockReport(0, 59 * 2**20, 7, 9), BlockReport(8, 5 * 2**30, None, 3)),
    "io": IO,
    "vcpus_5": report("vcpus_5", "5"),
}


def test_the_rfcs_keys_have_expanded_lists_and_block_ids() -> None:
    assert keys_of(GROUPS, KeyStyle.RFC) == [
        ("cpu.cacheoccupancy.vcpus_0-2.vcpus", "0,1,2"),
        ("cpu.cacheoccupancy.vcpus_0-2.0.value", "61865984"),
        ("cpu.cacheoccupancy.vcpus_0-2.8.value", "5368709120"),
        ("cpu.cacheoccupancy.io.0.value", "4096"),
        ("cpu.cacheoccupancy.vcpus_5.vcpus", "5"),
    ]


def test_libvirts_keys_count_and_a_block_without_a_number_is_not_counted() -> None:
    pairs = dict(keys_of(GROUPS, KeyStyle.LIBVIRT))
    assert {key: value for key, value in pairs.items() if key.startswith("cpu.cache.")} == {
        "cpu.cache.monitor.count": "3",
        "cpu.cache.monitor.0.name": "vcpus_0-2",
        "cpu.cache.monitor.0.vcpus": "0-2",
        "cpu.cache.monitor.0.bank.count": "2",
        "cpu.cache.monitor.0.bank.0.id": "0",
        "cpu.cache.monitor.0.bank.0.bytes": "61865984",
        "cpu.cache.monitor.0.bank.1.id": "8",
        "cpu.cache.monitor.0.bank.1.bytes": "5368709120",
        "cpu.cache.monitor.1.name": "io",
        "cpu.cache.monitor.1.vcpus": "",
        "cpu.cache.monitor.1.bank.count": "1",
        "cpu.cache.monitor.1.bank.0.id": "0",
        "cpu.cache.monitor.1.bank.0.bytes": "4096",
        "cpu.cache.monitor.2.name": "vcpus_5",
        "cpu.cache.monitor.2.vcpus": "5",
        "cpu.cache.monitor.2.bank.count": "0",
    }


def test_libvirts_memory_keys_are_there_where_traffic_is_counted() -> None:
    pairs = [(key, value) for key, value in keys_of(GROUPS, KeyStyle.LIBVIRT) if key.startswith("memory.")]
    assert pairs == [
        ("memory.bandwidth.monitor.count", "1"),
        ("memory.bandwidth.monitor.0.name", "vcpus_0-2"),
        ("memory.bandwidth.monitor.0.vcpus", "0-2"),
        ("memory.bandwidth.monitor.0.node.count", "2"),
        ("memory.bandwidth.monitor.0.node.0.id", "0"),
        ("memory.bandwidth.monitor.0.node.0.bytes.local", "7"),
        ("memory.bandwidth.monitor.0.node.0.bytes.total", "9"),
        ("memory.bandwidth.monitor.0.node.1.id", "8"),
        ("memory.bandwidth.monitor.0.node.1.bytes.total", "3"),
    ]
    assert keys_of({}, KeyStyle.LIBVIRT) == [("cpu.cache.monitor.count", "0")]


def test_telemetry_stands_under_a_prefix_of_its_own_with_all_its_decimals() -> None:
    counted = PackageReport(1, {"core_energy": Decimal("4.250000001"), "uops_retired": Decimal(10**21)})
    lacks = PackageReport(0, {"core_energy": Decimal(0)}, "Unavailable")
    group = replace(report("a", "5"), packages=(lacks, counted), age_seconds=2.0)
    assert keys_of({"a": group}, KeyStyle.RFC)[1:] == [
        ("cachemon.package.a.1.core_energy", "4.250000001"),
        ("cachemon.package.a.1.uops_retired", "1000000000000000000000"),
        ("cachemon.age.a", "2"),
    ]
    assert not [key for key, _ in keys_of({"a": group}, KeyStyle.LIBVIRT) if key.startswith("cachemon.")]
    assert list(problems_of("a", group)) == ["a: telemetry of CPU package 0 reads Unavailable"]


def test_the_layout_is_that_of_virsh_domstats() -> None:
    pairs = keys_of({"vcpus_5": GROUPS["vcpus_5"]}, KeyStyle.RFC)
    assert render_keys("vm3", pairs) == "Domain: 'vm3'\n  cpu.cacheoccupancy.vcpus_5.vcpus=5"


def test_a_later_group_of_a_name_gets_another_one() -> None:
    other = report("vm3.io", None)
    assert name_groups([("vm3", other), ("vm2", IO), ("vm3", IO)]) == {"vm3.io": other, "io": IO, "vm3.vm3.io": IO}


def test_problems_say_what_has_no_number() -> None:
    assert list(problems_of("io", IO)) == ["io: cache block 8 reads Unavailable"]
    assert list(problems_of("x", report("io", None, state="Waiting"))) == ["x: Waiting, Reason"]
