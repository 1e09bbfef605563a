import copy
import json
import random
import tracemalloc
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cachemon.controller.store import Store
from cachemon.model.api import GROUPS, NAMESPACES, NODES, PODS, POLICIES, VMIS, ObjectName, Resource
from tests.unit.controller.builders import (
    apply_list,
    group_object,
    moment,
    namespace_object,
    node_object,
    pod_object,
    policy_object,
    stamped_object,
    vmi_object,
)

Object = dict[str, Any]

G = ObjectName("tenant", "g")


def settled(*objects: tuple[Resource, Object]) -> Store:
    """A store that knows these, with nothing left to look at."""
    store = Store(moment)
    for resource, obj in objects:
        store.apply_event(resource, "ADDED", obj)
    for name in list(store.queue):
        store.queue.discard(name)
    return store


def decided(store: Store, name: ObjectName = G) -> tuple[str, str]:
    decision = store.decide(name)
    assert decision is not None
    assert decision.status is not None
    return decision.status["nodeName"], decision.status["conditions"][0]["reason"]


def test_whatever_a_decision_rests_on_makes_the_group_dirty() -> None:
    news: list[tuple[Resource, Object]] = [
        (VMIS, vmi_object()),
        (PODS, pod_object()),
        (NODES, node_object()),
    ]
    for resource, obj in news:
        store = settled((GROUPS, group_object(status={"nodeName": "a"})))
        store.apply_event(resource, "ADDED", obj)
        assert list(store.queue) == [G], resource
        store.queue.discard(G)
        store.apply_event(resource, "DELETED", obj)
        assert list(store.queue) == [G], resource


def test_a_list_of_names_removes_what_is_not_on_it_unless_that_is_newer_than_the_list() -> None:
    store = settled(
        (VMIS, vmi_object(version=5)), (PODS, pod_object()), (NODES, node_object()), (GROUPS, group_object())
    )
    assert store.apply_names(VMIS, [], 4)
    assert decided(store) == ("a", "Placed")
    assert store.apply_names(VMIS, [ObjectName("tenant", "vm")], 6)
    assert decided(store) == ("a", "Placed")
    assert list(store.queue) == []
    assert store.apply_names(VMIS, [], 6)
    assert list(store.queue) == [G]
    assert decided(store) == ("", "VMINotFound")


def test_late_news_of_what_a_list_of_names_has_removed_does_not_bring_it_back() -> None:
    store = settled(
        (VMIS, vmi_object(version=5)), (PODS, pod_object()), (NODES, node_object()), (GROUPS, group_object())
    )
    assert store.apply_names(VMIS, [], 10)
    store.apply_event(VMIS, "MODIFIED", vmi_object(version=7))
    assert decided(store) == ("", "VMINotFound")
    store.apply_event(VMIS, "ADDED", vmi_object(version=11))
    assert decided(store) == ("a", "Placed")


def test_what_only_a_list_of_names_has_comes_with_a_later_event() -> None:
    store = settled((PODS, pod_object()), (NODES, node_object()), (GROUPS, group_object()))
    assert store.apply_names(VMIS, [ObjectName("tenant", "vm")], 10)
    assert decided(store) == ("", "VMINotFound")
    store.apply_event(VMIS, "ADDED", vmi_object(version=9))
    assert decided(store) == ("a", "Placed")


def test_a_pod_in_another_namespace_that_says_it_is_the_vmis_is_not_heard() -> None:
    store = settled((VMIS, vmi_object()), (PODS, pod_object()), (NODES, node_object()), (GROUPS, group_object()))
    before = decided(store)
    forged = pod_object("forged", node="b", age=60, version=9)
    forged["metadata"]["namespace"] = "another-tenant"
    store.apply_event(PODS, "ADDED", forged)
    assert list(store.queue) == []
    assert decided(store) == before


