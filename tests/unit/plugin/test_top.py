import csv
import io
import json
from typing import Any

import pytest

from cachemon.commands.usage_rows import guest_rows
from cachemon.plugin.plugin_arguments import SORT_KEYS
from cachemon.plugin.top import VIEWS
from cachemon.plugin.usage import group_rows
from tests.unit.plugin.fake_api import GROUPS, NODES, NOW, Plugin, block, cmg, cmn, group_status, ready

MIB = 2**20
HEAVY = {"namespace": "ns", "name": "vm3", "occupancyBytes": 9 * MIB}


def fleet() -> Plugin:
    plugin = Plugin()
    vm1 = [group_status("vcpus_all", block(0, 3 * MIB, rate=10**8), block(1, MIB, rate=10**6), vcpus=[0, 1])]
    plugin.api.put(GROUPS, cmg("vm1", "vm1", status=vm1))
    vm3 = [
        group_status("vcpus_0", block(0, 10 * MIB, rate=10**9), block(1, 0, rate=0), vcpus=[0]),
        group_status("vcpus_1", block(0, 2 * MIB, rate=10**7), block(1, MIB, rate=0), vcpus=[1]),
    ]
    plugin.api.put(GROUPS, cmg("vm3", "vm3", [{"vcpus": "0"}, {"vcpus": "1"}], status=vm3, node="node02"))
    return plugin


def lines(plugin: Plugin, *arguments: str) -> list[list[str]]:
    done = plugin.run("top", *arguments)
    assert done.code == 0, done.err
    assert all(len(line) < 80 for line in done.out.splitlines())
    return [line.split() for line in done.out.splitlines()]


def test_vmis_are_sorted_by_what_they_hold_and_their_groups_summed_up() -> None:
    assert lines(fleet(), "--once") == [
        ["NAMESPACE", "VMI", "NODE", "HELD", "BANDWIDTH", "AGE", "CACHE"],
        ["ns", "vm3", "node02", "13Mi", "1010M", "2s", "[#....]", "20%"],
        ["ns", "vm1", "node01", "4.0Mi", "101M", "2s", "[.....]", "6%"],
    ]


def test_what_is_no_terminal_gets_the_table_once() -> None:
    assert len(lines(fleet())) == 3


def test_groups_have_rows_of_their_own() -> None:
    assert [line[2] for line in lines(fleet(), "--by", "group", "--no-headers")] == [
        "vcpus_0",
        "vcpus_all",
        "vcpus_1",
    ]
    assert [line[2] for line in lines(fleet(), "vm3", "--by", "group", "--no-headers")] == ["vcpus_0", "vcpus_1"]


@pytest.mark.parametrize(
    ("key", "order"), [("bandwidth", ["vm3", "vm1"]), ("name", ["vm1", "vm3"]), ("share", ["vm3", "vm1"])]
)
def test_another_order_can_be_asked_for(key: str, order: list[str]) -> None:
    assert [line[1] for line in lines(fleet(), "--sort-by", key, "--no-headers")] == order


def test_groups_that_overlap_are_counted_once() -> None:
    groups: list[dict[str, Any]] = [
        {"name": "all", "vcpus": "all"},
        {"name": "half", "vcpus": "0-1"},
        {"name": "io", "threads": ["IOThread"]},
    ]
    status = [
        group_status("all", block(0, 8), vcpus=[0, 1, 2, 3]),
        group_status("half", block(0, 5), vcpus=[0, 1]),
        group_status("io", block(0, 2)),
    ]
    (row,) = guest_rows(group_rows([cmg(groups=groups, status=status)], NOW))
    assert (row.occupancy, row.at_least) == (10, False)


def test_a_sum_that_leaves_threads_out_says_so() -> None:
    status = [
        group_status("vcpus_0-2", block(0, 8 * MIB), vcpus=[0, 1, 2]),
        group_status("vcpus_2-3", block(0, 5 * MIB), vcpus=[2, 3]),
    ]
    plugin = Plugin()
    plugin.api.put(GROUPS, cmg(groups=[{"vcpus": "0-2"}, {"vcpus": "2-3"}], status=status))
    assert lines(plugin, "--no-headers")[0][3] == ">8.0Mi"


