import re
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cachemon.model.groups import ALL_VCPUS, digest_of
from cachemon.model.policies import parse_cache_monitor_policy, parse_selector
from cachemon.model.stamps import stamped_name

SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
POLICY = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")

LABELS = st.dictionaries(st.sampled_from("abc"), st.sampled_from(["", "x", "y"]))
EXPRESSIONS = st.one_of(
    st.fixed_dictionaries(
        {
            "key": st.sampled_from("abcd"),
            "operator": st.sampled_from(["In", "NotIn"]),
            "values": st.lists(st.sampled_from(["", "x", "y", "z"]), min_size=1, max_size=3),
        }
    ),
    st.fixed_dictionaries({"key": st.sampled_from("abcd"), "operator": st.sampled_from(["Exists", "DoesNotExist"])}),
)


def policy(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "gold", "generation": 3}, "spec": spec}


@pytest.mark.parametrize(
    ("selector", "labels", "selected"),
    [
        (None, {}, True),
        ({}, {"a": "x"}, True),
        ({"matchLabels": {"a": "x"}}, {"a": "x", "b": "y"}, True),
        ({"matchLabels": {"a": "x"}}, {"a": "y"}, False),
        ({"matchLabels": {"a": ""}}, {}, False),
        ({"matchLabels": {"a": "x", "b": "y"}}, {"a": "x"}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["x", "y"]}]}, {"a": "y"}, True),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["x"]}]}, {}, False),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["x"]}]}, {}, True),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["x"]}]}, {"a": "x"}, False),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, {"a": ""}, True),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, {"a": ""}, False),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, {}, True),
        ({"matchLabels": {"b": "y"}, "matchExpressions": [{"key": "a", "operator": "Exists"}]}, {"b": "y"}, False),
        ({"matchExpressions": [{"key": "a", "operator": "FromTheFuture"}]}, {"a": "x"}, False),
    ],
)
def test_a_selector_selects_as_kubernetes_says(
    selector: dict[str, Any] | None, labels: dict[str, str], *, selected: bool
) -> None:
    assert parse_selector(selector).selects(labels) is selected


@given(LABELS, LABELS, st.lists(EXPRESSIONS, max_size=3))
def test_every_requirement_narrows_and_each_one_has_its_opposite(
    wanted: dict[str, str], labels: dict[str, str], expressions: list[dict[str, Any]]
) -> None:
    both = parse_selector({"matchLabels": wanted, "matchExpressions": expressions})
    parts = [
        parse_selector({"matchLabels": wanted}),
        *(parse_selector({"matchExpressions": [e]}) for e in expressions),
    ]
    assert both.selects(labels) == all(part.selects(labels) for part in parts)
    opposite = {"In": "NotIn", "NotIn": "In", "Exists": "DoesNotExist", "DoesNotExist": "Exists"}
    for expression in expressions:
        turned = {**expression, "operator": opposite[expression["operator"]]}
        one, other = (parse_selector({"matchExpressions": [e]}).selects(labels) for e in (expression, turned))
        assert one != other


def test_a_policy_without_anything_watches_all_vcpus_of_every_vmi() -> None:
    parsed = parse_cache_monitor_policy(policy())
    assert parsed.selects({}, {"any": "label"})
    assert parsed.template.digest == digest_of((ALL_VCPUS,))
    assert parsed.template.spec("vm3") == {
        "vmiName": "vm3",
        "groups": [{"vcpus": "all"}],
        "priority": 0,
        "statusPeriodSeconds": 60,
    }


def test_both_selectors_have_to_select() -> None:
    parsed = parse_cache_monitor_policy(
        policy(namespaceSelector={"matchLabels": {"n": "1"}}, vmiSelector={"matchLabels": {"v": "1"}})
    )
    assert parsed.selects({"n": "1"}, {"v": "1"})
    assert not parsed.selects({"n": "1"}, {})
    assert not parsed.selects({}, {"v": "1"})


def test_a_template_that_is_not_valid_is_handed_on_for_the_api_server_to_refuse() -> None:
    template = parse_cache_monitor_policy(policy(template={"groups": [{"vcpus": "3-1"}]})).template
    assert template.digest == digest_of(())
    assert template.spec("vm3")["groups"] == [{"vcpus": "3-1"}]


NAMES = st.one_of(
    st.from_regex(SUBDOMAIN, fullmatch=True).filter(lambda name: len(name) <= 253),
    st.builds(
        lambda length, tail: ("long-name." * 26)[: length - len(tail)].rstrip("-.") + tail,
        st.integers(180, 253),
        st.sampled_from(["a", "b", "-a", ".a"]),
    ),
)
POLICIES = st.from_regex(POLICY, fullmatch=True).map(lambda name: name[:63].rstrip("-"))


@given(NAMES, POLICIES)
def test_a_stamped_name_is_one_that_the_api_server_takes(vmi: str, policy_name: str) -> None:
    name = stamped_name(vmi, policy_name)
    assert SUBDOMAIN.fullmatch(name)
    assert len(name) <= 253
    assert name == stamped_name(vmi, policy_name)


@given(NAMES, POLICIES, NAMES, POLICIES)
def test_no_two_pairs_have_one_name(vmi: str, policy_name: str, other_vmi: str, other_policy: str) -> None:
    assume((vmi, policy_name) != (other_vmi, other_policy))
    assert stamped_name(vmi, policy_name) != stamped_name(other_vmi, other_policy)


@pytest.mark.parametrize("pair", [("a", "b-c"), ("a-b", "c"), ("a.b", "c"), ("a", "c")])
def test_names_that_a_hyphen_would_mix_up_stay_distinct(pair: tuple[str, str]) -> None:
    others = {("a", "b-c"), ("a-b", "c"), ("a.b", "c"), ("a", "c")} - {pair}
    assert stamped_name(*pair) not in {stamped_name(*other) for other in others}


@pytest.mark.parametrize("length", [188, 189, 190, 253])
def test_long_names_that_differ_at_their_end_only_stay_distinct(length: int) -> None:
    first, second = "v" * (length - 1) + "a", "v" * (length - 1) + "b"
    assert stamped_name(first, "p" * 63) != stamped_name(second, "p" * 63)
    assert len(stamped_name(first, "p" * 63)) <= 253
    assert SUBDOMAIN.fullmatch(stamped_name("v" * 147 + "." + "w" * (length - 148), "gold"))


def test_a_short_name_can_be_read() -> None:
    assert stamped_name("vm3", "gold") == "vm3.gold"