def test_what_it_does_not_rest_on_does_not() -> None:
    store = settled((GROUPS, group_object(status={"nodeName": "a"})))
    store.apply_event(VMIS, "ADDED", vmi_object("other"))
    store.apply_event(PODS, "ADDED", pod_object("other", vmi_name="other"))
    store.apply_event(NODES, "ADDED", node_object("b"))
    assert not list(store.queue)


def test_a_change_that_nothing_is_read_of_makes_nothing_dirty() -> None:
    store = settled((GROUPS, group_object()), (VMIS, vmi_object()))
    changed = vmi_object(version=2)
    changed["status"]["conditions"] = [{"type": "Ready"}]
    store.apply_event(VMIS, "MODIFIED", changed)
    assert not list(store.queue)


def test_a_deleted_group_is_forgotten() -> None:
    store = Store(moment)
    store.apply_event(GROUPS, "ADDED", group_object())
    store.apply_event(GROUPS, "DELETED", group_object(version=2))
    assert not list(store.queue)
    assert store.decide(G) is None
    store.apply_event(VMIS, "ADDED", vmi_object())
    assert not list(store.queue)


def test_older_news_is_ignored() -> None:
    store = settled((GROUPS, group_object()), (VMIS, vmi_object(version=5)), (PODS, pod_object()))
    store.apply_event(VMIS, "MODIFIED", vmi_object(phase="Pending", version=4))
    store.apply_event(VMIS, "DELETED", vmi_object(version=4))
    assert decided(store) == ("a", "NoAgent")


def test_an_object_does_not_come_back_by_news_from_before_its_end() -> None:
    store = settled((GROUPS, group_object()), (VMIS, vmi_object(version=5)))
    store.apply_event(VMIS, "DELETED", vmi_object(version=7))
    store.apply_event(VMIS, "MODIFIED", vmi_object(version=6))
    assert decided(store) == ("", "VMINotFound")
    store.apply_event(VMIS, "ADDED", vmi_object(version=8))
    assert decided(store) == ("", "VMINotRunning")


def test_a_list_removes_what_vanished_unseen_and_keeps_what_came_later() -> None:
    store = settled((GROUPS, group_object()), (VMIS, vmi_object(version=5)), (PODS, pod_object(version=30, node="a")))
    apply_list(store, VMIS, [], 20)
    assert list(store.queue) == [G]
    assert decided(store) == ("", "VMINotFound")
    apply_list(store, PODS, [], 20)
    store.apply_event(VMIS, "MODIFIED", vmi_object(version=19))
    assert decided(store) == ("", "VMINotFound")
    store.apply_event(VMIS, "ADDED", vmi_object(version=21))
    assert decided(store) == ("a", "NoAgent")


def test_a_list_of_an_earlier_history_wins_because_etcd_was_restored() -> None:
    store = settled((GROUPS, group_object(version=900)), (VMIS, vmi_object(version=950)))
    apply_list(store, VMIS, [], 1000)
    apply_list(store, VMIS, [vmi_object(version=10)], 20)
    assert decided(store) == ("", "VMINotRunning")
    store.apply_event(VMIS, "MODIFIED", vmi_object(phase="Failed", version=30))
    apply_list(store, VMIS, [], 40)
    assert decided(store) == ("", "VMINotFound")


KINDS: dict[Resource, list[Object]] = {
    GROUPS: [group_object(), group_object("h", vmi_name="other"), stamped_object(), stamped_object("iron", "other")],
    VMIS: [vmi_object(), vmi_object("other", uid="vmi-2")],
    PODS: [pod_object(), pod_object("p2", node="b", age=5), pod_object("p3", vmi_name="other", vmi_uid="vmi-2")],
    NODES: [node_object(), node_object("b")],
    POLICIES: [policy_object(vmis={"phase": "Running"}), policy_object("iron", namespaces={"phase": "Running"})],
    NAMESPACES: [namespace_object()],
}
CHANGES = st.lists(
    st.tuples(
        st.sampled_from([(resource, index) for resource, objects in KINDS.items() for index in range(len(objects))]),
        st.sampled_from(["put", "put", "delete"]),
        st.sampled_from(["Running", "Failed", "Pending", "Scheduling"]),
    ),
    max_size=25,
)


