import copy
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.client import ApiException

from cachemon.model.api import parse_cache_monitor_group
from cachemon.model.groups import default_name
from lab.kubernetes.api_client import message_of
from lab.kubernetes.control_plane import ControlPlane, ControlPlaneError
from lab.repository import REPOSITORY
from tests.integration.apiserver.dry_run import dry_run, place
from tests.integration.apiserver.examples import (
    AGENT_STATUS,
    MERGE,
    NODE_STATUS,
    OPERATOR_STATUS,
    POLICY_SPEC,
    POLICY_STATUS,
    SPEC,
    group_object,
    groups_path,
    node_object,
    nodes_path,
    policies_path,
    policy_object,
)
from tests.integration.apiserver.schema_breaker import Broken, break_every_bound

__all__ = ["place"]

CRDS = REPOSITORY / "crds"

FORM = "`vcpus` must be `all` or a list such as `0-3,^1`: ids, ranges, and ids to leave out"
TOO_HIGH = "`vcpus` must not have an id above 16383"
BACKWARDS = "`vcpus` must not have a range that runs backwards"
TOO_MANY_ITEMS = "`vcpus` must not have more than 32 items when it leaves out ids with `^`"
NOTHING_LEFT = "`vcpus` must leave at least one id"
NOTHING_SURELY_LEFT = "`vcpus` of more than 12 items must have a range that is longer than the number of ids left out"
NOT_ASCENDING = "`vcpus` of more than 128 characters must be ascending, without `^`"
TOO_LONG_TOGETHER = "the lists in `vcpus` must not have more than 8192 characters together"
VMI_NAME = "`vmiName` must be the name of a VirtualMachineInstance: lower case letters, digits, '-' and '.'"
VMI_IMMUTABLE = "`vmiName` must not change; create another CacheMonitorGroup for another VMI"
UNIQUE = "group names must be unique; a group without `name` is called `vcpus_<its list>`"
NEITHER = "a group must have `vcpus` or `threads`"
NAMELESS = "a group of `threads` alone must have a `name`"
GROUP_NAME = "`name` must be letters, digits, '-', '_', '.', ',' and '^', with a letter or digit at both ends"
LABEL_NAME = "a name of at most 63 letters, digits, '-', '_' and '.', or `domain/name`"
LABEL_TEXT = "letters, digits, '-', '_' and '.', with a letter or digit at both ends"
LABEL_KEYS = f"`matchLabels` must have label keys: {LABEL_NAME}"
LABEL_VALUES = f"`matchLabels` must have label values: {LABEL_TEXT}"
KEY = f"`key` must be a label key: {LABEL_NAME}"
VALUE = f"`values` must be label values: {LABEL_TEXT}"
VALUES_ABSENT = "`values` must have a value where `operator` is In or NotIn"
VALUES_PRESENT = "`values` must be absent where `operator` is Exists or DoesNotExist"
POLICY_NAME = (
    "`metadata.name` must be at most 63 lower case letters, digits and '-': it is a label's value on every group"
)

