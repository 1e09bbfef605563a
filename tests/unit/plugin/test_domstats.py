import json

import yaml

from tests.unit.plugin.fake_api import GROUPS, Plugin, block, cmg, group_status, ready


def watched() -> Plugin:
    plugin = Plugin()
    status = [
        group_status("vcpus_0-2", block(0, 5), block(8, None, reading="Unavailable"), vcpus=[0, 1, 2]),
        group_status("io", block(0, 7)),
    ]
    plugin.api.put(GROUPS, cmg(groups=[{"vcpus": "0-2"}], status=status))
    return plugin


RFC = """\
Domain: 'vm3'
  cpu.cacheoccupancy.vcpus_0-2.vcpus=0,1,2
  cpu.cacheoccupancy.vcpus_0-2.0.value=5
  cpu.cacheoccupancy.io.0.value=7
  cachemon.age.vcpus_0-2=2
  cachemon.age.io=2
"""


def test_the_rfcs_keys_and_why_a_number_is_missing() -> None:
    done = watched().run("domstats", "vm3")
    assert (done.code, done.out) == (0, RFC)
    assert done.err == "vcpus_0-2: cache block 8 reads Unavailable\n"


def test_an_answer_about_another_vmi_that_takes_long_makes_no_figures_old() -> None:
    plugin = watched()
    plugin.api.put(
        GROUPS, cmg("vm4", "vm4", status=[group_status("io", block(0, 9))], observed="2026-09-21T14:14:18Z")
    )
    plugin.api.delays[GROUPS.kind] = [0, 60]
    assert plugin.run("domstats", "vm3", "vm4").out.startswith(RFC + "\nDomain: 'vm4'\n")


def test_the_totals_of_telemetry_that_a_status_has() -> None:
    plugin = Plugin()
    status = group_status("all", block(0, 5), vcpus=[0])
    energy = {"id": 0, "reading": "Valid", "coreEnergyJoules": "4.25", "uopsRetiredPerSecond": 7}
    status["packages"] = [energy, {"id": 1, "reading": "Error"}]
    plugin.api.put(GROUPS, cmg(groups=[{"name": "all", "vcpus": "all"}], status=[status]))
    done = plugin.run("domstats", "vm3")
    assert "  cachemon.package.all.0.core_energy=4.25\n  cachemon.age.all=2\n" in done.out
    assert done.err == "all: telemetry of CPU package 1 reads Error\n"


def test_figures_of_another_programs_mon_group_are_named_as_its_own_and_no_key_has_them() -> None:
    plugin = Plugin()
    held = group_status("all", state="Degraded", reason="ThreadsInForeignGroup", message="held", vcpus=[0])
    rated = block(0, 50 << 20) | {"memoryBandwidth": {"totalBytesPerSecond": 900_000_000}}
    held["foreignMonGroups"] = [
        {"name": "/mon_groups/a", "holds": "GroupAndOthers", "threads": 41, "cacheBlocks": [rated]},
        {"name": "/mon_groups/b", "holds": "PartOfTheGroup", "threads": 1, "cacheBlocks": [rated, block(8, None)]},
    ]
    plugin.api.put(GROUPS, cmg(groups=[{"name": "all", "vcpus": "all"}], status=[held]))
    done = plugin.run("domstats", "vm3")
    assert "value" not in done.out
    not_ours = "these are its figures, not the group's"
    first, second, third = done.err.splitlines()
    assert first == "all: Degraded, held"
    assert second == (
        "vm3: all: /mon_groups/a of another program (GroupAndOthers, 41 threads) has 50Mi of cache and 900M/s of "
        f"memory traffic; {not_ours}"
    )
    assert third == (
        "vm3: all: /mon_groups/b of another program (PartOfTheGroup, 1 thread) has no figure of cache and no figure "
        f"of memory traffic; {not_ours}"
    )


def test_libvirts_keys() -> None:
    done = watched().run("domstats", "vm3", "--format", "libvirt")
    assert "  cpu.cache.monitor.count=2\n" in done.out
    assert "  cpu.cache.monitor.0.vcpus=0-2\n" in done.out
    assert "  cpu.cache.monitor.0.bank.count=1\n" in done.out


def test_json_and_yaml_have_the_same_keys() -> None:
    plugin = watched()
    expected = {
        "domain": "vm3",
        "cpu.cacheoccupancy.vcpus_0-2.vcpus": "0,1,2",
        "cpu.cacheoccupancy.vcpus_0-2.0.value": "5",
        "cpu.cacheoccupancy.io.0.value": "7",
        "cachemon.age.vcpus_0-2": "2",
        "cachemon.age.io": "2",
    }
    assert json.loads(plugin.run("domstats", "vm3", "--format", "json").out) == expected
    assert json.loads(plugin.run("domstats", "vm3", "-o", "json").out) == expected
    assert yaml.safe_load(plugin.run("domstats", "vm3", "-o", "yaml").out) == expected
    assert json.loads(plugin.run("domstats", "-o", "json").out) == [expected]
    assert plugin.run("domstats", "vm3", "-o", "name").out == "cachemonitorgroup.cachemon.dev/vm3\n"


