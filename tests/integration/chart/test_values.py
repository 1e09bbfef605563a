import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import helm_python
import pytest
import yaml

from tests.integration.chart.rendering import one, render
from tools.documented_values import VALUES, Value, values_of
from tools.manifests import CHART

SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
DOCUMENTED = values_of(VALUES.read_text(encoding="utf-8"))


def schema_of(path: str) -> dict[str, Any]:
    """What the schema says of a value."""
    place = SCHEMA
    for key in path.split("."):
        place = place["properties"][key]
        if "$ref" in place:
            place = SCHEMA["definitions"][place["$ref"].rpartition("/")[2]]
    return dict(place)


@pytest.mark.parametrize("value", DOCUMENTED, ids=lambda value: value.path)
def test_every_value_has_a_comment_and_a_place_in_the_schema(value: Value) -> None:
    assert value.meaning.endswith((".", "}."))
    schema = schema_of(value.path)
    assert schema.keys() & {"type", "enum", "oneOf"}
    if value.is_section:
        assert schema["additionalProperties"] is False


def test_the_schema_has_no_value_that_values_yaml_has_not() -> None:
    def named(schema: dict[str, Any], prefix: str) -> Iterator[str]:
        for key, child in schema.get("properties", {}).items():
            yield prefix + key
            if prefix + key in sections:
                yield from named(child, f"{prefix}{key}.")

    sections = {value.path for value in DOCUMENTED if value.is_section}
    assert set(named(SCHEMA, "")) == {value.path for value in DOCUMENTED} | {"enabled", "global"}


@pytest.mark.parametrize("section", ["", *(value.path for value in DOCUMENTED if value.is_section)])
def test_an_unknown_key_is_refused_in_every_section_and_named(section: str) -> None:
    path = f"{section}.unheardOf".lstrip(".")
    with pytest.raises(helm_python.HelmValuesError, match="additional properties 'unheardOf' not allowed"):
        render({path: True})


@pytest.mark.parametrize("value", [value for value in DOCUMENTED if not value.is_section], ids=lambda v: v.path)
def test_a_value_of_another_type_is_refused(value: Value) -> None:
    wrong = "text" if isinstance(value.default, bool | int | list | dict | None) else False
    with pytest.raises(helm_python.HelmValuesError, match=f"at '/{value.path.replace('.', '/')}'"):
        render({value.path: wrong})


@pytest.mark.parametrize("value", DOCUMENTED, ids=lambda value: value.path)
def test_a_value_that_is_missing_is_refused_and_named_or_is_not_needed(value: Value) -> None:
    """`null` removes a value, and `helm upgrade --reuse-values` lacks all values that are newer than the release."""
    try:
        rendered = render({value.path: None})
    except helm_python.HelmValuesError as refusal:
        section, _, key = value.path.rpartition(".")
        named = re.findall(r"at '/?([\w/]*)': missing propert(?:y|ies) '(\w+)'", str(refusal))
        assert named == [(section.replace(".", "/"), key)]
        return
    assert not value.is_section
    assert not isinstance(value.default, bool), "what is missing would be off"
    for name, text in rendered.items():
        if name != "NOTES.txt":
            assert not re.search(r"=$|<nil>|%!", text, re.MULTILINE), name


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("agent.samplePeriodSeconds", 0),
        ("agent.nodePeriodSeconds", 1.5),
        ("agent.rmidBudget", -1),
        ("agent.logLevel", "info"),
        ("interference.bandwidthLimit", 0),
        ("agent.maxUnavailable", "0%"),
        ("agent.resctrl.hostPath", "sys/fs/resctrl"),
        ("agent.image.digest", "sha256:abc"),
        ("agent.extraArgs", ["-v"]),
        ("agent.nodePlacement.tolerations", [{"operator": "exists"}]),
        ("agent.nodePlacement.affinity", {"podAntiAfinity": {}}),
        ("agent.resources", {"limit": {}}),
        ("agent.podLabels", {"a": 1}),
        ("image.tag", "a b"),
        ("listenAddress", "::"),
        ("metrics.tls.secretName", "Not A Name"),
        ("networkPolicy.metricsFrom", [{"pods": {}}]),
        ("networkPolicy.metricsFrom", [{}]),
        ("networkPolicy.apiServerPorts", [0]),
        ("networkPolicy.apiServerPorts", []),
        ("prometheus.interval", "15"),
    ],
)
def test_a_value_that_is_not_valid_is_refused(path: str, wrong: object) -> None:
    with pytest.raises(helm_python.HelmValuesError, match=f"at '/{path.replace('.', '/')}"):
        render({path: wrong})


