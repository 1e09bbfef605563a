"""What the CRDs and the model both say must be the same. Pure reading, no server."""

import copy
import json
import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest
import yaml

from cachemon.model import api, conditions, readings
from cachemon.model.group_limit import MOST_GROUPS
from cachemon.model.groups import ALL_VCPUS, LONGEST_NAME, MOST_LISTED
from cachemon.model.threads import ThreadClass
from cachemon.model.vcpus import LONGEST_LIST, MAX_VCPU_ID, MOST_ITEMS
from cachemon.model.write_budget import LONGEST_PERIOD_SECONDS
from lab.repository import REPOSITORY

CRDS = REPOSITORY / "crds"


def crd(resource: api.Resource) -> dict[str, Any]:
    text = (CRDS / f"{resource.plural}.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.load(text, yaml.CSafeLoader)
    return loaded


def field(resource: api.Resource, path: str) -> dict[str, Any]:
    """The schema of `spec.groups.vcpus` and the like; lists are looked into."""
    schema: dict[str, Any] = crd(resource)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for name in path.split("."):
        schema = schema.get("items", schema)["properties"][name]
    return schema


def fields(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, part in schema.get("properties", {}).items():
        if path or name not in ("apiVersion", "kind", "metadata"):
            yield from fields(part, f"{path}.{name}")
    for place, key in (("[]", "items"), ("{}", "additionalProperties")):
        if key in schema:
            yield from fields(schema[key], f"{path}{place}")


ALL_FIELDS = [
    (resource.kind + path, schema)
    for resource in (api.GROUPS, api.NODES, api.POLICIES)
    for path, schema in fields(crd(resource)["spec"]["versions"][0]["schema"]["openAPIV3Schema"], "")
]


@pytest.mark.parametrize("resource", [api.GROUPS, api.NODES, api.POLICIES], ids=lambda resource: resource.kind)
def test_the_kinds_are_those_that_the_programs_ask_for(resource: api.Resource) -> None:
    spec = crd(resource)["spec"]
    assert crd(resource)["metadata"]["name"] == f"{resource.plural}.{resource.group}"
    assert (spec["group"], spec["names"]["plural"], spec["names"]["kind"]) == (
        resource.group,
        resource.plural,
        resource.kind,
    )
    assert spec["scope"] == ("Namespaced" if resource.namespaced else "Cluster")
    assert [version["name"] for version in spec["versions"]] == [resource.version]


def test_thread_classes() -> None:
    allowed = field(api.GROUPS, "spec.groups.threads")["items"]["enum"]
    assert set(allowed) == set(ThreadClass) - {ThreadClass.VCPU}


@pytest.mark.parametrize(
    ("resource", "path"),
    [(api.GROUPS, "status.groups.cacheBlocks.reading"), (api.NODES, "status.cacheBlocks.reading")],
)
def test_readings(resource: api.Resource, path: str) -> None:
    assert set(field(resource, path)["enum"]) == {readings.VALID, *readings.Missing}


def test_roles_of_placements() -> None:
    allowed = field(api.GROUPS, "status.placements.role")["enum"]
    assert set(allowed) == {api.ROLE_ACTIVE, api.ROLE_MIGRATION_TARGET}


@pytest.mark.parametrize("resource", [api.GROUPS, api.NODES, api.POLICIES], ids=lambda resource: resource.kind)
def test_the_status_of_conditions(resource: api.Resource) -> None:
    assert set(field(resource, "status.conditions.status")["enum"]) == set(get_args(conditions.Status))


def test_a_policys_template_is_the_spec_of_a_group_word_for_word() -> None:
    spec, template = field(api.GROUPS, "spec")["properties"], field(api.POLICIES, "spec.template")["properties"]
    assert template == {name: part for name, part in spec.items() if name != "vmiName"}


def test_a_policy_asks_of_both_sides_in_the_same_way() -> None:
    def rules(selector: str) -> str:
        schema = copy.deepcopy(field(api.POLICIES, f"spec.{selector}")["properties"])
        for part in schema.values():
            del part["description"]
        return json.dumps(schema)

    assert rules("namespaceSelector") == rules("vmiSelector")


def test_the_types_of_conditions_are_allowed() -> None:
    pattern = field(api.GROUPS, "status.conditions.type")["pattern"]
    assert all(re.search(pattern, name) for name in (api.BOUND, api.MONITORED, api.READY))


def test_the_highest_vcpu_id() -> None:
    rules = field(api.GROUPS, "spec.groups.vcpus")["x-kubernetes-validations"]
    assert any(f"<= {MAX_VCPU_ID}" in rule["rule"] for rule in rules)
    assert any(rule["message"].endswith(f"above {MAX_VCPU_ID}") for rule in rules)
    assert field(api.GROUPS, "status.groups.vcpus")["items"]["maximum"] == MAX_VCPU_ID
    assert field(api.GROUPS, "status.vcpuCount")["maximum"] == MAX_VCPU_ID + 1


def test_defaults() -> None:
    default = field(api.GROUPS, "spec.statusPeriodSeconds")["default"]
    assert default == api.DEFAULT_STATUS_PERIOD_SECONDS
    assert field(api.GROUPS, "spec.priority")["default"] == 0


def test_a_period_in_force_may_be_as_long_as_a_short_budget_makes_it() -> None:
    assert field(api.GROUPS, "status.statusPeriodSeconds")["maximum"] == LONGEST_PERIOD_SECONDS


def test_names_of_groups_fit_the_status_and_the_nodes() -> None:
    spec = field(api.GROUPS, "spec.groups")["items"]["properties"]
    longest = spec["name"]["maxLength"]
    assert longest == LONGEST_NAME
    assert field(api.GROUPS, "status.groups.name")["maxLength"] >= longest
    assert field(api.NODES, "status.cacheBlocks.heaviestGroups.group")["maxLength"] >= longest


def test_the_bounds_that_are_checked_before_anything_is_written() -> None:
    groups = field(api.GROUPS, "spec.groups")
    assert groups["maxItems"] == MOST_GROUPS
    assert any(f"<= {MOST_LISTED}" in rule["rule"] for rule in groups["x-kubernetes-validations"])
    vcpus = field(api.GROUPS, "spec.groups.vcpus")
    assert vcpus["maxLength"] == LONGEST_LIST
    assert any(f"size() <= {MOST_ITEMS}" in rule["rule"] for rule in vcpus["x-kubernetes-validations"])
    assert field(api.GROUPS, "spec.vmiName")["maxLength"] == api.LONGEST_OBJECT_NAME


def test_the_group_of_all_vcpus_has_a_name_that_a_person_could_give() -> None:
    rule = field(api.GROUPS, "spec.groups.name")["x-kubernetes-validations"][0]["rule"]
    found = re.search(r"matches\('(.*)'\)", rule)
    assert found is not None
    assert re.search(found[1], ALL_VCPUS.name)


def test_as_many_groups_can_be_reported_as_wanted() -> None:
    assert field(api.GROUPS, "status.groups")["maxItems"] == field(api.GROUPS, "spec.groups")["maxItems"]


def test_agents_can_select_their_groups() -> None:
    paths = {item["jsonPath"] for item in crd(api.GROUPS)["spec"]["versions"][0]["selectableFields"]}
    assert paths == {".spec.vmiName", ".status.nodeName", ".status.migrationTargetNodeName"}


def test_columns_have_descriptions() -> None:
    for resource in (api.GROUPS, api.NODES, api.POLICIES):
        columns = crd(resource)["spec"]["versions"][0]["additionalPrinterColumns"]
        assert [column["name"] for column in columns if not column.get("description")] == ["Age"]


@pytest.mark.parametrize(("path", "schema"), ALL_FIELDS, ids=[path for path, _ in ALL_FIELDS])
def test_every_field_is_described_bounded_and_closed(path: str, schema: dict[str, Any]) -> None:
    bounds = {
        "string": {"maxLength"},
        "integer": {"minimum", "maximum", "format"},
        "array": {"maxItems", "items", "x-kubernetes-list-type"},
        "object": {"maxProperties"} if "additionalProperties" in schema else {"properties"},
    }
    assert bounds[schema["type"]] - set(schema) == set(), path
    assert schema["description"].endswith("."), path
    assert not {"x-kubernetes-preserve-unknown-fields", "nullable"} & set(schema), path
    assert ("additionalProperties" in schema) == path.endswith(".matchLabels"), path
    if schema["type"] == "integer":
        assert -(2**53) < schema["minimum"] <= schema["maximum"] < 2**53, path