def test_without_a_name_all_watched_vmis_are_printed_a_blank_line_between() -> None:
    plugin = watched()
    plugin.api.put(GROUPS, cmg("vm1", "vm1", status=[group_status("vcpus_all", block(0, 1), vcpus=[0])]))
    assert plugin.run("domstats").out == (
        "Domain: 'vm1'\n  cpu.cacheoccupancy.vcpus_all.vcpus=0\n  cpu.cacheoccupancy.vcpus_all.0.value=1\n"
        "  cachemon.age.vcpus_all=2\n\n" + RFC
    )


def test_in_all_namespaces_a_domain_has_the_name_that_kubevirt_gives_it() -> None:
    plugin = watched()
    plugin.api.put(GROUPS, cmg(namespace="other", status=[]))
    assert [line for line in plugin.run("domstats", "-A").out.splitlines() if line.startswith("Domain")] == [
        "Domain: 'ns_vm3'",
        "Domain: 'other_vm3'",
    ]


def test_two_groups_of_one_name_are_distinguished_by_their_objects() -> None:
    plugin = watched()
    plugin.api.put(GROUPS, cmg("vm3-live", status=[group_status("io", block(0, 9))]))
    assert "  cpu.cacheoccupancy.vm3-live.io.0.value=9\n" in plugin.run("domstats", "vm3").out


def test_a_vmi_without_groups_is_reported() -> None:
    done = Plugin().run("domstats", "vm9")
    assert (done.code, done.out) == (1, "")
    assert "no CacheMonitorGroup watches VMI vm9 in namespace ns" in done.err
    assert "kubectl cachemon cpu-resource vm9 -n ns --create" in done.err
    assert "in any namespace" in Plugin().run("domstats", "-A").err


def test_refused_groups_are_reported_once_for_each_object() -> None:
    plugin = Plugin()
    refused = [{"name": f"g{number}", "state": "Refused", "reason": "TooManyGroups"} for number in range(3)]
    monitored = {**ready("False", "TooManyGroups", "3 of 4 groups are refused"), "type": "Monitored"}
    plugin.api.put(GROUPS, cmg("a", status=[group_status("w", block(0, 1)), *refused], condition=monitored))
    done = plugin.run("domstats", "vm3")
    assert done.err.splitlines() == ["a: 3 Refused, 3 of 4 groups are refused"]
    assert "g0" not in done.out


def test_what_a_status_leaves_out_is_reported() -> None:
    plugin = Plugin()
    obj = cmg("a", status=[group_status("g", block(0, 1), vcpus=[0]), group_status("h", vcpus=[1])])
    obj["status"]["omitted"] = "left out, as the status would be too large: the figures of 1 of 2 groups (h)"
    plugin.api.put(GROUPS, obj)
    assert plugin.run("domstats", "vm3").err.splitlines() == [f"a: {obj['status']['omitted']}"]


def test_no_figures_and_old_figures_are_reported() -> None:
    plugin = Plugin()
    plugin.api.put(GROUPS, cmg("a", status=None, condition=ready("False", "VMINotRunning", "it is off")))
    silent = ready("Unknown", "AgentNotReporting", "no figures since noon")
    plugin.api.put(GROUPS, cmg("b", status=[group_status("g", block(0, 1))], condition=silent))
    waiting = group_status("w", vcpus=[], state="Waiting", reason="OutOfRMIDs", message="none left")
    plugin.api.put(GROUPS, cmg("c", status=[waiting]))
    plugin.api.put(GROUPS, cmg("d", status=None))
    assert plugin.run("domstats", "vm3").err.splitlines() == [
        "a: no figures, it is off",
        "b: no figures since noon",
        "d: no figures yet",
        "w: Waiting, none left",
    ]


def test_figures_that_are_old_or_of_the_future_are_reported_whatever_ready_says() -> None:
    plugin = Plugin()
    plugin.api.put(GROUPS, cmg("a", status=[group_status("a", block(0, 1))], observed="2026-09-21T14:00:00Z"))
    plugin.api.put(GROUPS, cmg("b", status=[group_status("b", block(0, 1))], observed="2026-09-21T14:23:20Z"))
    done = plugin.run("domstats", "vm3")
    assert "  cachemon.age.a=800\n  cachemon.age.b=-600\n" in done.out
    old, ahead = done.err.splitlines()
    assert old == "a: the figures are 13m old and should be renewed every 60 s"
    assert ahead.startswith("b: the time of the figures lies 10m in the future")
    libvirts = plugin.run("domstats", "vm3", "--format", "libvirt")
    assert "age" not in libvirts.out
    assert libvirts.err == done.err