def test_groups_of_several_objects_of_a_vmi_are_one_row() -> None:
    plugin = Plugin()
    plugin.api.put(
        GROUPS, cmg("a", groups=[{"vcpus": "0"}], status=[group_status("vcpus_0", block(0, MIB), vcpus=[0])])
    )
    plugin.api.put(
        GROUPS, cmg("b", groups=[{"vcpus": "1"}], status=[group_status("vcpus_1", block(0, MIB), vcpus=[1])])
    )
    assert [line[3] for line in lines(plugin, "--no-headers")] == ["2.0Mi"]


def test_old_and_missing_figures_are_no_figures_but_reasons() -> None:
    plugin = Plugin()
    silent = ready("Unknown", "AgentNotReporting", "silent")
    plugin.api.put(
        GROUPS, cmg("a", "a", status=[group_status("vcpus_all", block(0, 5), vcpus=[0])], condition=silent)
    )
    plugin.api.put(GROUPS, cmg("b", "b", condition=ready("False", "VMINotRunning", "off"), node=""))
    gap = [group_status("vcpus_all", block(0, 5), block(1, None, reading="Unavailable"), vcpus=[0])]
    plugin.api.put(GROUPS, cmg("c", "c", status=gap))
    assert lines(plugin, "--no-headers") == [
        ["ns", "a", "node01", "-", "-", "2s", "AgentNotReporting"],
        ["ns", "b", "-", "-", "-", "-", "VMINotRunning"],
        ["ns", "c", "node01", "-", "-", "2s", "Unavailable"],
    ]


@pytest.mark.parametrize("left", [[group_status("h", vcpus=[1])], [group_status("h")], []])
def test_figures_that_a_status_leaves_out_are_none_and_the_sum_is_at_least_that(left: list[dict[str, Any]]) -> None:
    plugin = Plugin()
    groups = [{"name": "g", "vcpus": "0"}, {"name": "h", "vcpus": "1"}]
    obj = cmg("a", "a", groups, status=[group_status("g", block(0, MIB), vcpus=[0]), *left])
    obj["status"]["omitted"] = "left out: something of 1 of 2 groups (h)"
    plugin.api.put(GROUPS, obj)
    ((*_, occupancy, _, _, _, _, reason),) = lines(plugin, "--no-headers")
    assert (occupancy, reason) == (">1.0Mi", "Omitted")
    first, second = lines(plugin, "--by", "group", "--no-headers")
    assert "h" in second
    assert "Omitted" in second
    assert "Omitted" not in first


def test_figures_that_are_old_are_not_shown_whatever_ready_says() -> None:
    """As when the operator is away while agents die: nobody takes Ready back."""
    plugin = Plugin()
    old = [group_status("vcpus_all", block(0, 5 * MIB), vcpus=[0])]
    plugin.api.put(GROUPS, cmg("a", "a", status=old, observed="2026-09-21T14:00:00Z"))
    plugin.api.put(GROUPS, cmg("b", "b", status=old, observed="2026-09-21T14:10:10Z"))
    ahead = "2026-09-21T14:23:20Z"
    plugin.api.put(GROUPS, cmg("c", "c", status=old, observed=ahead))
    assert lines(plugin, "--no-headers") == [
        ["ns", "c", "node01", "5.0Mi", "-", "10m(ahead)", "[#....]", "16%"],
        ["ns", "a", "node01", "-", "-", "13m(old)", "AgentNotReporting"],
        ["ns", "b", "node01", "-", "-", "3m(old)", "AgentNotReporting"],
    ]
    assert "c: the time of the figures lies 10m in the future" in plugin.run("top").err


