from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.commands.usage_rows import guest_rows
from cachemon.model.times import format_time
from cachemon.plugin.page_vms import vm_state
from cachemon.plugin.usage import group_rows
from cachemon.web.page_state import VmState
from tests.unit.plugin.disturbed import interference, undisturbed
from tests.unit.plugin.fake_api import NOW, block, cmg, group_status, ready

OLD = format_time(NOW - 3600)


def state(*objects: dict[str, Any], shows_verdicts: bool = False) -> VmState:
    return vm_state(objects, NOW, shows_verdicts=shows_verdicts)


def halves(**more: Any) -> dict[str, Any]:
    return cmg(
        groups=[{"name": "a", "vcpus": "0-1"}, {"name": "b", "vcpus": "2-3"}],
        status=[
            group_status("a", block(0, 10, rate=100), block(1, 1, rate=5), vcpus=[0, 1]),
            group_status("b", block(0, 20, rate=200), block(1, 2, rate=6), vcpus=[2, 3]),
        ],
        **more,
    )


def test_groups_that_share_no_thread_are_summed_up_in_each_block() -> None:
    vm = state(halves())
    assert (vm["node"], vm["ready"], vm["occupancy"], vm["bandwidth"], vm["atLeast"]) == (
        "node01",
        "True",
        33,
        311,
        False,
    )
    assert [(it["id"], it["occupancy"], it["bandwidth"], it["capacity"]) for it in vm["blocks"]] == [
        (0, 30, 300, 32 << 20),
        (1, 3, 11, 32 << 20),
    ]
    assert [(it["object"], it["name"], it["vcpus"], it["state"]) for it in vm["groups"]] == [
        ("vm3", "a", "0-1", "Monitored"),
        ("vm3", "b", "2-3", "Monitored"),
    ]


def test_of_groups_that_overlap_the_larger_one_counts_in_each_block() -> None:
    vm = state(
        cmg(
            groups=[{"name": "all", "vcpus": "0-3"}, {"name": "one", "vcpus": "0"}],
            status=[
                group_status("all", block(0, 30), vcpus=[0, 1, 2, 3]),
                group_status("one", block(0, 9), vcpus=[0]),
            ],
        )
    )
    assert (vm["occupancy"], [it["occupancy"] for it in vm["blocks"]], vm["atLeast"]) == (30, [30], False)


def test_a_block_that_can_not_be_read_has_no_number_and_neither_has_the_sum() -> None:
    vm = state(cmg(status=[group_status("a", block(0, 10), block(1, None, reading="Unavailable"), vcpus=[0])]))
    assert (vm["occupancy"], vm["reason"]) == (None, "Unavailable")
    assert [it["occupancy"] for it in vm["blocks"]] == [None, None]
    (group,) = vm["groups"]
    assert group["reason"] == "Unavailable"
    assert [(it["occupancy"], it["reading"]) for it in group["blocks"]] == [(10, "Valid"), (None, "Unavailable")]


@pytest.mark.parametrize(
    ("obj", "reason", "message"),
    [
        (halves(observed=OLD), "AgentNotReporting", ""),
        (
            halves(condition=ready("Unknown", "AgentNotReporting", "see the agent")),
            "AgentNotReporting",
            "see the agent",
        ),
    ],
)
def test_figures_of_a_silent_agent_are_not_shown(obj: dict[str, Any], reason: str, message: str) -> None:
    vm = state(obj)
    assert (vm["ready"], vm["reason"], vm["message"]) == ("Unknown", reason, message)
    assert (vm["occupancy"], vm["bandwidth"]) == (None, None)
    assert all(it["occupancy"] is None and it["bandwidth"] is None for it in vm["blocks"])
    assert all(it["occupancy"] is None for group in vm["groups"] for it in group["blocks"])
    assert vm["undisturbed"] is None


def test_a_vm_without_figures_says_why() -> None:
    vm = state(cmg(condition=ready("False", "NotMonitored", "start it"), node=""))
    assert (vm["node"], vm["ready"], vm["reason"], vm["message"]) == ("", "False", "NotMonitored", "start it")
    assert (vm["observed"], vm["blocks"], vm["groups"]) == (None, [], [])


def test_the_oldest_figures_and_the_least_ready_object_speak_for_the_vm() -> None:
    second = cmg(
        "vm3-b",
        status=[group_status("io", block(0, 5))],
        observed=format_time(NOW - 30),
        condition=ready("False", "Degraded", "read on"),
    )
    vm = state(halves(), second)
    assert (vm["ready"], vm["reason"], vm["message"], vm["observed"]) == ("False", "Degraded", "read on", NOW - 30)


def test_threads_that_are_no_vcpus_have_their_class() -> None:
    vm = state(
        cmg(
            groups=[{"name": "io", "vcpus": "1", "threads": ["Emulator", "IOThread"]}],
            status=[group_status("io", block(0, 5), vcpus=[1])],
        )
    )
    assert [group["vcpus"] for group in vm["groups"]] == ["1, Emulator, IOThread"]


def test_a_group_that_the_status_leaves_out_is_shown_without_figures() -> None:
    obj = halves()
    obj["status"]["groups"].pop()
    obj["status"]["omitted"] = "1 group"
    vm = state(obj)
    assert [(it["name"], it["reason"], it["blocks"]) for it in vm["groups"]][1] == ("b", "Omitted", [])
    assert vm["atLeast"]


def test_a_tenant_sees_the_verdict_of_the_vms_own_object() -> None:
    obj = halves()
    obj["status"]["interference"] = interference()
    obj["status"]["conditions"].append(undisturbed("False", "Disturbed", "see why"))
    vm = state(obj, shows_verdicts=True)
    (verdict,) = vm["verdicts"]
    assert (verdict["victim"], verdict["suspect"], verdict["neighbour"]) == ("ns/vm3", "", "another VM of this node")
    assert (verdict["block"], verdict["series"], verdict["since"]) == (None, None, NOW - 720)
    assert vm["undisturbed"] == {"status": "False", "reason": "Disturbed", "message": "see why"}
    assert state(obj)["verdicts"] == []


def test_a_stale_verdict_is_not_shown() -> None:
    obj = halves(observed=OLD)
    obj["status"]["interference"] = interference()
    assert state(obj, shows_verdicts=True)["verdicts"] == []


VCPUS = st.frozensets(st.integers(0, 5), min_size=1)
READINGS = st.sampled_from(["Valid", "Valid", "Valid", "Unavailable"])


@st.composite
def objects(draw: st.DrawFn) -> list[dict[str, Any]]:
    found = []
    for name in draw(st.lists(st.sampled_from(["x", "y", "z"]), unique=True, min_size=1)):
        items = [
            group_status(
                f"g{number}",
                *(block(id_, draw(st.integers(0, 99)), reading=draw(READINGS)) for id_ in (0, 1)),
                vcpus=sorted(draw(VCPUS)),
            )
            for number in range(draw(st.integers(1, 3)))
        ]
        found.append(cmg(name, status=items, observed=draw(st.sampled_from([format_time(NOW - 3), OLD]))))
    return found


@given(objects())
def test_the_blocks_sum_up_to_the_figure_that_top_shows(found: list[dict[str, Any]]) -> None:
    (row,) = guest_rows(group_rows(found, NOW))
    vm = state(*found)
    assert (vm["occupancy"], vm["atLeast"], vm["node"]) == (row.occupancy, row.at_least, row.node)
    parts = [it["occupancy"] for it in vm["blocks"]]
    if row.occupancy is None:
        assert set(parts) <= {None}
    else:
        assert sum(part for part in parts if part is not None) == row.occupancy
        assert None not in parts
