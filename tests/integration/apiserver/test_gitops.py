"""cachemon as Argo CD and Flux apply, compare, update and remove it."""

import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import helm_python
import pytest
import yaml

from cachemon.model.live_figures import LIVE_ANNOTATION
from cachemon.plugin.live_requests import LIVE_FIELD_MANAGER
from lab.kubernetes.binaries import find
from lab.kubernetes.control_plane import ControlPlane
from lab.repository import REPOSITORY
from lab.vms import kubevirt
from lab.wait import until
from tests.integration.apiserver.examples import MERGE, POLICY_SPEC, SPEC, groups_path
from tests.integration.apiserver.gitops import FLUX, HOOK, TOOLS, Object, Tool, unlike
from tests.integration.apiserver.operated import Operator, now
from tests.integration.chart.cases import EVERYTHING
from tests.integration.chart.foreign_kinds import GROUPS as FOREIGN_GROUPS
from tests.integration.chart.rendering import objects as rendered_objects
from tools.manifests import CHART, NAMESPACE, RELEASE

LARGEST_ANNOTATIONS_BYTES = 262_144
"""Of one object (k8s.io/apimachinery pkg/api/validation, TotalAnnotationSizeLimitB)."""

NEVER = "2026-01-01T00:00:00Z"
"""A time for the annotation that has no effect any longer."""

GROUP: Object = {
    "apiVersion": "cachemon.dev/v1alpha1",
    "kind": "CacheMonitorGroup",
    "metadata": {"name": "vm3", "namespace": "default"},
    "spec": SPEC,
}
POLICY: Object = {
    "apiVersion": "cachemon.dev/v1alpha1",
    "kind": "CacheMonitorPolicy",
    "metadata": {"name": "all"},
    "spec": {"namespaceSelector": {}, "vmiSelector": {}, "template": POLICY_SPEC["template"]},
}


def installation(tool: Tool, cluster: ControlPlane) -> list[Object]:
    """What the program applies: Flux has manifests/, Argo CD the chart without its hooks."""
    if tool is FLUX:
        return [item for item in yaml.safe_load_all(cluster.kubectl("kustomize", REPOSITORY / "manifests")) if item]
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "cachemon-system"}}
    return [
        namespace,
        *(item for item in rendered_objects() if HOOK not in item["metadata"].get("annotations", {})),
    ]


@pytest.fixture(scope="module", params=TOOLS, ids=lambda tool: tool.name)
def tool(request: pytest.FixtureRequest) -> Tool:
    found: Tool = request.param
    return found


