import json
from typing import Any

import pytest

from cachemon.model.errors import KubeConflictError
from tests.unit.plugin.fake_api import GROUPS, VMIS, Plugin, cmg, group_status, vmi


@pytest.fixture
def plugin() -> Plugin:
    """A running VMI that nobody watches."""
    made = Plugin()
    made.api.put(VMIS, vmi())
    return made


def groups(plugin: Plugin, name: str) -> list[dict[str, Any]]:
    """spec.groups of an object."""
    found = {key.name: obj for key, obj in plugin.api.objects["CacheMonitorGroup"].items()}
    items: list[dict[str, Any]] = found[name]["spec"]["groups"]
    return items


def names(plugin: Plugin) -> set[str]:
    return {key.name for key in plugin.api.objects["CacheMonitorGroup"]}


def test_without_groups_there_is_no_group_found(plugin: Plugin) -> None:
    assert plugin.run("cpu-resource", "vm3").out == "CPU Resource Monitoring Group Status: no group found\n"


def test_the_groups_of_every_object_are_shown_in_the_rfcs_layout(plugin: Plugin) -> None:
    plugin.api.put(GROUPS, cmg(groups=[{"vcpus": "1"}, {"vcpus": "2"}]))
    plugin.api.put(GROUPS, cmg("vm3-live", groups=[{"name": "web", "vcpus": "0,3"}]))
    assert plugin.run("cpu-resource", "vm3").out == (
        "CPU Resource Monitoring Group Status: \n"
        "    group name: vcpus_1\n    group name: vcpus_2\n    group name: web\n"
    )


def test_a_live_group_ends_with_the_vmi_that_owns_it(plugin: Plugin) -> None:
    done = plugin.run("cpu-resource", "vm3", "--create", "--vcpulist", "0,1,2", "--live")
    assert done.out == "group vcpus_0-2 created in cachemonitorgroup.cachemon.dev/vm3-live (live)\n"
    (made,) = plugin.api.objects["CacheMonitorGroup"].values()
    assert made["metadata"]["ownerReferences"] == [
        {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "name": "vm3", "uid": "vmi-1"}
    ]
    assert made["spec"] == {"vmiName": "vm3", "groups": [{"vcpus": "0-2"}]}


@pytest.mark.parametrize(
    ("phase", "name"), [("Running", "vm3-live"), ("Scheduling", "vm3-live"), ("Succeeded", "vm3")]
)
@pytest.mark.parametrize("current", [(), ("--current",)])
def test_current_is_live_while_the_vmi_runs_and_config_else(phase: str, name: str, current: tuple[str, ...]) -> None:
    plugin = Plugin()
    plugin.api.put(VMIS, vmi(phase=phase))
    assert plugin.run("cpu-resource", "vm3", "--create", "--vcpulist", "1", *current).code == 0
    assert names(plugin) == {name}


def test_a_config_group_has_no_owner_and_may_be_made_before_its_vmi() -> None:
    plugin = Plugin()
    done = plugin.run("cpu-resource", "vm3", "--create", "--group-name", "web", "--vcpulist", "0-3,^1", "--config")
    assert done.code == 0
    assert "there is no VirtualMachineInstance `vm3` in namespace `ns` now" in done.err
    (made,) = plugin.api.objects["CacheMonitorGroup"].values()
    assert "ownerReferences" not in made["metadata"]
    assert made["spec"]["groups"] == [{"name": "web", "vcpus": "0,2-3"}]


def test_live_and_config_together_are_one_group_that_is_kept(plugin: Plugin) -> None:
    assert plugin.run("cpu-resource", "vm3", "--create", "--vcpulist", "1", "--live", "--config").code == 0
    assert names(plugin) == {"vm3"}


def test_further_groups_go_into_the_same_object(plugin: Plugin) -> None:
    for vcpu in "012":
        assert plugin.run("cpu-resource", "vm3", "--create", "--vcpulist", vcpu, "--config").code == 0
    assert groups(plugin, "vm3") == [{"vcpus": "0"}, {"vcpus": "1"}, {"vcpus": "2"}]


def test_the_group_of_all_vcpus_that_an_object_without_groups_means_is_kept(plugin: Plugin) -> None:
    plugin.api.put(GROUPS, cmg())
    assert plugin.run("cpu-resource", "vm3", "--create", "--vcpulist", "1", "--config").code == 0
    assert groups(plugin, "vm3") == [{"vcpus": "all"}, {"vcpus": "1"}]