BAD_LISTS = [
    ("", FORM),
    (",", FORM),
    ("0,", FORM),
    (",0", FORM),
    ("0,,1", FORM),
    ("a", FORM),
    ("All", FORM),
    ("all,0", FORM),
    ("0x3", FORM),
    (" 1", FORM),
    ("1 ", FORM),
    ("0, 1", FORM),
    ("1\n", FORM),
    ("-1", FORM),
    ("1-", FORM),
    ("1-2-3", FORM),
    ("1.5", FORM),
    ("^1", FORM),
    ("0-3,^1-2", FORM),
    ("0-3,^^1", FORM),
    ("\u0663", FORM),
    ("123456", FORM),
    ("16384", TOO_HIGH),
    ("0-16384", TOO_HIGH),
    ("0,^99999", TOO_HIGH),
    ("3-1", BACKWARDS),
    ("0,5-4", BACKWARDS),
    ("10-9", BACKWARDS),
    (",".join([f"{i}" for i in range(32)] + ["^1"]), TOO_MANY_ITEMS),
    ("0,^0", NOTHING_LEFT),
    ("0-1,^0,^1", NOTHING_LEFT),
    ("0-1,4,^4,^1,^0", NOTHING_LEFT),
    ("3,3,^3", NOTHING_LEFT),
    ("007,^7", NOTHING_LEFT),
    (",".join(["0-12", *(f"^{i}" for i in range(13))]), NOTHING_SURELY_LEFT),
    (",".join(f"{i}" for i in (*range(50), 0)), NOT_ASCENDING),
    (",".join(["100-999", *(f"^{i}" for i in range(150, 180))]), NOT_ASCENDING),
]
GOOD_LISTS = [
    "0",
    "all",
    "0,3",
    "0-3,^1",
    "0-0",
    "007",
    "0-16383",
    "16383",
    "0-3,8-11,^1,^9",
    "5,^4",
    "0-2,4-6,^0,^2,^4",
    ",".join(["0-30", *(f"^{i}" for i in range(30))]),
    ",".join(f"{i}" for i in range(40)),
]
BAD_SPECS: list[tuple[str, dict[str, Any], str, str]] = [
    *((f"list {text!r}", {"groups": [{"vcpus": text}]}, "spec.groups[0].vcpus", why) for text, why in BAD_LISTS),
    ("VMI in capitals", {"vmiName": "VM3"}, "spec.vmiName", VMI_NAME),
    ("VMI ends in a dot", {"vmiName": "vm3."}, "spec.vmiName", VMI_NAME),
    ("VMI with a slash", {"vmiName": "tenant-a/vm3"}, "spec.vmiName", VMI_NAME),
    ("two names", {"groups": [{"name": "a", "vcpus": "0"}, {"name": "a", "vcpus": "1"}]}, "spec.groups", UNIQUE),
    (
        "lists that are too long together",
        {"groups": [{"name": f"g{i}", "vcpus": ",".join(map(str, range(1000, 1400, 2)))} for i in range(9)]},
        "spec.groups",
        TOO_LONG_TOGETHER,
    ),
    ("two default names", {"groups": [{"vcpus": "0"}, {"vcpus": "0"}]}, "spec.groups", UNIQUE),
    (
        "a name that another has by default",
        {"groups": [{"name": "vcpus_1", "threads": ["Vhost"]}, {"vcpus": "1"}]},
        "spec.groups",
        UNIQUE,
    ),
    ("empty group", {"groups": [{}]}, "spec.groups[0]", NEITHER),
    ("name alone", {"groups": [{"vcpus": "0"}, {"name": "a"}]}, "spec.groups[1]", NEITHER),
    ("threads alone", {"groups": [{"threads": ["Vhost"]}]}, "spec.groups[0]", NAMELESS),
    ("name with a blank", {"groups": [{"name": "a b", "vcpus": "0"}]}, "spec.groups[0].name", GROUP_NAME),
    ("name begins with _", {"groups": [{"name": "_a", "vcpus": "0"}]}, "spec.groups[0].name", GROUP_NAME),
    ("name ends with ,", {"groups": [{"name": "a,", "vcpus": "0"}]}, "spec.groups[0].name", GROUP_NAME),
    ("vCPUs as threads", {"groups": [{"name": "a", "threads": ["VCPU"]}]}, "spec.groups[0].threads[0]", "supported"),
]