def test_a_vmi_is_as_old_as_the_oldest_of_its_figures() -> None:
    plugin = Plugin()
    for name, observed in (("a", "2026-09-21T14:13:18Z"), ("b", "2026-09-21T14:12:20Z")):
        status = [group_status(name, block(0, MIB), vcpus=[0])]
        plugin.api.put(GROUPS, cmg(name, groups=[{"name": name, "vcpus": "0"}], status=status, observed=observed))
    assert lines(plugin, "--no-headers")[0][5] == "60s"
    assert json.loads(plugin.run("top", "-o", "json").out)[0]["ageSeconds"] == 60


def test_what_is_wrong_with_one_age_of_a_vmi_is_not_hidden_by_an_older_one() -> None:
    plugin = Plugin()
    for name, observed in (("a", "2026-09-21T14:23:20Z"), ("b", "2026-09-21T14:12:20Z")):
        status = [group_status(name, block(0, MIB), vcpus=[0])]
        plugin.api.put(GROUPS, cmg(name, groups=[{"name": name, "vcpus": "0"}], status=status, observed=observed))
    assert lines(plugin, "--no-headers")[0][5] == "10m(ahead)"


def test_blocks_and_nodes_say_who_holds_most() -> None:
    plugin = Plugin()
    full = block(0, 16 * MIB) | {"monitoredBytes": 9 * MIB, "heaviestVMIs": [HEAVY]}
    plugin.api.put(NODES, cmn("node01", full, block(4, None, reading="Unavailable"), heaviestVMIs=[HEAVY]))
    plugin.api.put(NODES, cmn("node02", block(0, MIB), observed="2026-09-21T14:00:00Z"))
    assert lines(plugin, "--by", "block", "--no-headers") == [
        ["node01", "0", "16Mi", "32Mi", "9.0Mi", "ns/vm3", "9.0Mi", "2s", "[##...]", "50%"],
        ["node01", "4", "-", "32Mi", "-", "-", "2s", "Unavailable"],
        ["node02", "0", "-", "32Mi", "-", "-", "13m(old)", "AgentNotReporting"],
    ]
    assert lines(plugin, "--by", "node", "--no-headers") == [
        ["node01", "-", "64Mi", "3/64", "ns/vm3", "2s", "Unavailable"],
        ["node02", "-", "32Mi", "-", "-", "13m(old)", "AgentNotReporting"],
    ]


def test_wide_names_are_cut_for_a_line_of_80() -> None:
    plugin = Plugin()
    status = [group_status("g" * 60, block(0, MIB, rate=1), vcpus=[0])]
    plugin.api.put(GROUPS, cmg("n" * 60, "v" * 60, status=status, node="w" * 60))
    assert "~" in lines(plugin, "--by", "group", "--no-headers")[0][2]


def test_json_has_exact_numbers_and_whole_names() -> None:
    rows = json.loads(fleet().run("top", "-o", "json").out)
    assert rows[0] == {
        "occupancyBytes": 13 * MIB,
        "capacityBytes": 64 * MIB,
        "ageSeconds": 2,
        "namespace": "ns",
        "vmiName": "vm3",
        "nodeName": "node02",
        "totalBytesPerSecond": 1_010_000_000,
        "atLeast": False,
    }


def test_an_empty_table_says_so() -> None:
    found = Plugin().run("top")
    assert found.out == "nothing is monitored here\n"
    assert found.err == "only namespace ns is shown; -A shows all\n"
    assert Plugin().run("top", "-A").err == ""


def test_options_that_are_not_valid_are_refused() -> None:
    assert "--by node shows nodes, which belong to no VMI: leave 'vm3', 'vm4' out" in (
        Plugin().run("top", "vm3", "vm4", "--by", "node").err
    )
    assert "--duration -1 must be above 0" in Plugin().run("top", "--duration", "-1").err
    assert "--interval nan must be above 0" in Plugin().run("top", "--interval", "nan").err
    assert "--interval 0 must be above 0" in Plugin().run("top", "--interval", "0").err


def test_several_vmis_can_be_named() -> None:
    plugin = fleet()
    plugin.api.put(GROUPS, cmg("vm4", "vm4", status=[group_status("vcpus_all", block(0, MIB), vcpus=[0])]))
    assert [line[1] for line in lines(plugin, "vm1", "vm3", "--no-headers")] == ["vm3", "vm1"]