class History:
    """What happened at the API server: events, and the answer of every list."""

    def __init__(self) -> None:
        self.now: dict[Resource, dict[int, Object]] = {resource: {} for resource in KINDS}
        self.events: list[tuple[Resource, str, Object]] = []
        self.lists: list[tuple[Resource, list[Object], int]] = []

    def happen(self, version: int, resource: Resource, index: int, what: str, phase: str) -> None:
        obj = copy.deepcopy(KINDS[resource][index])
        obj["metadata"]["resourceVersion"] = str(version)
        if resource in (VMIS, PODS):
            obj["status"]["phase"] = phase
        if resource in (VMIS, NAMESPACES):
            obj["metadata"]["labels"] = {"phase": phase}
        if resource == POLICIES:
            obj["spec"]["template"]["priority"] = len(phase)
        if what == "put":
            self.events.append((resource, "MODIFIED" if index in self.now[resource] else "ADDED", obj))
            self.now[resource][index] = obj
        elif index in self.now[resource]:
            self.events.append((resource, "DELETED", obj))
            del self.now[resource][index]
        self.lists.append((resource, list(self.now[resource].values()), version))

    def truth(self) -> Store:
        store = Store(moment)
        for resource, objects in self.now.items():
            for obj in objects.values():
                store.apply_event(resource, "ADDED", obj)
        return store


@given(CHANGES, st.randoms(use_true_random=False), st.integers(0, 5))
def test_the_decision_does_not_depend_on_the_order_in_which_news_arrives(
    changes: list[tuple[tuple[Resource, int], str, str]], shuffle: random.Random, list_count: int
) -> None:
    history = History()
    for version, ((resource, index), what, phase) in enumerate(changes, start=1):
        history.happen(version, resource, index, what, phase)
    lists = sorted(shuffle.sample(range(len(history.lists)), min(list_count, len(history.lists))))
    news: list[tuple[float, Any]] = [(shuffle.random(), event) for event in history.events]
    places = sorted(shuffle.random() for _ in lists)  # lists come in their order, events in any
    news += [(place, history.lists[number]) for place, number in zip(places, lists, strict=True)]
    store = Store(moment)
    for _, (resource, first, second) in sorted(news, key=lambda item: item[0]):
        if isinstance(first, list):
            apply_list(store, resource, first, second)
        else:
            store.apply_event(resource, first, second)
    truth = history.truth()
    stamps = [ObjectName("tenant", f"{vmi}.{policy}") for vmi in ("vm", "other") for policy in ("gold", "iron")]
    policies = [ObjectName("", "gold"), ObjectName("", "iron")]
    for name in (G, ObjectName("tenant", "h"), *stamps, *policies):
        assert store.decide(name) == truth.decide(name)
        if truth.decide(name):
            assert name in store.queue
    assert len(store.objects.groups) == len(history.now[GROUPS])
    assert set(store.queue) >= {item.group.name for item in truth.objects.groups.values()}


def bytes_of(number: int, **spec: Any) -> int:
    """What the store keeps of this many groups."""
    objects = [group_object(f"g{place}") for place in range(number)]
    texts = [json.dumps({**obj, "spec": {**obj["spec"], **spec}}) for obj in objects]
    tracemalloc.start()
    try:
        store = Store(moment)
        for text in texts:
            store.apply_event(GROUPS, "ADDED", json.loads(text))
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def test_nothing_is_kept_of_the_groups_that_a_person_wants() -> None:
    wide = [{"name": f"g{number}", "vcpus": "0-16383"} for number in range(64)]
    assert bytes_of(300, groups=wide) < 1.1 * bytes_of(300)