BAD_LABELS: list[tuple[str, dict[str, Any], str, str]] = [
    ("key with a blank", {"matchLabels": {"a b": "x"}}, ".matchLabels", LABEL_KEYS),
    ("empty key", {"matchLabels": {"": "x"}}, ".matchLabels", LABEL_KEYS),
    ("key too long", {"matchLabels": {"k" * 64: "x"}}, ".matchLabels", LABEL_KEYS),
    ("domain in capitals", {"matchLabels": {"Example.com/k": "x"}}, ".matchLabels", LABEL_KEYS),
    ("two slashes", {"matchLabels": {"a/b/c": "x"}}, ".matchLabels", LABEL_KEYS),
    ("value with a blank", {"matchLabels": {"k": "a b"}}, ".matchLabels", LABEL_VALUES),
    ("value ends in a dot", {"matchLabels": {"k": "a."}}, ".matchLabels", LABEL_VALUES),
    ("required key with a blank", {"matchExpressions": [{"key": "a b", "operator": "Exists"}]}, ".key", KEY),
    (
        "required value with a blank",
        {"matchExpressions": [{"key": "k", "operator": "In", "values": ["a", "b c"]}]},
        ".values[1]",
        VALUE,
    ),
    ("In without values", {"matchExpressions": [{"key": "k", "operator": "In"}]}, "[0]", VALUES_ABSENT),
    ("NotIn nothing", {"matchExpressions": [{"key": "k", "operator": "NotIn", "values": []}]}, "[0]", VALUES_ABSENT),
    (
        "Exists with a value",
        {"matchExpressions": [{"key": "k", "operator": "Exists", "values": ["x"]}]},
        "[0]",
        VALUES_PRESENT,
    ),
    (
        "DoesNotExist with a value",
        {"matchExpressions": [{"key": "k", "operator": "DoesNotExist", "values": ["x"]}]},
        "[0]",
        VALUES_PRESENT,
    ),
]
BAD_POLICIES: list[tuple[str, dict[str, Any], str, str]] = [
    *(
        (name, {"template": spec}, field.replace("spec.", "spec.template."), why)
        for name, spec, field, why in BAD_SPECS
        if "groups" in spec
    ),
    *(
        (f"{selector}: {name}", {selector: bad}, field, why)
        for selector in ("namespaceSelector", "vmiSelector")
        for name, bad, field, why in BAD_LABELS
    ),
]