@pytest.fixture(scope="module")
def cluster(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """To which the program has applied cachemon."""
    work = tmp_path_factory.mktemp("gitops")
    with ControlPlane(work, find()) as running:
        running.apply(REPOSITORY / "lab/kubernetes/crds")
        tool.apply(running, installation(tool, running))
        yield running
    shutil.rmtree(work / "etcd", ignore_errors=True)


def test_what_was_applied_is_in_sync(tool: Tool, cluster: ControlPlane) -> None:
    assert tool.differences(cluster, installation(tool, cluster)) == []


def test_a_policy_has_no_field_that_the_api_server_adds(tool: Tool, cluster: ControlPlane) -> None:
    """A comparison that does not know the defaults of a kind, as of one newer than itself, shows what is added."""
    policies = [item for item in installation(tool, cluster) if item["kind"].startswith("ValidatingAdmissionPolicy")]
    text = cluster.kubectl("get", "-o", "json", "-f", "-", input=yaml.safe_dump_all(policies))
    live = json.loads(text)["items"]
    for item, found in zip(policies, live, strict=True):
        assert list(unlike(found["spec"], item["spec"])) == [], item["metadata"]["name"]
    assert len(policies) == 8


def test_a_field_that_somebody_changed_is_not_in_sync(tool: Tool, cluster: ControlPlane) -> None:
    installed = installation(tool, cluster)
    where = ("deployment/cachemon-operator", "-n", "cachemon-system")
    cluster.kubectl("scale", *where, "--replicas=0")
    found = tool.differences(cluster, installed)
    tool.apply(cluster, installed)
    assert "Deployment/cachemon-operator: .spec.replicas" in found
    assert tool.differences(cluster, installed) == []


def test_the_next_version_is_applied_over_this_one(tool: Tool, cluster: ControlPlane) -> None:
    installed = installation(tool, cluster)
    text = json.dumps(installed)
    assert '"0.1.0"' in text
    updated = json.loads(text.replace("0.1.0", "0.2.0"))
    tool.apply(cluster, updated)
    assert tool.differences(cluster, updated) == []
    tool.apply(cluster, installed)
    assert tool.differences(cluster, installed) == []


def test_no_object_comes_near_the_limit_of_annotations(tool: Tool, cluster: ControlPlane) -> None:
    text = yaml.safe_dump_all(installation(tool, cluster))
    sizes = {}
    for item in json.loads(cluster.kubectl("get", "-o", "json", "-f", "-", input=text))["items"]:
        annotations = item["metadata"].get("annotations", {})
        sizes[item["metadata"]["name"]] = sum(len(key) + len(value) for key, value in annotations.items())
    assert max(sizes.values()) < LARGEST_ANNOTATIONS_BYTES / 4, sizes


def test_groups_and_policies_stay_in_sync_while_the_operator_writes_and_its_groups_are_nobodys(
    tool: Tool, cluster: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tool.apply(cluster, [GROUP, POLICY])
    vmis = "/apis/kubevirt.io/v1/namespaces/default/virtualmachineinstances"
    cluster.request("POST", vmis, kubevirt.vmi("db", "default", now=now()))
    operator = Operator(cluster, tmp_path_factory.mktemp("operator"))
    operator.start()
    try:
        until("the policy's group", lambda: named(groups(cluster), "db"), seconds=60)
        until("a word on the group", lambda: conditions(named(groups(cluster), "vm3")), seconds=60)
        until("a word on the policy", lambda: conditions(policy(cluster)), seconds=60)
        for name in ("vm3", "db.all"):
            watched_live(cluster, name)
        cluster.request("POST", vmis, kubevirt.vmi("later", "default", now=now()))
        until("the operator to have seen that", lambda: named(groups(cluster), "later"), seconds=60)
    finally:
        operator.stop()
    assert tool.differences(cluster, [GROUP, POLICY]) == []
    tool.apply(cluster, [GROUP, POLICY])
    assert LIVE_ANNOTATION in named(groups(cluster), "vm3")["metadata"]["annotations"], "neither tool removes it"
    stamped = named(groups(cluster), "db")
    assert stamped["metadata"]["annotations"] == {LIVE_ANNOTATION: NEVER}, "the operator leaves it there"
    metadata = {**stamped["metadata"].get("labels", {}), **stamped["metadata"].get("annotations", {})}
    assert not set(tool.marks) & metadata.keys(), "the program would prune it"


def watched_live(cluster: ControlPlane, name: str) -> None:
    """As `top --live` has it."""
    where = f"{groups_path('default', name)}?fieldManager={LIVE_FIELD_MANAGER}"
    cluster.request("PATCH", where, {"metadata": {"annotations": {LIVE_ANNOTATION: NEVER}}}, content_type=MERGE)


def groups(cluster: ControlPlane) -> list[Object]:
    found: list[Object] = cluster.request("GET", groups_path("default"))["items"]
    return found


def policy(cluster: ControlPlane) -> Object:
    found: Object = cluster.request("GET", "/apis/cachemon.dev/v1alpha1/cachemonitorpolicies/all")
    return found


def named(items: Sequence[Object], vmi: str) -> Object:
    """The group of a VMI; empty when there is none."""
    return next((item for item in items if item["spec"]["vmiName"] == vmi), {})


def conditions(item: Object) -> Any:
    return item.get("status", {}).get("conditions")


def test_a_removal_in_any_order_waits_for_nobody(tool: Tool, cluster: ControlPlane) -> None:
    """Nothing of cachemon runs here, so a finalizer would hold an object for ever."""
    kept = [item for item in installation(tool, cluster) if item["kind"] != "Namespace"]
    crds = [item for item in kept if item["kind"] == "CustomResourceDefinition"]
    rest = [item for item in kept if item not in crds]
    for part in (rest, crds):
        text = yaml.safe_dump_all(part)
        cluster.kubectl("delete", "--timeout=60s", "-f", "-", input=text)
        if part is rest:
            assert groups(cluster)
    assert cluster.kubectl("get", "--ignore-not-found", "-f", "-", input=yaml.safe_dump_all(rest)) == ""
    tool.apply(cluster, installation(tool, cluster))
    assert groups(cluster) == []


def test_the_chart_with_everything_switched_on_has_no_field_that_the_api_server_writes_otherwise(
    cluster: ControlPlane, tool: Tool
) -> None:
    everything = [
        item
        for item in rendered_objects(EVERYTHING)
        if item["apiVersion"].partition("/")[0] not in FOREIGN_GROUPS
        and HOOK not in item["metadata"].get("annotations", {})
    ]
    namespaces = {item["metadata"]["namespace"] for item in everything if "namespace" in item["metadata"]}
    tool.apply(
        cluster, [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in namespaces]
    )
    tool.apply(cluster, everything)
    assert tool.differences(cluster, everything) == []


def test_a_field_that_is_dropped_or_changed_would_be_found() -> None:
    assert list(unlike({"a": [], "b": {"c": "1000m"}}, {"b": {"c": "1"}, "d": 1})) == [".a", ".b.c"]
    assert list(unlike([1, 2], [2, 1])) == ["[0]", "[1]"]


GUIDE = (REPOSITORY / "docs/guides/install-with-gitops.md").read_text(encoding="utf-8")
IN_GUIDE = {
    item["kind"]: item
    for block in re.findall(r"^```yaml\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    for item in yaml.safe_load_all(block)
}


def test_the_guide_has_values_of_the_chart_and_the_label_of_the_namespace() -> None:
    application, release = IN_GUIDE["Application"]["spec"], IN_GUIDE["HelmRelease"]["spec"]
    assert application["source"]["path"] == release["chart"]["spec"]["chart"] == str(CHART.relative_to(REPOSITORY))
    with helm_python.Chart.load(CHART) as chart:
        for values in (application["source"]["helm"]["valuesObject"], release["values"]):
            chart.render(values, name=RELEASE, namespace=NAMESPACE)
    namespace = yaml.safe_load((REPOSITORY / "manifests/namespace.yaml").read_text(encoding="utf-8"))
    for labels in (
        application["syncPolicy"]["managedNamespaceMetadata"]["labels"],
        IN_GUIDE["Namespace"]["metadata"]["labels"],
    ):
        assert labels.items() <= namespace["metadata"]["labels"].items()


def test_the_patch_of_the_guide_keeps_flux_from_deleting_the_crds(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    spec = IN_GUIDE["Kustomization"]["spec"]
    base = os.path.relpath((REPOSITORY / spec["path"]).resolve(), tmp_path.resolve())
    text = yaml.safe_dump({"resources": [base], "patches": spec["patches"]})
    (tmp_path / "kustomization.yaml").write_text(text, encoding="utf-8")
    made = list(yaml.safe_load_all(control_plane.kubectl("kustomize", tmp_path)))
    kept = {
        item["metadata"]["name"]
        for item in made
        if item["metadata"].get("annotations", {}).get("kustomize.toolkit.fluxcd.io/prune") == "disabled"
    }
    assert kept == {item["metadata"]["name"] for item in made if item["kind"] == "CustomResourceDefinition"}
    assert len(kept) == 3