def test_a_persons_own_object_is_used_whatever_its_name_and_its_items_stay_as_written(plugin: Plugin) -> None:
    plugin.api.put(GROUPS, cmg("mine", groups=[{"vcpus": "3,0"}]))
    assert plugin.run("cpu-resource", "vm3", "--create", "--vcpulist", "1", "--config").code == 0
    assert names(plugin) == {"mine"}
    assert groups(plugin, "mine") == [{"vcpus": "3,0"}, {"vcpus": "1"}]


def test_a_name_that_has_a_group_of_another_vmi_is_not_taken(plugin: Plugin) -> None:
    plugin.api.put(GROUPS, cmg("vm3", "other"))
    assert plugin.run("cpu-resource", "vm3", "--create", "--vcpulist", "1", "--config").code == 0
    assert names(plugin) == {"vm3", "vm3-cachemon"}
    plugin.api.put(GROUPS, cmg("vm3-cachemon", "other"))
    refused = plugin.run("cpu-resource", "vm3", "--create", "--vcpulist", "1", "--config")
    assert "`vm3` and `vm3-cachemon` are taken by groups of other VMIs" in refused.err


def test_what_an_earlier_vmi_of_the_name_owned_is_not_used(plugin: Plugin) -> None:
    owner = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "name": "vm3", "uid": "earlier"}
    plugin.api.put(GROUPS, cmg("vm3-live", groups=[{"vcpus": "1"}], ownerReferences=[owner]))
    assert plugin.run("cpu-resource", "vm3").out.endswith("no group found\n")
    assert plugin.run("cpu-resource", "vm3", "--create", "--vcpulist", "1", "--live").code == 0
    assert names(plugin) == {"vm3-live", "vm3-live-cachemon"}


def test_a_name_in_use_is_refused_wherever_it_is(plugin: Plugin) -> None:
    plugin.api.put(GROUPS, cmg(groups=[{"vcpus": "1"}]))
    refused = plugin.run("cpu-resource", "vm3", "--create", "--vcpulist", "1", "--live")
    assert refused.code == 1
    assert refused.err.startswith("error: vcpus or group name conflicts with domain settings: group 'vcpus_1'")
    assert plugin.api.writes == []


def test_destroying_takes_one_group_and_with_the_last_the_object(plugin: Plugin) -> None:
    plugin.api.put(GROUPS, cmg(groups=[{"vcpus": "1"}, {"name": "web", "vcpus": "2"}]))
    done = plugin.run("cpu-resource", "vm3", "--destroy", "--group-name", "web", "--config")
    assert done.out == "group web destroyed in cachemonitorgroup.cachemon.dev/vm3 (config)\n"
    assert groups(plugin, "vm3") == [{"vcpus": "1"}]
    assert plugin.run("cpu-resource", "vm3", "--destroy", "--vcpulist", "1", "--config").code == 0
    assert names(plugin) == set()


def test_what_is_kept_is_not_destroyed_by_the_way(plugin: Plugin) -> None:
    plugin.api.put(GROUPS, cmg(groups=[{"vcpus": "1"}]))
    refused = plugin.run("cpu-resource", "vm3", "--destroy", "--vcpulist", "1")
    assert "'vcpus_1' is not in the live state of the domain but in " in refused.err
    assert refused.err.endswith("add --config\n")
    assert plugin.run("cpu-resource", "vm3", "--destroy", "--vcpulist", "1", "--live", "--config").code == 0


def test_the_group_of_a_policy_is_the_policys(plugin: Plugin) -> None:
    plugin.api.put(GROUPS, cmg("vm3.all", labels={"cachemon.dev/policy": "all"}, groups=[{"vcpus": "all"}]))
    refused = plugin.run("cpu-resource", "vm3", "--destroy", "--group-name", "vcpus_all")
    assert "which CacheMonitorPolicy `all` keeps; change the policy" in refused.err
    assert plugin.run("cpu-resource", "vm3", "--create", "--vcpulist", "1", "--config").code == 0
    assert names(plugin) == {"vm3.all", "vm3"}


def test_an_object_that_changes_meanwhile_is_read_again(plugin: Plugin) -> None:
    plugin.api.put(GROUPS, cmg(groups=[{"vcpus": "1"}]))
    plugin.api.before_write = [lambda: plugin.api.put(GROUPS, cmg(groups=[{"vcpus": "1"}, {"vcpus": "2"}]))]
    assert plugin.run("cpu-resource", "vm3", "--create", "--vcpulist", "3", "--config").code == 0
    assert groups(plugin, "vm3") == [{"vcpus": "1"}, {"vcpus": "2"}, {"vcpus": "3"}]