def crd(plural: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((CRDS / f"{plural}.yaml").read_text(encoding="utf-8"))
    return loaded


def properties(plural: str) -> dict[str, Any]:
    schema: dict[str, Any] = crd(plural)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    return schema


BROKEN_SPECS = list(break_every_bound(properties("cachemonitorgroups")["spec"], SPEC, "spec"))
BROKEN_POLICIES = list(break_every_bound(properties("cachemonitorpolicies")["spec"], POLICY_SPEC, "spec"))
BROKEN_STATUSES = [
    (plural, broken)
    for plural, status in (
        ("cachemonitorgroups", {**OPERATOR_STATUS, **AGENT_STATUS}),
        ("cachemonitornodes", NODE_STATUS),
        ("cachemonitorpolicies", POLICY_STATUS),
    )
    for broken in break_every_bound(properties(plural)["status"], status, "status")
]


@pytest.fixture(scope="module")
def empty_objects(control_plane: ControlPlane, place: str) -> Iterator[dict[str, str]]:
    """The URLs of an object without a status of each kind."""
    name = f"crds-{secrets.token_hex(4)}"
    control_plane.request("POST", nodes_path(), node_object(name))
    control_plane.request("POST", policies_path(), policy_object(name))
    yield {
        "cachemonitorgroups": groups_path(place, "empty"),
        "cachemonitornodes": nodes_path(name),
        "cachemonitorpolicies": policies_path(name),
    }
    control_plane.request("DELETE", nodes_path(name))
    control_plane.request("DELETE", policies_path(name))


def refusal(control_plane: ControlPlane, place: str, spec: Any) -> str:
    with pytest.raises(ApiException) as refused:
        dry_run(control_plane, place, spec)
    return message_of(refused.value)


@pytest.mark.parametrize(("spec", "field", "why"), [t[1:] for t in BAD_SPECS], ids=[t[0] for t in BAD_SPECS])
def test_a_bad_spec_is_refused_with_the_message_of_its_rule(
    control_plane: ControlPlane, place: str, spec: dict[str, Any], field: str, why: str
) -> None:
    message = refusal(control_plane, place, {"vmiName": "vm3", **spec})
    assert re.search(rf"{re.escape(field)}: [^\n]*{re.escape(why)}", message), message
    assert "evaluation" not in message


def dry_run_policy(control_plane: ControlPlane, spec: Any, name: str = "tried") -> Any:
    path = f"{policies_path()}?dryRun=All&fieldValidation=Strict"
    return control_plane.request("POST", path, policy_object(name, spec))


def refusal_of_policy(control_plane: ControlPlane, spec: Any, name: str = "tried") -> str:
    with pytest.raises(ApiException) as refused:
        dry_run_policy(control_plane, spec, name)
    assert refused.value.status in (400, 422)
    return message_of(refused.value)


@pytest.mark.parametrize(("spec", "field", "why"), [t[1:] for t in BAD_POLICIES], ids=[t[0] for t in BAD_POLICIES])
def test_a_bad_policy_is_refused_with_the_message_of_its_rule(
    control_plane: ControlPlane, spec: dict[str, Any], field: str, why: str
) -> None:
    message = refusal_of_policy(control_plane, spec)
    assert re.search(rf"{re.escape(field)}: [^\n]*{re.escape(why)}", message), message
    assert "evaluation" not in message


@pytest.mark.parametrize("name", ["a.b", "a" * 64])
def test_a_policys_name_must_fit_a_label(control_plane: ControlPlane, name: str) -> None:
    assert POLICY_NAME in refusal_of_policy(control_plane, {}, name)
    assert dry_run_policy(control_plane, {}, "a" * 63)


@pytest.mark.parametrize("broken", BROKEN_POLICIES, ids=str)
def test_every_bound_of_a_policys_spec_is_enforced(control_plane: ControlPlane, broken: Broken) -> None:
    assert broken.is_named_in(refusal_of_policy(control_plane, broken.value))


def test_the_policy_with_everything_is_kept_as_it_was_written(control_plane: ControlPlane) -> None:
    assert dry_run_policy(control_plane, POLICY_SPEC)["spec"] == POLICY_SPEC


def test_an_empty_policy_gets_the_defaults_of_a_group(control_plane: ControlPlane) -> None:
    spec = dry_run_policy(control_plane, {})["spec"]
    assert spec == {"template": {"priority": 0, "statusPeriodSeconds": 60}}


def test_the_largest_policy_stays_within_the_cost_of_rules(control_plane: ControlPlane) -> None:
    selector = {
        "matchLabels": {f"{'d' * 240}.{number:02}/{'n' * 63}": "v" * 63 for number in range(16)},
        "matchExpressions": [{"key": "k" * 63, "operator": "In", "values": ["v" * 63] * 64}] * 16,
    }
    costly = ",".join(["100-163"] + [f"^{i}" for i in range(100, 121)])
    groups = [{"name": f"{i:02}{'n' * 61}", "vcpus": costly} for i in range(64)]
    spec = {"namespaceSelector": selector, "vmiSelector": selector, "template": {"groups": groups}}
    assert len(dry_run_policy(control_plane, spec)["spec"]["template"]["groups"]) == 64


def test_vmi_name_can_not_be_changed(control_plane: ControlPlane, place: str) -> None:
    with pytest.raises(ApiException) as refused:
        control_plane.request(
            "PATCH",
            f"{groups_path(place, 'empty')}?dryRun=All",
            {"spec": {"vmiName": "vm4"}},
            content_type=MERGE,
        )
    assert VMI_IMMUTABLE in message_of(refused.value)
    assert refused.value.status == 422


def test_every_rule_of_the_crds_has_a_refusal_in_this_file() -> None:
    def messages(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            yield from (rule["message"] for rule in node.get("x-kubernetes-validations", ()))
        if isinstance(node, dict | list):
            for part in node.values() if isinstance(node, dict) else node:
                yield from messages(part)

    in_groups, in_policies = (
        list(messages(crd(plural))) for plural in ("cachemonitorgroups", "cachemonitorpolicies")
    )
    in_crds = {m for path in sorted(CRDS.glob("*.yaml")) for m in messages(yaml.safe_load(path.read_text("utf-8")))}
    assert in_crds == {*in_groups, *in_policies}
    assert len(in_groups) > 5
    assert set(in_groups) - {why for *_, why in BAD_SPECS} == {VMI_IMMUTABLE}
    assert len(in_groups) == len(set(in_groups))
    assert set(in_policies) - {why for *_, why in BAD_POLICIES} == {POLICY_NAME}


@pytest.mark.parametrize("broken", BROKEN_SPECS, ids=str)
def test_every_bound_of_the_spec_is_enforced(control_plane: ControlPlane, place: str, broken: Broken) -> None:
    assert broken.is_named_in(refusal(control_plane, place, broken.value))


@pytest.mark.parametrize(("plural", "broken"), BROKEN_STATUSES, ids=str)
def test_every_bound_of_the_status_is_enforced(
    control_plane: ControlPlane, empty_objects: dict[str, str], plural: str, broken: Broken
) -> None:
    path = f"{empty_objects[plural]}/status?dryRun=All&fieldValidation=Strict"
    with pytest.raises(ApiException) as refused:
        control_plane.request("PATCH", path, {"status": broken.value}, content_type=MERGE)
    assert broken.is_named_in(message_of(refused.value))


def test_a_full_status_is_kept_as_it_was_written(control_plane: ControlPlane, empty_objects: dict[str, str]) -> None:
    for plural, status in (
        ("cachemonitorgroups", {**OPERATOR_STATUS, **AGENT_STATUS}),
        ("cachemonitornodes", NODE_STATUS),
        ("cachemonitorpolicies", POLICY_STATUS),
    ):
        path = f"{empty_objects[plural]}/status?dryRun=All&fieldValidation=Strict"
        answer = control_plane.request("PATCH", path, {"status": status}, content_type=MERGE)
        assert answer["status"] == status


@pytest.mark.parametrize("text", GOOD_LISTS)
def test_a_good_list_is_accepted_and_means_the_same_to_the_model(
    control_plane: ControlPlane, place: str, text: str
) -> None:
    accepted = dry_run(control_plane, place, {"vmiName": "vm3", "groups": [{"vcpus": text}]})
    parsed = parse_cache_monitor_group(
        {**accepted, "metadata": {"generation": 1, "resourceVersion": "1", **accepted["metadata"]}}
    )
    assert parsed.problem is None
    assert parsed.groups[0].name == default_name(text)


def test_the_spec_with_everything_is_kept_as_it_was_written(control_plane: ControlPlane, place: str) -> None:
    assert dry_run(control_plane, place, SPEC)["spec"] == SPEC


def test_defaults_are_filled_in(control_plane: ControlPlane, place: str) -> None:
    assert dry_run(control_plane, place, {"vmiName": "vm3"})["spec"] == {
        "vmiName": "vm3",
        "priority": 0,
        "statusPeriodSeconds": 60,
    }


def test_the_largest_spec_stays_within_the_cost_of_rules(control_plane: ControlPlane, place: str) -> None:
    costly = ",".join(["100-163"] + [f"^{i}" for i in range(100, 121)])
    groups = [{"name": f"{i:02}{'n' * 61}", "vcpus": costly} for i in range(64)]
    accepted = dry_run(control_plane, place, {"vmiName": "v" * 253, "groups": groups})
    assert len(accepted["spec"]["groups"]) == 64


def test_the_longest_lists_stay_within_the_cost_of_rules(control_plane: ControlPlane, place: str) -> None:
    longest = ",".join(map(str, range(10_000, 10_340, 2)))
    assert 1000 < len(longest) <= 1024
    groups = [{"name": f"{i:02}{'n' * 61}", "vcpus": longest} for i in range(8)]
    accepted = dry_run(control_plane, place, {"vmiName": "v" * 253, "groups": groups})
    assert len(accepted["spec"]["groups"]) == 8


def test_unknown_fields_are_dropped_where_they_are_not_refused(control_plane: ControlPlane, place: str) -> None:
    spec = {**copy.deepcopy(SPEC), "cpus": "0-3"}
    spec["groups"][0]["vCPUs"] = "0-3"
    assert dry_run(control_plane, place, spec, validation="Ignore")["spec"] == SPEC


def test_kubectl_refuses_unknown_fields_and_drops_them_without_validation(
    control_plane: ControlPlane, place: str, tmp_path: Path
) -> None:
    file = tmp_path / "group.yaml"
    file.write_text(yaml.safe_dump(group_object("tried", {"vmiName": "vm3", "cpus": "0-3"})), encoding="utf-8")
    command = ("apply", "--dry-run=server", "-n", place, "-o", "yaml", "-f", file)
    with pytest.raises(ControlPlaneError, match=r'unknown field "spec\.cpus"'):
        control_plane.kubectl(*command, "--validate=strict")
    kept = yaml.safe_load(control_plane.kubectl(*command, "--validate=false"))
    assert "cpus" not in kept["spec"]
