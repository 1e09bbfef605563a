from typing import Any

from cachemon.model.times import format_time
from cachemon.plugin.page_nodes import node_state
from cachemon.web.page_state import NodeState
from tests.unit.plugin.disturbed import ended, series, slowed, verdict
from tests.unit.plugin.fake_api import NOW, block, cmn, ready

MIB = 2**20


def shown(*blocks: dict[str, Any], namespace: str = "", **status: Any) -> NodeState:
    return node_state(cmn("node01", *blocks, **status), NOW, namespace)


def full(**more: Any) -> dict[str, Any]:
    holders = [
        {"namespace": "a", "name": "vm1", "occupancyBytes": 5 * MIB},
        {"namespace": "b", "name": "vm2", "occupancyBytes": 3 * MIB},
    ]
    return block(0, 10 * MIB) | {
        "monitoredBytes": 8 * MIB,
        "unattributedBytes": 2 * MIB,
        "heaviestVMIs": holders,
        **more,
    }


def test_a_node_has_its_blocks_with_their_holders() -> None:
    node = shown(full(), interferenceRatio=0.12)
    assert (node["ready"], node["reason"], node["message"], node["agent"]) == ("True", "", "", "0.1.0")
    assert (node["observed"], node["period"], node["interferenceRatio"]) == (NOW - 2, 10, 0.12)
    assert node["rmids"] == {"ours": 2, "others": 1, "total": 64}
    assert node["blocks"] == [
        {
            "id": 0,
            "capacity": 32 * MIB,
            "occupancy": 10 * MIB,
            "monitored": 8 * MIB,
            "unattributed": 2 * MIB,
            "reading": "Valid",
            "reason": "",
            "holders": [("a/vm1", 5 * MIB), ("b/vm2", 3 * MIB)],
        }
    ]


def test_figures_of_a_silent_agent_do_not_hold() -> None:
    node = shown(full(verdicts=[slowed()]), observed=format_time(NOW - 3600), interferenceRatio=0.12)
    assert (node["ready"], node["reason"], node["message"]) == ("Unknown", "AgentNotReporting", "")
    assert (node["rmids"], node["interferenceRatio"], node["verdicts"]) == (None, None, [])
    (only,) = node["blocks"]
    assert (only["occupancy"], only["monitored"], only["unattributed"], only["holders"]) == (None, None, None, [])
    assert (only["capacity"], only["reason"]) == (32 * MIB, "AgentNotReporting")


def test_a_node_that_can_not_be_monitored_says_why() -> None:
    node = shown(conditions=[ready("False", "ResctrlNotMounted", "mount it")])
    assert (node["ready"], node["reason"], node["message"]) == ("False", "ResctrlNotMounted", "mount it")


def test_a_block_that_can_not_be_read_says_why() -> None:
    (only,) = shown(block(0, None, reading="Offline"))["blocks"]
    assert (only["occupancy"], only["reading"], only["reason"]) == (None, "Offline", "Offline")


def test_a_node_that_has_never_reported_has_nothing_but_that() -> None:
    node = node_state({"metadata": {"name": "node01"}}, NOW)
    assert (node["ready"], node["reason"]) == ("Unknown", "AgentNotReporting")
    assert (node["observed"], node["blocks"], node["rmids"]) == (None, [], None)


def test_verdicts_have_the_evidence_of_both_sides() -> None:
    node = shown(full(verdicts=[ended(), slowed(series=series())]))
    first, second = node["verdicts"]
    assert (first["victim"], first["suspect"], first["outcome"], second["outcome"]) == (
        "ns/vm2",
        "tenant-b/vm3",
        "",
        "Verified",
    )
    assert (first["block"], first["slowdownPercent"], first["since"]) == (0, 21, NOW - 720)
    assert second["until"] == NOW - 3000
    assert first["series"] is not None
    assert first["series"]["suspect"] is not None
    assert list(first["series"]["suspect"]["occupancyMebibytes"]) == [0] * 18 + [20] * 12
    assert first["series"]["victim"] is not None
    assert list(first["series"]["victim"]["trafficMebibytesPerSecond"])[:5] == [None] * 4 + [100]


def test_of_one_namespace_only_its_verdicts_are_shown() -> None:
    node = shown(full(verdicts=[slowed(), verdict("other/vm1", "else/vm1")]), namespace="tenant-b")
    assert [it["victim"] for it in node["verdicts"]] == ["ns/vm2"]


def test_what_is_not_monitored_has_no_name_as_a_suspect() -> None:
    (only,) = shown(full(verdicts=[verdict(suspect="")]))["verdicts"]
    assert (only["suspect"], only["neighbour"], only["series"]) == ("", "others of this node", None)
