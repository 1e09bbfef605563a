import json

import yaml

from cachemon.model.errors import KubeForbiddenError, KubeNotFoundError
from tests.unit.plugin.disturbed import ended, group, interference, machine, plugin, slowed, undisturbed, verdict
from tests.unit.plugin.fake_api import GROUPS, NODES, Plugin, cmn


def cells(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def cluster() -> Plugin:
    made = plugin(node=machine(slowed(), verdict("tenant-a/vm1", "", "TakingCache"), ended("Withdrawn")))
    made.api.put(NODES, machine(verdict("ns/vm4", "ns/vm5", "Confirmed", slowdownPercent=12), name="node02"))
    return made


def test_the_worst_comes_first() -> None:
    done = cluster().run("verdicts", "-A")
    assert cells(done.out) == [
        ["VICTIM", "LEVEL", "SLOWER", "RESOURCE", "SUSPECT", "NODE", "SINCE", "AGE"],
        ["ns/vm4", "Confirmed", "12%", "Cache", "ns/vm5", "node02", "12m", "2s"],
        ["ns/vm2", "Likely", "21%", "Cache", "tenant-b/vm3", "node01", "12m", "2s"],
        ["tenant-a/vm1", "TakingCache", "-", "Cache", "others", "of", "this", "node", "node01", "12m", "2s"],
    ]
    assert done.err == "see `kubectl cachemon why vm4 -n ns` for the first, and what to do\n"


def test_a_namespace_has_the_verdicts_that_concern_its_vms() -> None:
    done = cluster().run("verdicts", "-n", "tenant-b", "--no-headers")
    assert [row[0] for row in cells(done.out)] == ["ns/vm2"]
    assert (
        cluster().run("verdicts", "-n", "tenant-c").err == "no verdict is open in namespace tenant-c; -A shows all\n"
    )


def test_a_node_has_all_of_its_own() -> None:
    done = cluster().run("verdicts", "node01", "--no-headers")
    assert [row[0] for row in cells(done.out)] == ["ns/vm2", "tenant-a/vm1"]
    assert "no agent has ever reported from a node `node09`" in cluster().run("verdicts", "node09").err


def test_those_that_ended_come_last_with_their_outcome() -> None:
    done = cluster().run("verdicts", "node01", "--ended", "-o", "wide")
    assert cells(done.out)[0][-4:] == ["BLOCK", "LOST", "SHARE", "OUTCOME"]
    assert [row[-4:] for row in cells(done.out)[1:]] == [
        ["0", "7.5Mi", "84%", "-"],
        ["0", "-", "84%", "-"],
        ["0", "-", "84%", "Withdrawn"],
    ]


def test_data_has_what_is_known_and_no_more() -> None:
    rows = json.loads(cluster().run("verdicts", "-A", "-o", "json").out)
    assert [row["victim"] for row in rows] == ["ns/vm4", "ns/vm2", "tenant-a/vm1"]
    assert rows[1]["since"] == "2026-09-21T14:01:20Z"
    assert (rows[1]["slowdownPercent"], rows[1]["bytesLost"], rows[1]["ageSeconds"]) == (21, 7864320, 2)
    assert "suspect" not in rows[2]
    assert "slowdownPercent" not in rows[2]
    assert yaml.safe_load(cluster().run("verdicts", "-A", "-o", "yaml").out) == rows
    assert cluster().run("verdicts", "-A", "-o", "jsonpath={[0].suspect}").out == "ns/vm5\n"


def test_a_tenant_sees_what_its_groups_show() -> None:
    made = plugin(group_object=group(condition=undisturbed("False", "Likely"), interference=interference()))
    made.api.put(GROUPS, group("vm2-too", interference=interference()) | {"spec": {"vmiName": "vm2"}})
    made.api.errors[NODES.kind].append(KubeForbiddenError("no"))
    done = made.run("verdicts")
    assert cells(done.out)[1:] == [
        ["ns/vm2", "Likely", "21%", "Cache", "another", "VM", "of", "this", "node", "node01", "12m", "2s"]
    ]
    assert done.err.startswith("you may not read CacheMonitorNodes: ")


def test_without_any_right_it_is_refused() -> None:
    made = Plugin()
    made.api.errors[NODES.kind].append(KubeForbiddenError("nodes"))
    made.api.errors[GROUPS.kind].append(KubeForbiddenError("groups"))
    assert made.run("verdicts", "-A").err == "error: groups\n"


def test_missing_crds_are_named() -> None:
    made = Plugin()
    made.api.errors[NODES.kind].append(KubeNotFoundError("the server could not find the requested resource"))
    assert "CRDs are missing" in made.run("verdicts").err


def test_where_no_vm_is_judged_it_says_so() -> None:
    made = plugin(node=cmn("node01"))
    done = made.run("verdicts", "-A")
    assert done.out == ""
    assert done.err.splitlines() == [
        "no verdict is open in any namespace",
        "no VM is judged there now: `kubectl cachemon why VMI` names the reason",
    ]
