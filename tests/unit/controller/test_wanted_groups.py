from typing import Any

from cachemon.controller.decision import Apply, Delete
from cachemon.controller.store import Store
from cachemon.model.api import GROUPS, NAMESPACES, POLICIES, VMIS, ObjectName, Resource
from tests.unit.controller.builders import (
    apply_list,
    in_order,
    moment,
    namespace_object,
    policy_object,
    stamped_object,
    vmi_object,
)

Object = dict[str, Any]

GOLD = ObjectName("", "gold")
STAMP = ObjectName("tenant", "vm.gold")


def store_of(*objects: tuple[Resource, Object]) -> Store:
    """A store that knows these, with nothing left to look at."""
    store = Store(moment)
    for resource, obj in objects:
        store.apply_event(resource, "ADDED", obj)
    settle(store)
    return store


def settle(store: Store) -> None:
    for name in list(store.queue):
        store.queue.discard(name)


def wanted(store: Store, name: ObjectName = STAMP) -> bool:
    """Whether the store would have this group made; it must not be there."""
    decision = store.decide(name)
    assert decision is None or isinstance(decision.stamp, Apply)
    return decision is not None


LABELLED = (VMIS, vmi_object(labels={"tier": "gold"}))
PLACE = (NAMESPACES, namespace_object(team="a"))


def test_a_policy_wants_a_group_for_every_vmi_that_it_selects() -> None:
    store = store_of(PLACE, LABELLED, (VMIS, vmi_object("plain", uid="vmi-2")))
    store.apply_event(POLICIES, "ADDED", policy_object(vmis={"tier": "gold"}))
    assert in_order(store) == [GOLD, STAMP]
    assert wanted(store)
    assert not wanted(store, ObjectName("tenant", "plain.gold"))


def test_a_vmi_that_comes_later_gets_its_group() -> None:
    store = store_of(PLACE, (POLICIES, policy_object()))
    store.apply_event(VMIS, "ADDED", vmi_object())
    assert set(store.queue) == {GOLD, STAMP}
    assert wanted(store)


def test_labels_of_vmi_and_namespace_decide_and_may_change() -> None:
    store = store_of(PLACE, LABELLED, (POLICIES, policy_object(vmis={"tier": "gold"}, namespaces={"team": "a"})))
    assert wanted(store)
    store.apply_event(VMIS, "MODIFIED", vmi_object(version=2))
    assert set(store.queue) == {GOLD, STAMP}
    assert not wanted(store)
    store.apply_event(VMIS, "MODIFIED", vmi_object(version=3, labels={"tier": "gold"}))
    assert wanted(store)
    settle(store)
    store.apply_event(NAMESPACES, "MODIFIED", namespace_object(version=2, team="b"))
    assert set(store.queue) == {GOLD, STAMP}
    assert not wanted(store)


def test_a_vmi_in_a_namespace_that_is_not_known_yet_waits_for_it() -> None:
    store = store_of(LABELLED, (POLICIES, policy_object()))
    assert not wanted(store)
    store.apply_event(*PLACE[:1], "ADDED", PLACE[1])
    assert STAMP in store.queue
    assert wanted(store)


def test_an_edit_of_the_selector_takes_groups_away_and_a_policy_that_goes_takes_all() -> None:
    store = store_of(PLACE, LABELLED, (POLICIES, policy_object()), (GROUPS, stamped_object()))
    for event, obj in (
        ("MODIFIED", policy_object(version=2, vmis={"tier": "iron"})),
        ("DELETED", policy_object(version=3)),
    ):
        settle(store)
        store.apply_event(POLICIES, event, obj)
        decision = store.decide(STAMP)
        assert decision is not None
        assert decision.stamp == Delete("uid-vm.gold")
    assert store.decide(GOLD) is None


def test_a_status_that_an_agent_writes_does_not_make_the_policy_dirty() -> None:
    store = store_of(PLACE, LABELLED, (POLICIES, policy_object()), (GROUPS, stamped_object()))
    store.apply_event(
        GROUPS, "MODIFIED", stamped_object(version=2) | {"status": {"observedTime": "2026-11-22T08:00:00Z"}}
    )
    assert set(store.queue) == {STAMP}
    settle(store)
    store.apply_event(GROUPS, "MODIFIED", stamped_object(version=3, priority=7))
    assert set(store.queue) == {GOLD, STAMP}


def test_a_vmi_that_merely_changes_its_phase_is_nothing_to_a_policy() -> None:
    store = store_of(PLACE, LABELLED, (POLICIES, policy_object()))
    store.apply_event(VMIS, "MODIFIED", vmi_object(version=2, phase="Failed", labels={"tier": "gold"}))
    assert not list(store.queue)


def test_a_deleted_group_is_made_anew_and_one_of_a_vmi_that_went_is_not() -> None:
    store = store_of(PLACE, LABELLED, (POLICIES, policy_object()), (GROUPS, stamped_object()))
    store.apply_event(GROUPS, "DELETED", stamped_object(version=2))
    assert set(store.queue) == {GOLD, STAMP}
    assert wanted(store)
    store.apply_event(VMIS, "DELETED", vmi_object(version=2))
    assert store.decide(STAMP) is None


def test_groups_that_lost_policy_or_vmi_while_nobody_looked_are_found_by_the_first_list() -> None:
    store = Store(moment)
    orphan = stamped_object("iron", "other")
    for resource, objects in (
        (GROUPS, [stamped_object(), orphan]),
        (POLICIES, [policy_object()]),
        (NAMESPACES, [PLACE[1]]),
        (VMIS, [LABELLED[1]]),
    ):
        apply_list(store, resource, objects, 10)
    name = ObjectName("tenant", "other.iron")
    assert name in store.queue
    decision = store.decide(name)
    assert decision is not None
    assert isinstance(decision.stamp, Delete)
    kept = store.decide(STAMP)
    assert kept is not None
    assert kept.stamp is None


def test_groups_that_are_stamped_by_the_thousand_let_all_others_go_first() -> None:
    store = store_of(PLACE, *((VMIS, vmi_object(f"vm{number}", uid=f"vmi-{number}")) for number in range(1000)))
    store.apply_event(POLICIES, "ADDED", policy_object())
    assert len(list(store.queue)) == 1001
    person = stamped_object("mine", "vm7")
    del person["metadata"]["labels"]
    store.apply_event(GROUPS, "ADDED", person)
    assert {store.queue.take(0.0), store.queue.take(0.0)} == {GOLD, ObjectName("tenant", "vm7.mine")}
