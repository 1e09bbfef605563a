from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cachemon.model.times import format_time
from cachemon.plugin.page_fleet import FleetStates
from cachemon.plugin.page_nodes import node_state
from cachemon.plugin.page_vms import vm_state
from tests.unit.plugin.fake_api import NOW, block, cmg, cmn, group_status


def group(name: str = "vm3", *, node: str = "node01", occupancy: int = 5, age: float = 2) -> dict[str, Any]:
    status = [group_status("g", block(0, occupancy), vcpus=[0])]
    return cmg(name, name, status=status, node=node, observed=format_time(NOW - age))


def updated(
    fleet: FleetStates, *groups: dict[str, Any], nodes: tuple[dict[str, Any], ...] = (), now: float = NOW
) -> set[str]:
    return set(fleet.update(groups, nodes, now, sees_nodes=True))


def test_only_vms_with_new_objects_are_computed_again() -> None:
    fleet, one, two = FleetStates(""), group("vm1"), group("vm2")
    assert updated(fleet, one, two) == {"ns/vm1", "ns/vm2"}
    before = fleet.vms
    assert updated(fleet, one, group("vm2", occupancy=6)) == {"ns/vm2"}
    assert fleet.vms["ns/vm1"] is before["ns/vm1"]
    assert fleet.vms["ns/vm2"]["occupancy"] == 6


def test_a_state_that_comes_out_the_same_stays_the_same_object() -> None:
    fleet = FleetStates("")
    updated(fleet, group(), nodes=(cmn(),))
    vm, node = fleet.vms["ns/vm3"], fleet.nodes["node01"]
    updated(fleet, group(), nodes=(cmn(),))
    assert fleet.vms["ns/vm3"] is vm
    assert fleet.nodes["node01"] is node


def test_figures_become_stale_without_news() -> None:
    fleet, obj, node = FleetStates(""), group(), cmn("node01", block(0, 5))
    updated(fleet, obj, nodes=(node,))
    updated(fleet, obj, nodes=(node,), now=NOW + 31)
    assert (fleet.vms["ns/vm3"]["occupancy"], fleet.nodes["node01"]["ready"]) == (5, "Unknown")
    assert updated(fleet, obj, nodes=(node,), now=NOW + 179) == set()
    assert updated(fleet, obj, nodes=(node,), now=NOW + 181) == {"ns/vm3"}
    assert fleet.vms["ns/vm3"]["occupancy"] is None
    assert updated(fleet, obj, nodes=(node,), now=NOW + 9999) == set()


def test_what_is_gone_is_gone() -> None:
    fleet = FleetStates("")
    updated(fleet, group(), nodes=(cmn(),))
    assert updated(fleet) == set()
    assert (fleet.vms, fleet.nodes) == ({}, {})


def test_places_follow_a_migration() -> None:
    fleet = FleetStates("")
    updated(fleet, group())
    updated(fleet, group(node="node02"), now=NOW + 5)
    assert fleet.vms["ns/vm3"]["places"] == [
        {"node": "node01", "from": NOW, "until": NOW + 5},
        {"node": "node02", "from": NOW + 5, "until": None},
    ]


def test_verdicts_come_from_groups_once_nodes_are_refused() -> None:
    fleet, obj = FleetStates(""), group()
    obj["status"]["interference"] = {
        "level": "Likely",
        "resource": "Cache",
        "since": format_time(NOW - 60),
        "neighbour": "another VM of this node",
        "evidence": "it lost cache",
    }
    fleet.update([obj], (), NOW, sees_nodes=True)
    assert fleet.vms["ns/vm3"]["verdicts"] == []
    fleet.update([obj], (), NOW, sees_nodes=False)
    assert [it["victim"] for it in fleet.vms["ns/vm3"]["verdicts"]] == ["ns/vm3"]


STEPS = st.lists(
    st.tuples(
        st.integers(0, 120),
        st.dictionaries(
            st.sampled_from(["vm1", "vm2"]), st.tuples(st.sampled_from(["", "n1", "n2"]), st.integers(0, 9))
        ),
        st.booleans(),
    ),
    max_size=12,
)


@given(STEPS)
def test_the_states_are_those_that_are_computed_anew(
    steps: list[tuple[int, dict[str, tuple[str, int]], bool]],
) -> None:
    fleet, now = FleetStates(""), NOW
    kept: dict[str, tuple[tuple[str, int], dict[str, Any]]] = {}
    for wait, wanted, has_news in steps:
        now += wait
        for name, figures in wanted.items():
            if has_news or name not in kept or kept[name][0] != figures:
                obj = group(name, node=figures[0], occupancy=figures[1], age=NOW - now)
                kept[name] = figures, obj
        objects = [kept[name][1] for name in wanted]
        node = cmn("n1", block(0, wait), observed=format_time(now))
        fleet.update(objects, [node], now, sees_nodes=True)
        expected = {f"ns/{obj['metadata']['name']}": vm_state([obj], now, shows_verdicts=False) for obj in objects}
        assert {name: {**state, "places": ()} for name, state in fleet.vms.items()} == expected
        assert fleet.nodes == {"n1": node_state(node, now)}
