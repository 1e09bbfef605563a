"""What the chart renders against the schemas of every Kubernetes that it may be installed on."""

import re
from itertools import pairwise
from typing import Any

import pytest
import yaml
from jsonschema import ValidationError
from kubernetes_validate.utils import all_versions, major_minor

from tests.integration.chart.cases import EVERYTHING
from tests.integration.chart.every_object import group_of, texts_of_all_cases
from tests.integration.chart.foreign_kinds import GROUPS
from tests.integration.chart.rendering import documents, one, parsed
from tests.integration.chart.schemas import validate
from tools.manifests import CHART


def supported() -> list[str]:
    """Minor versions from that of the chart's `kubeVersion` on, as far as there are schemas."""
    about = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    found = re.fullmatch(r">=(\d+)\.(\d+)\.0-0", about["kubeVersion"])
    assert found
    oldest = (int(found[1]), int(found[2]))
    versions = {tuple(map(int, major_minor(version).split("."))) for version in all_versions()}
    return [f"{major}.{minor}" for major, minor in sorted(versions) if (major, minor) >= oldest]


VERSIONS = supported()


def without_nulls(item: Any) -> Any:
    """As the API server takes it: a field that is null is absent."""
    if isinstance(item, dict):
        return {key: without_nulls(value) for key, value in item.items() if value is not None}
    return [without_nulls(value) for value in item] if isinstance(item, list) else item


def validate_all(texts: list[str], version: str) -> None:
    for text in texts:
        if group_of(text) not in GROUPS:
            validate(without_nulls(parsed(text)), version)


def test_there_are_schemas_from_the_oldest_to_the_newest_version_that_the_lab_runs() -> None:
    assert VERSIONS[0] == "1.32"
    assert len(VERSIONS) >= 5
    assert all(int(old.split(".")[1]) + 1 == int(new.split(".")[1]) for old, new in pairwise(VERSIONS))


@pytest.mark.parametrize("version", [VERSIONS[0], VERSIONS[-1]])
def test_every_object_is_valid_in_the_oldest_and_the_newest_version_whatever_is_set(version: str) -> None:
    texts = texts_of_all_cases(foreign=False)
    assert len(texts) > 50
    validate_all(texts, version)


@pytest.mark.parametrize("version", VERSIONS[1:-1])
def test_the_default_and_everything_switched_on_are_valid_in_those_between(version: str) -> None:
    validate_all([*documents(), *documents(EVERYTHING)], version)


def test_a_field_that_a_version_does_not_know_is_refused() -> None:
    item = one("Deployment")
    validate(item, VERSIONS[0])
    item["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    with pytest.raises(ValidationError, match="livenesProbe"):
        validate(item, VERSIONS[0])
