"""`-o jsonpath=` beside kubectl itself: `kubectl label --local` prints an object with its own templates."""

import json
import subprocess
from typing import Any

import pytest

from cachemon.commands.jsonpath import render_jsonpath
from cachemon.commands.output import is_data, render_data
from cachemon.model.errors import InvalidInputError
from lab.kubernetes.cluster_api import kubectl_program

OBJECT: dict[str, Any] = {
    "apiVersion": "cachemon.dev/v1alpha1",
    "kind": "CacheMonitorNode",
    "metadata": {"name": "node01", "labels": {"app.kubernetes.io/name": "cachemon", "zone": "a"}},
    "status": {
        "ready": True,
        "rmids": {"total": 64, "ours": 7},
        "blocks": [
            {"id": 0, "occupancy": "32Mi", "top": ["a/vm1", "a/vm2"]},
            {"id": 1, "occupancy": "1Mi", "top": []},
        ],
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}],
    },
}

TEMPLATES = [
    "{.metadata.name}",
    "{$.metadata.name}",
    "{@.metadata.name}",
    "{.status.blocks[0].id}",
    "{.status.blocks[1].occupancy}",
    "{.status.blocks[-1].id}",
    "{.status.blocks[*].id}",
    "{.status.blocks[0:1].id}",
    "{.status.blocks[0].top}",
    "{.status.rmids}",
    "{.status.ready}",
    "{.status.nothing}",
    "{.status.nothing.at.all}",
    "{..id}",
    "{['metadata']['name']}",
    r"{.metadata.labels.app\.kubernetes\.io/name}",
    '{.status.conditions[?(@.type=="Ready")].status}',
    '{range .status.blocks[*]}{.id}={.occupancy}{"\\n"}{end}',
    '{range .status.blocks[*]}{.id}{"\\t"}{range .top[*]}[{@}]{end}{end}',
    "name: {.metadata.name}, {\"{braces}\"} and {'quotes'}",
    "{.metadata.name} {.metadata.labels.zone}",
    "",
    "no template",
]


def by_kubectl(template: str) -> str:
    command = [str(kubectl_program()), "label", "--local", "-f", "-", "nothing-", "-o", f"jsonpath={template}"]
    done = subprocess.run(command, input=json.dumps(OBJECT), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("template", [each for each in TEMPLATES if each])
def test_a_template_gives_what_kubectl_gives(template: str) -> None:
    assert render_jsonpath(template, OBJECT) == by_kubectl(template)


@pytest.mark.parametrize(
    "template",
    ["{.metadata", "{range .a}{.b}", "{end}", "{.a[}", "{.a[?(@.b=)]}", '{"open}'],
)
def test_a_template_that_is_not_valid_is_refused_with_what_is_wrong(template: str) -> None:
    with pytest.raises(InvalidInputError, match="jsonpath: "):
        render_jsonpath(template, OBJECT)


def test_it_is_one_of_the_forms_of_data() -> None:
    assert is_data("jsonpath={.a}")
    assert not is_data("wide")
    assert render_data({"a": 1}, "jsonpath={.a}") == "1"