def test_an_object_that_never_stops_changing_is_given_up(plugin: Plugin) -> None:
    plugin.api.put(GROUPS, cmg(groups=[{"vcpus": "1"}]))

    def conflict() -> None:
        raise KubeConflictError("changed")

    plugin.api.before_write = [conflict] * 3
    assert plugin.run("cpu-resource", "vm3", "--create", "--vcpulist", "3", "--config").err == "error: changed\n"


def test_an_unknown_vmi_is_an_error() -> None:
    refused = Plugin().run("cpu-resource", "vm9")
    assert refused.code == 1
    assert "no VirtualMachineInstance `vm9` in namespace `ns`" in refused.err


def test_live_needs_a_vmi_that_runs() -> None:
    plugin = Plugin()
    plugin.api.put(GROUPS, cmg())
    for arguments in (
        ["--live"],
        ["--create", "--vcpulist", "1", "--live"],
        ["--destroy", "--vcpulist", "1", "--live"],
    ):
        assert "domain is not running; use --config" in plugin.run("cpu-resource", "vm3", *arguments).err


def test_other_outputs_say_more(plugin: Plugin) -> None:
    plugin.api.put(GROUPS, cmg(groups=[{"vcpus": "1"}], status=[group_status("vcpus_1", vcpus=[1])]))
    wide = plugin.run("cpu-resource", "vm3", "-o", "wide").out.splitlines()
    assert wide[0].split() == ["GROUP", "OF", "KEPT", "STATE", "THREADS", "OBJECT", "AGE"]
    assert wide[1].split() == ["vcpus_1", "vCPU", "1", "config", "Monitored", "1", "vm3", "2s"]
    assert plugin.run("cpu-resource", "vm3", "-o", "name").out == "cachemonitorgroup.cachemon.dev/vm3\n"
    assert json.loads(plugin.run("cpu-resource", "vm3", "-o", "json").out)["kind"] == "List"


def sized(sockets: int, most: int | None = None) -> dict[str, Any]:
    cpu = {"sockets": sockets, "cores": 1, "threads": 1} | ({"maxSockets": most} if most else {})
    return {**vmi(), "spec": {"domain": {"cpu": cpu}}}


def test_a_live_group_of_vcpus_that_the_vmi_can_not_get_is_refused() -> None:
    plugin = Plugin()
    plugin.api.put(VMIS, sized(4))
    for arguments in ([], ["--live"], ["--current"], ["--live", "--config"]):
        refused = plugin.run("cpu-resource", "vm3", "--create", "--vcpulist", "2,7", *arguments)
        assert refused.err == (
            "error: no vcpus selected for modification: the domain has no vCPU 7, only 0-3; --config keeps the group "
            "for when the VM has more\n"
        )
    assert plugin.api.writes == []


def test_a_group_that_is_kept_for_a_larger_vm_says_what_is_not_there_now() -> None:
    plugin = Plugin()
    plugin.api.put(VMIS, sized(4))
    done = plugin.run("cpu-resource", "vm3", "--create", "--vcpulist", "7", "--config")
    assert done.code == 0
    assert done.err == ("the VMI has 4 vCPUs now, and no vCPU 7: the group is VCPUsNotInVM until the VMI has it\n")


def test_a_live_group_of_vcpus_that_may_be_plugged_in_is_created() -> None:
    plugin = Plugin()
    plugin.api.put(VMIS, sized(4, most=16))
    done = plugin.run("cpu-resource", "vm3", "--create", "--vcpulist", "7", "--live")
    assert done.code == 0
    assert "no vCPU 7" in done.err
    assert "only 0-15" in plugin.run("cpu-resource", "vm3", "--create", "--vcpulist", "16", "--live").err
    assert plugin.run("cpu-resource", "vm3", "--create", "--vcpulist", "3", "--live").err == ""


def test_a_group_too_many_is_refused_with_what_to_do() -> None:
    plugin = Plugin()
    plugin.api.put(GROUPS, cmg(groups=[{"vcpus": str(number)} for number in range(64)]))
    refused = plugin.run("cpu-resource", "vm3", "--create", "--vcpulist", "64", "--config")
    assert refused.err == ("error: the VM has 64 groups, and can have 64; --destroy one that nobody needs first\n")


def test_the_object_of_a_vmi_with_the_longest_name_has_a_name_that_fits() -> None:
    plugin, name = Plugin(), "a" * 253
    plugin.api.put(VMIS, vmi(name))
    assert plugin.run("cpu-resource", name, "--create", "--vcpulist", "1", "--live").code == 0
    (made,) = names(plugin)
    assert len(made) == 253
