from typing import Any

import pytest

from cachemon.interference.stay_fields import stay_item
from cachemon.interference.typical import Measure
from cachemon.model.errors import KubeForbiddenError
from cachemon.model.stamps import POLICY_LABEL
from tests.unit.interference.made_stays import MIB, make_stay
from tests.unit.plugin.disturbed import group, machine, plugin, undisturbed
from tests.unit.plugin.fake_api import GROUPS, VMIS, Plugin, vmi

QUIET = undisturbed("True", "Undisturbed", "no other VM takes cache from this VM noticeably")
PAGE = """\
Weak evidence
  Weak: it takes 20 % (18 to 22 %) more cycles for the same work, and holds
    less cache than before on node02. A neighbour that was there first may
    explain it. So may other hardware, other load or other work: this is no
    verdict.

What to do
"""
WORSE: dict[str, Any] = {"median": 1200.0, "occupancy_bytes": 10.0 * MIB}


def stamped(vm: str, *items: dict[str, Any], node: str = "node01", **status: Any) -> dict[str, Any]:
    """A group of a policy with values of its VM."""
    obj = group(f"{vm}.web", condition=QUIET, nodeName=node, vmiUID="uid-1", typical=[*items], **status)
    obj["metadata"]["labels"] = {POLICY_LABEL: "web"}
    obj["spec"]["vmiName"] = vm
    return obj


def typed(name: str, instance_type: str = "u1.small") -> dict[str, Any]:
    obj = vmi(name)
    obj["metadata"]["annotations"] = {"kubevirt.io/cluster-instancetype-name": instance_type} if instance_type else {}
    return obj


def shown(made: Plugin) -> str:
    done = made.run("why", "vm2", "--ascii")
    assert done.code == 0, done.err
    return " ".join(done.out.partition("\nWeak evidence\n")[2].partition("\n\n")[0].split())


def after_migration(now: dict[str, Any], **before: Any) -> Plugin:
    items = stay_item(make_stay("node01", **now)), stay_item(make_stay("node02", **before))
    return plugin(group_object=stamped("vm2", *items), node=machine())


def test_a_vm_that_does_worse_since_it_moved_has_a_sentence_on_how_little_that_says() -> None:
    made = after_migration({"median": 1080.0, "occupancy_bytes": 12.0 * MIB})
    assert PAGE in made.run("why", "vm2", "--ascii").out


def test_one_that_does_better_since_has_one_too() -> None:
    assert shown(after_migration({}, median=1200.0)).startswith(
        "Weak: it takes 25 % (24 to 26 %) fewer cycles for the same work than before on node02."
    )


def test_where_nothing_measures_work_it_speaks_of_traffic() -> None:
    traffic = {"measure": Measure.TRAFFIC}
    made = after_migration({**traffic, "median": 1800.0, "occupancy_bytes": 10.0 * MIB}, **traffic)
    assert "100 % (97 to 103 %) more traffic for each second of CPU time, and holds less cache than" in shown(made)


def test_a_vm_that_does_as_well_as_before_has_none() -> None:
    made = after_migration({})
    assert "Weak" not in made.run("why", "vm2", "--ascii").out


def test_values_of_an_earlier_run_of_the_vm_say_nothing() -> None:
    obj = stamped("vm2", stay_item(make_stay("node01", **WORSE)), stay_item(make_stay("node02", "uid-0")))
    assert shown(plugin(group_object=obj, node=machine())) == ""


def among_peers(count: int, *, own: dict[str, Any] | None = None, instance_type: str = "u1.small") -> Plugin:
    """The VM vm2 on node01 and its peers on other nodes."""
    mine = stamped("vm2", stay_item(make_stay("node01", **(WORSE if own is None else own))))
    made = plugin(group_object=mine, node=machine(), vmi_object=typed("vm2"))
    for number in range(count):
        node = f"node1{number}"
        made.api.put(GROUPS, stamped(f"peer{number}", stay_item(make_stay(node)), node=node))
        made.api.put(VMIS, typed(f"peer{number}", instance_type))
    return made


def test_a_vm_that_does_worse_than_its_like_on_other_nodes_has_a_sentence() -> None:
    sentence = "it takes 33 % more cycles for the same work, and holds less cache than {} VMs of its template"
    assert shown(among_peers(2)).startswith(f"Very weak: {sentence.format(2)} on other nodes.")
    assert shown(among_peers(3)).startswith(f"Weak: {sentence.format(3)} on other nodes.")


def test_one_that_does_better_than_its_like_has_none() -> None:
    assert shown(among_peers(3, own={"median": 600.0})) == ""


@pytest.mark.parametrize("change", ["instance type", "no instance type", "policy", "vCPUs", "gone", "no values"])
def test_vms_of_another_template_are_no_peers(change: str) -> None:
    made = among_peers(0)
    for number in range(3):
        node, name = f"node1{number}", f"peer{number}"
        obj = stamped(name, stay_item(make_stay(node)), node=node, **({"vcpuCount": 8} if change == "vCPUs" else {}))
        if change == "policy":
            obj["metadata"] |= {"name": f"{name}.db", "labels": {POLICY_LABEL: "db"}}
        if change == "no values":
            obj["status"]["typical"] = []
        made.api.put(GROUPS, obj)
        kind = {"instance type": "u1.large", "no instance type": ""}.get(change, "u1.small")
        if change != "gone":
            made.api.put(VMIS, typed(name, kind))
    assert shown(made) == ""


def test_a_peer_that_has_just_stopped_is_none() -> None:
    """The operator takes its node away before the values."""
    made = among_peers(3)
    stopped = stamped("peer1", stay_item(make_stay("node11")))
    del stopped["status"]["nodeName"]
    made.api.put(GROUPS, stopped)
    assert "than 2 VMs of its template" in shown(made)


def test_without_the_right_to_read_the_peers_the_rest_of_the_page_stays() -> None:
    made = among_peers(3)
    made.api.errors[VMIS.kind] += [KubeForbiddenError("no")]
    assert "Undisturbed" in made.run("why", "vm2").out
    assert shown(made).startswith("Weak: ")
