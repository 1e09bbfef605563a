"""Objects that make no sense: each costs itself, never the list, the watch or the process."""

import copy
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachemon.controller.collection import Collection
from cachemon.controller.decision import parse_stored_group
from cachemon.controller.node_agent import parse_node_agent
from cachemon.controller.stamping import parse_stored_policy
from cachemon.controller.store import Store
from cachemon.controller.vmi import parse_pod, parse_vmi
from cachemon.model.api import GROUPS, NAMESPACES, NODES, PODS, POLICIES, VMIS, ObjectName, Resource
from tests.unit.controller.builders import (
    agent,
    apply_list,
    figures,
    group_object,
    moment,
    namespace_object,
    node_object,
    pod_object,
    policy_object,
    vmi_object,
)

Object = dict[str, Any]

DIGITS = "9" * 5000
G = ObjectName("tenant", "g")


def without(obj: Object, *path: str) -> Object:
    odd = copy.deepcopy(obj)
    inner = odd
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return odd


def with_version(obj: Object, version: object) -> Object:
    return {**obj, "metadata": {**obj["metadata"], "resourceVersion": version}}


@pytest.mark.parametrize("version", ["", "soon", DIGITS, None, [], "1e3"])
def test_an_object_whose_version_is_no_number_is_left_out_of_its_list_alone(version: object) -> None:
    groups = Collection(parse_stored_group, "CacheMonitorGroup")
    listed = [group_object("a"), with_version(group_object("odd"), version), group_object("z")]
    changes = groups.replace(map(groups.read, listed), 10)
    assert [change.name.name for change in changes] == ["a", "z"]
    assert groups.unreadable == 1


def test_what_is_left_out_is_logged_once_and_counted_until_it_is_corrected_or_gone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    groups = Collection(parse_stored_group, "CacheMonitorGroup")
    odd = without(group_object(), "spec", "vmiName")
    with caplog.at_level(logging.ERROR):
        for version in range(2, 5):
            groups.put(with_version(odd, str(version)))
    assert [record.getMessage() for record in caplog.records] == [
        "CacheMonitorGroup tenant/g can't be read and is left out: KeyError: 'vmiName'; correct or delete it"
    ]
    assert groups.unreadable == 1
    assert groups.put(group_object(version=9))
    assert groups.unreadable == 0
    groups.put(with_version(odd, "10"))
    groups.remove(with_version(odd, "11"))
    assert groups.unreadable == 0
    groups.put(with_version(odd, "12"))
    groups.replace([], 20)
    assert groups.unreadable == 0


def test_an_object_that_was_fine_and_makes_no_sense_now_is_as_good_as_gone() -> None:
    groups = Collection(parse_stored_group)
    groups.put(group_object(version=1))
    change = groups.put(with_version(without(group_object(), "spec"), "2"))
    assert change is not None
    assert change.after is None
    assert groups.get(G) is None


def test_an_object_without_a_name_is_none() -> None:
    groups = Collection(parse_stored_group)
    for odd in ({}, {"metadata": None}, {"metadata": {"name": 1}}, {"metadata": {"name": "x", "namespace": []}}):
        assert groups.put(odd) is None
        assert groups.remove(odd) is None
    assert groups.replace(map(groups.read, [{"metadata": {}}, group_object()]), 5)
    assert groups.unreadable == 0


@pytest.mark.parametrize("status", [
    {"observedTime": 7, "statusPeriodSeconds": "60", "conditions": "none"},
    {"statusPeriodSeconds": -1, "conditions": [None, {}, {"type": "Ready"}, {"type": ["Ready"], "status": 1}]},
    {"statusPeriodSeconds": 10**5000, "conditions": {"type": "Ready"}},
    [],
    None,
])  # fmt: skip
def test_an_agent_that_writes_nonsense_about_its_node_says_nothing(status: object) -> None:
    read = parse_node_agent({"metadata": {"name": "a"}, "status": status})
    assert (read.report.observed_time, read.period_seconds, read.ready) == ("", 60, None)
    assert read.silent_from < agent().silent_from


def test_conditions_and_placements_that_are_none_count_for_nothing() -> None:
    status = figures() | {"placements": [{}, None, {"nodeName": "a", "podUID": 1, "role": "Active"}]}
    status["conditions"] = [*status["conditions"], {}, "Ready", {"type": "Ready", "status": "True"}]
    group = parse_stored_group(group_object(status=status)).group
    assert group.placements == ()
    assert list(group.conditions) == ["Monitored"]


OBJECTS: dict[Resource, Object] = {
    GROUPS: group_object(status=figures()),
    NODES: node_object(),
    POLICIES: policy_object(),
    NAMESPACES: namespace_object(),
    VMIS: vmi_object(),
    PODS: pod_object(),
}
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["", DIGITS, "9999-12-31T23:59:59Z"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "type", "x"]), inner),
    max_leaves=5,
)


@st.composite
def spoilt(draw: st.DrawFn) -> tuple[Resource, Object]:
    """A good object of some kind in which anything may have been replaced by anything."""
    resource = draw(st.sampled_from(list(OBJECTS)))
    obj = with_version(copy.deepcopy(OBJECTS[resource]), "7")
    for _ in range(draw(st.integers(1, 3))):
        inner: Any = obj
        while True:
            keys = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if not isinstance(inner[key], dict | list) or not inner[key] or draw(st.booleans()):
                inner[key] = draw(JUNK)
                break
            inner = inner[key]
    return resource, obj


@given(spoilt())
def test_whatever_an_object_says_the_others_of_its_list_are_heard_and_all_are_judged(
    spoiled: tuple[Resource, Object],
) -> None:
    resource, odd = spoiled
    store = Store(moment)
    for kind, good in OBJECTS.items():
        other = copy.deepcopy(good)
        other["metadata"]["name"] += "-other"
        apply_list(store, kind, [odd, other] if kind == resource else [good, other], 10)
    store.apply_event(resource, "MODIFIED", odd)
    assert store.decide(ObjectName("tenant", "g-other")) is not None
    assert store.decide(ObjectName("", "gold-other")) is not None
    store.decide(G)
    store.decide(ObjectName("", "gold"))
    store.apply_event(resource, "DELETED", odd)


@given(JUNK)
def test_no_junk_ends_a_parser_in_any_other_way_than_by_an_error_that_puts_it_aside(junk: Any) -> None:
    for parse in (parse_vmi, parse_pod, parse_stored_group, parse_node_agent, parse_stored_policy):
        collection = Collection(parse)
        collection.put({"metadata": {"name": "x", "resourceVersion": "1"}, "spec": junk, "status": junk})
