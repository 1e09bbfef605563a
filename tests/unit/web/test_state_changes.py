from collections.abc import Mapping
from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st

from cachemon.web.page_state import NodeState, PageChanges, VmState
from cachemon.web.state_changes import ChangeLog, changed
from tests.unit.web.fixed_source import node_state, page_state, vm_state

T = TypeVar("T")
NAMES = st.sampled_from(["a", "b", "c", "d"])
ENTRIES = st.dictionaries(NAMES, st.integers(0, 2))
STATES = st.lists(st.tuples(ENTRIES, ENTRIES), min_size=1, max_size=8)


def merged(before: Mapping[str, T], changes: Mapping[str, T | None], *, whole: bool) -> dict[str, T]:
    """What the page makes of an answer (assets/state.js)."""
    both = {**({} if whole else before), **changes}
    return {name: entry for name, entry in both.items() if entry is not None}


@given(ENTRIES, ENTRIES)
def test_the_changes_lead_from_one_state_to_the_other(before: dict[str, int], now: dict[str, int]) -> None:
    assert merged(before, changed(before, now), whole=False) == now


@given(ENTRIES)
def test_nothing_changes_between_equal_states(entries: dict[str, int]) -> None:
    assert changed(entries, dict(entries)) == {}


@given(STATES, st.data(), st.integers(0, 3))
def test_a_page_that_asks_now_and_then_has_the_state_of_now(
    states: list[tuple[dict[str, int], dict[str, int]]], data: st.DataObject, most_removed: int
) -> None:
    log = ChangeLog(most_removed)
    nodes: dict[str, NodeState] = {}
    vms: dict[str, VmState] = {}
    after: int | None = None
    for node_entries, vm_entries in states:
        state = page_state(
            nodes={name: node_state(occupancy=value) for name, value in node_entries.items()},
            vms={name: vm_state(occupancy=value) for name, value in vm_entries.items()},
        )
        log.answer(state, data.draw(st.none() | st.integers(0, 9)))  # another page, with any sequence
        if data.draw(st.booleans()):
            answer = log.answer(state, after)
            nodes = merged(nodes, answer["nodes"], whole=answer["whole"])
            vms = merged(vms, answer["vms"], whole=answer["whole"])
            after = answer["sequence"]
            assert (nodes, vms) == (state["nodes"], state["vms"])


def sent(answer: PageChanges) -> tuple[bool, set[str], set[str]]:
    return answer["whole"], set(answer["nodes"]), set(answer["vms"])


def test_only_what_changed_is_sent_again() -> None:
    log = ChangeLog()
    first = log.answer(page_state(nodes={"n": node_state()}, vms={"a": vm_state(), "b": vm_state()}), None)
    assert sent(first) == (True, {"n"}, {"a", "b"})
    second = log.answer(page_state(nodes={"n": node_state()}, vms={"a": vm_state(occupancy=5)}), first["sequence"])
    assert sent(second) == (False, set(), {"a", "b"})
    assert second["vms"]["b"] is None
    assert sent(log.answer(page_state(vms={"a": vm_state(occupancy=5)}), second["sequence"])) == (False, {"n"}, set())


def test_a_page_of_a_server_before_gets_the_whole_state() -> None:
    assert sent(ChangeLog().answer(page_state(vms={"a": vm_state()}), 700)) == (True, set(), {"a"})


def test_names_of_what_is_gone_do_not_pile_up() -> None:
    log = ChangeLog(most_removed=3)
    first = log.answer(page_state(vms={"old": vm_state()}), None)
    for number in range(9):
        last = log.answer(page_state(vms={f"vm{number}": vm_state()}), None)
    assert sent(log.answer(page_state(vms={"vm8": vm_state()}), first["sequence"])) == (True, set(), {"vm8"})
    assert sent(log.answer(page_state(vms={"vm9": vm_state()}), last["sequence"])) == (False, set(), {"vm8", "vm9"})