def test_wide_has_more_columns_and_cuts_nothing() -> None:
    plugin = Plugin()
    status = [group_status("g" * 60, block(0, MIB, rate=1), vcpus=[0])]
    plugin.api.put(GROUPS, cmg("object", "v" * 60, status=status, node="w" * 60))
    head, row = plugin.run("top", "--by", "group", "-o", "wide").out.splitlines()
    assert head.split() == [
        *("NAMESPACE", "VMI", "GROUP", "OBJECT", "NODE", "HELD", "OF", "BANDWIDTH", "LOCAL", "AGE", "TREND", "CACHE"),
    ]
    assert row.split() == [
        *("ns", "v" * 60, "g" * 60, "object", "w" * 60, "1.0Mi", "32Mi", "1", "-", "2s", "-", "[.....]", "3%"),
    ]


def test_csv_has_the_names_of_json_exact_bytes_and_a_cell_for_what_is_missing() -> None:
    plugin = fleet()
    plugin.api.put(GROUPS, cmg("off", "off", condition=ready("False", "VMINotRunning", "off"), node=""))
    done, names = plugin.run("top", "-o", "csv"), "namespace,vmiName,nodeName"
    assert done.out.splitlines() == [
        f"{names},occupancyBytes,capacityBytes,ageSeconds,reason,totalBytesPerSecond,localBytesPerSecond,atLeast",
        f"ns,vm3,node02,{13 * MIB},{64 * MIB},2,,1010000000,,false",
        f"ns,vm1,node01,{4 * MIB},{64 * MIB},2,,101000000,,false",
        "ns,off,,,,,VMINotRunning,,,false",
    ]
    assert plugin.run("top", "-o", "csv", "--no-headers").out.count("\r\n") == 3


@pytest.mark.parametrize("by", ["vmi", "group", "block", "node"])
def test_csv_and_json_say_the_same(by: str) -> None:
    plugin = fleet()
    full = block(0, 16 * MIB) | {"monitoredBytes": 9 * MIB, "heaviestVMIs": [HEAVY]}
    plugin.api.put(NODES, cmn("node01", full, heaviestVMIs=[HEAVY]))
    rows = list(csv.DictReader(io.StringIO(plugin.run("top", "--by", by, "-o", "csv").out)))
    objects = json.loads(plugin.run("top", "--by", by, "-o", "json").out)
    assert rows
    for row, found in zip(rows, objects, strict=True):
        flat = {
            f"{name}[{part}]": it
            for name, value in found.items()
            if isinstance(value, list)
            for part, it in enumerate(value)
        }
        flat |= {name: value for name, value in found.items() if not isinstance(value, list)}
        assert {name: cell for name, cell in row.items() if cell} == {
            name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in flat.items()
        }


def test_every_column_has_an_order_and_every_order_a_column() -> None:
    found = {column.key for view in VIEWS.values() for column in view.columns} | {"age", "trend"}
    assert set(SORT_KEYS) == found | {"share", "name", "reason"}


@pytest.mark.parametrize("by", ["vmi", "group", "block", "node"])
def test_an_order_that_a_table_has_no_column_for_is_refused(by: str) -> None:
    other = {"vmi": "rmids", "group": "most", "block": "bandwidth", "node": "group"}[by]
    done = fleet().run("top", "--by", by, "--sort-by", other)
    assert (done.code, done.out) == (1, "")
    assert f"--sort-by {other}: this table has no such column; it has " in done.err


def test_figures_that_their_neighbours_have_overtaken_say_so() -> None:
    plugin = Plugin()
    for name, observed in (("a", "2026-09-21T14:13:18Z"), ("b", "2026-09-21T14:12:00Z")):
        status = [group_status(name, block(0, MIB), vcpus=[0])]
        plugin.api.put(GROUPS, cmg(name, name, [{"name": name, "vcpus": "0"}], status=status, observed=observed))
    assert [line[5] for line in lines(plugin, "--no-headers")] == ["2s", "80s(late)"]
