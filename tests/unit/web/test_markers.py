from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from cachemon.web.markers import KeptMarkers, Marker, markers_between
from cachemon.web.page_state import PageState, VerdictState
from tests.unit.web.fixed_source import node_state, page_state, vm_state


def verdict(**more: Any) -> VerdictState:
    found = dict[str, Any](
        node="node01",
        block=0,
        victim="a/vm1",
        suspect="b/vm2",
        neighbour="b/vm2",
        level="Likely",
        resource="Cache",
        outcome="",
        since=50.0,
        until=None,
        slowdownPercent=21,
        sharePercent=84,
        bytesLost=1,
        evidence="a/vm1 lost cache",
        series=None,
    )
    return cast("VerdictState", found | more)


def judged(*verdicts: VerdictState) -> PageState:
    return page_state(nodes={"node01": {**node_state(), "verdicts": verdicts}})


def brief(markers: list[Marker]) -> list[tuple[float, str, str]]:
    return [(marker.state["time"], marker.state["kind"], marker.state["text"]) for marker in markers]


def moved(before: str | None, now: str | None) -> list[Marker]:
    states = [page_state(vms={} if node is None else {"a/vm1": vm_state(node=node)}) for node in (before, now)]
    return markers_between(*states)


def test_a_vm_starts_moves_and_stops() -> None:
    assert brief(moved(None, "node01")) == [(1.0, "started", "a/vm1 is on node01")]
    assert brief(moved("", "node01")) == [(1.0, "started", "a/vm1 is on node01")]
    assert brief(moved("node01", "node02")) == [(1.0, "migrated", "a/vm1 moved from node01 to node02")]
    assert brief(moved("node01", "")) == brief(moved("node01", None)) == [(1.0, "stopped", "a/vm1 has left node01")]
    assert moved("node01", "node01") == moved(None, "") == []


def test_a_migration_is_shown_on_both_nodes() -> None:
    (marker,) = moved("node01", "node02")
    assert (set(marker.nodes), set(marker.vms)) == ({"node01", "node02"}, {"a/vm1"})


def test_what_was_there_when_the_page_was_opened_has_not_started() -> None:
    assert markers_between(None, page_state(vms={"a/vm1": vm_state()})) == []


def test_a_verdict_is_marked_where_it_began_on_both_vms() -> None:
    (marker,) = markers_between(None, judged(verdict()))
    assert brief([marker]) == [(50.0, "verdict", "Likely Cache: a/vm1 lost cache")]
    assert (marker.state["vm"], set(marker.nodes), set(marker.vms)) == ("a/vm1", {"node01"}, {"a/vm1", "b/vm2"})


def test_a_verdict_is_marked_once_and_again_at_its_end() -> None:
    ended = verdict(outcome="Verified", until=90.0)
    assert markers_between(judged(verdict()), judged(verdict(level="Confirmed"))) == []
    assert brief(markers_between(judged(verdict()), judged(ended))) == [
        (90.0, "verdict ended", "Verified: Cache, with b/vm2")
    ]
    assert markers_between(judged(ended), judged(ended)) == []


def test_a_verdict_that_had_ended_before_has_both_ends() -> None:
    ended = verdict(outcome="Verified", until=90.0)
    assert [marker.state["kind"] for marker in markers_between(None, judged(ended))] == ["verdict", "verdict ended"]


def test_a_tenant_sees_the_verdict_of_its_own_vm() -> None:
    own = verdict(block=None, suspect="", neighbour="another VM of this node")
    state = page_state(vms={"a/vm1": {**vm_state(), "verdicts": [own]}})
    (marker,) = markers_between(None, state)
    assert (set(marker.nodes), set(marker.vms)) == ({"node01"}, {"a/vm1"})


def test_markers_are_kept_once_and_found_by_what_they_are_about() -> None:
    kept = KeptMarkers()
    for _ in range(2):
        kept.add(markers_between(None, judged(verdict())))
    kept.add(moved(None, "node02"))
    assert [it["kind"] for it in kept.of_vm("a/vm1", 0)] == ["started", "verdict"]
    assert [it["kind"] for it in kept.of_vm("b/vm2", 0)] == ["verdict"]
    assert [it["kind"] for it in kept.of_node("node01", 0)] == ["verdict"]
    assert kept.of_node("node01", 51.0) == []


@given(st.lists(st.integers(0, 30), max_size=60), st.integers(1, 9))
def test_only_the_last_markers_are_kept(times: list[int], most: int) -> None:
    kept = KeptMarkers(most)
    for time in times:
        kept.add(markers_between(None, judged(verdict(since=float(time)))))
    found = [it["time"] for it in kept.of_vm("a/vm1", 0)]
    assert found == sorted(set(found) & set(times))
    assert len(found) <= most
    assert set(times[-1:]) <= set(found)