def test_a_limit_that_is_null_is_taken_away() -> None:
    usual, unlimited = (
        one("DaemonSet", values)["spec"]["template"]["spec"]["containers"][0]["resources"]
        for values in ({}, {"agent.resources": {"limits": {"memory": None}}})
    )
    assert usual["limits"]
    assert unlimited == usual | {"limits": {}}


def test_another_chart_can_depend_on_this_one(tmp_path: Path) -> None:
    helm_python.package(CHART, destination=tmp_path)
    (archive,) = tmp_path.glob("cachemon-*.tgz")
    (tmp_path / "ours/charts").mkdir(parents=True)
    archive.rename(tmp_path / "ours/charts" / archive.name)
    dependency = {"name": "cachemon", "version": "0.1.0", "condition": "cachemon.enabled"}
    about = {"apiVersion": "v2", "name": "ours", "version": "1.0.0", "dependencies": [dependency]}
    (tmp_path / "ours/Chart.yaml").write_text(yaml.safe_dump(about), encoding="utf-8")
    agent = "ours/charts/cachemon/templates/agent.yaml"
    for enabled in ({}, {"enabled": True}):
        with helm_python.Chart.load(tmp_path / "ours") as chart:
            rendered = chart.render(
                {"global": {"team": "vms"}, "cachemon": {"agent": {"logLevel": "DEBUG"}, **enabled}}
            )
        assert "--log-level=DEBUG" in rendered[agent]
    with helm_python.Chart.load(tmp_path / "ours") as chart:
        assert chart.render({"cachemon": {"enabled": False}}) == {}


def test_a_packed_chart_renders_as_the_folder_does(tmp_path: Path) -> None:
    helm_python.package(CHART, destination=tmp_path)
    (archive,) = tmp_path.glob("*.tgz")
    assert render({"dashboard.enabled": True, "prometheus.rule.enabled": True}, archive) == render(
        {"dashboard.enabled": True, "prometheus.rule.enabled": True}
    )


def test_comments_are_read_as_they_stand() -> None:
    text = "# All of it,\n# in two lines.\na:\n  # One.\n  b: 1\n  # Two.\n  c:\n    d: 2\n# Three.\ne: []\n"
    assert [tuple(value) for value in values_of(text)] == [
        ("a", "All of it, in two lines.", None, True),
        ("a.b", "One.", 1, False),
        ("a.c", "Two.", {"d": 2}, False),
        ("e", "Three.", [], False),
    ]


def test_no_value_is_read_that_there_is_not() -> None:
    paths = {value.path for value in DOCUMENTED}
    for template in (CHART / "templates").iterdir():
        for path in re.findall(r"\.Values\.([A-Za-z.]+)", template.read_text(encoding="utf-8")):
            assert path in paths, template.name


def test_a_ca_without_the_name_of_the_certificate_is_refused() -> None:
    """Prometheus would refuse each scrape: no certificate has the address of a pod."""
    with pytest.raises(helm_python.HelmValuesError, match="at '/prometheus/ca/serverName': minLength"):
        render({"prometheus.ca.secretName": "cachemon-tls"})
    render({"prometheus.ca.secretName": "cachemon-tls", "prometheus.ca.serverName": "cachemon.example.com"})
