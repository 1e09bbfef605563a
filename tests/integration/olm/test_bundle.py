"""The bundle for OLM: as an API server takes it, and whether its rights suffice for whatever the chart makes."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.client import ApiException

from lab.kubernetes.cluster_api import ControlPlaneError
from lab.kubernetes.control_plane import ControlPlane
from lab.kubernetes.prepare import wait_until_served
from lab.program_cache import BinariesError
from lab.pytest_skips import found_or_skip
from lab.repository import REPOSITORY
from tests.integration.chart.cases import CASES, EVERYTHING
from tests.integration.chart.foreign_kinds import crd_files
from tests.integration.chart.rendering import nested, objects
from tests.integration.olm.bundle import Bundle
from tools.release.olm.bundle import bundle_files, rendered
from tools.release.olm.rights import resource_of
from tools.release.olm.service_version import ACCOUNT, Images

NAMESPACE = "a-namespace"
INSTALLATIONS = f"/apis/cachemon.dev/v1alpha1/namespaces/{NAMESPACE}/cachemoninstallations"
NOT_OF_AN_INSTALLATION = {"crds", "enabled", "global"}
NOT_ALLOWED = {"dashboard.namespace", "extraObjects"}
"""Values that make objects in another namespace, or any objects. The installer has no rights to these."""

GUIDE = (REPOSITORY / "docs/guides/openshift.md").read_text(encoding="utf-8")

Rules = list[dict[str, list[str]]]


@pytest.fixture(scope="module")
def bundle(olm: Path) -> Bundle:
    return Bundle(olm / "bundle")


@pytest.fixture(scope="module")
def installed(empty: ControlPlane, bundle: Bundle) -> ControlPlane:
    bundle.install(empty, NAMESPACE)
    wait_until_served(empty)
    return empty


def values_of_installations() -> Iterator[dict[str, Any]]:
    for case in CASES:
        values = nested(case.after)
        if not NOT_OF_AN_INSTALLATION & values.keys():
            yield values


def is_allowed(rules: Rules, group: str, resource: str, name: str, verb: str) -> bool:
    """As Kubernetes' RBAC decides it."""
    return any(
        group in rule["apiGroups"]
        and resource in rule["resources"]
        and verb in rule["verbs"]
        and (not rule.get("resourceNames") or (name in rule["resourceNames"] and verb != "create"))
        for rule in rules
        if "resources" in rule
    )


def rules_of(bundle: Bundle) -> tuple[Rules, Rules]:
    """In the cluster, and in the own namespace."""
    (permissions,) = bundle.csv["spec"]["install"]["spec"]["clusterPermissions"]
    (role,) = (item for item in bundle.others if item["kind"] == "Role")
    return permissions["rules"], role["rules"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.path)
def test_whatever_is_set_the_installer_may_handle_what_the_chart_makes(bundle: Bundle, case: Any) -> None:
    if case.path in NOT_ALLOWED or NOT_OF_AN_INSTALLATION & nested(case.after).keys():
        return
    cluster, own = rules_of(bundle)
    for item in objects({**case.after, "crds.enabled": False}):
        if item["metadata"].get("annotations", {}).get("helm.sh/hook") == "test":
            continue
        group, name = item["apiVersion"].rpartition("/")[0], item["metadata"]["name"]
        rules = [*cluster, *own] if "namespace" in item["metadata"] else cluster
        for verb in ("create", "delete", "get", "patch", "update"):
            assert is_allowed(rules, group, resource_of(item["kind"]), name, verb), (verb, item["kind"], name)


def test_the_installer_has_no_right_to_everything_and_none_to_make_its_own_rights(bundle: Bundle) -> None:
    cluster, own = rules_of(bundle)
    for rule in [*cluster, *own]:
        assert "*" not in str(rule)
        assert not {"bind", "escalate", "impersonate"} & {*rule["verbs"]}
    assert not is_allowed(cluster, "", "secrets", "any", "get")
    assert "permissions" not in bundle.csv["spec"]["install"]["spec"]
    assert not is_allowed(cluster, "rbac.authorization.k8s.io", "clusterroles", "cluster-admin", "update")
    assert not is_allowed([*cluster, *own], "rbac.authorization.k8s.io", "rolebindings", ACCOUNT, "update")


def test_rights_name_resources_as_the_api_server_does(installed: ControlPlane) -> None:
    for path in found_or_skip(crd_files, BinariesError):
        installed.apply(path)
    wait_until_served(installed)
    lines = installed.kubectl("api-resources", "--no-headers").splitlines()
    served = {words[-1]: (words[0], words[-2] == "true") for words in map(str.split, lines)}
    for item in objects(EVERYTHING):
        is_namespaced = "namespace" in item["metadata"]
        assert served[item["kind"]] == (resource_of(item["kind"]), is_namespaced), item["kind"]


def test_the_proposed_installation_is_taken_and_another_name_is_refused(
    installed: ControlPlane, bundle: Bundle
) -> None:
    path = f"{INSTALLATIONS}?dryRun=All"
    installed.request("POST", path, bundle.sample)
    with pytest.raises(ApiException) as refused:
        installed.request("POST", path, {**bundle.sample, "metadata": {"name": "another"}})
    assert "there can be one installation, named cachemon" in str(refused.value.data)


def test_every_value_of_the_chart_can_be_set_in_an_installation(installed: ControlPlane, bundle: Bundle) -> None:
    items = [{**bundle.sample, "spec": values} for values in values_of_installations()]
    assert len(items) > 80
    applied = installed.kubectl(
        "apply", "-n", NAMESPACE, "--server-side", "--dry-run=server", "--validate=strict", "-f", "-",
        input=yaml.safe_dump_all(items),
    )  # fmt: skip
    assert applied.count("serverside-applied (server dry run)") == len(items)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"agent": {"logLevl": "DEBUG"}}, "logLevl"),
        ({"agent": {"logLevel": "LOUD"}}, "Unsupported value"),
        ({"crds": {"enabled": True}}, "crds"),
    ],
)
def test_a_wrong_value_is_refused_at_once(
    installed: ControlPlane, bundle: Bundle, spec: dict[str, Any], says: str
) -> None:
    item = json.dumps({**bundle.sample, "spec": spec})
    with pytest.raises(ControlPlaneError, match=says):
        installed.kubectl("create", "-n", NAMESPACE, "--dry-run=server", "--validate=strict", "-f", "-", input=item)


def test_the_objects_of_the_guide_are_those_that_the_bundle_asks_for(installed: ControlPlane, bundle: Bundle) -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    shown = {item["kind"]: item for block in blocks for item in yaml.safe_load_all(block)}
    proposed = json.loads(bundle.csv["metadata"]["annotations"]["operatorframework.io/suggested-namespace-template"])
    assert shown["Namespace"] == proposed
    shown["CachemonInstallation"]["metadata"]["namespace"] = NAMESPACE
    item = json.dumps(shown["CachemonInstallation"])
    installed.kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", input=item)


def test_the_chart_of_the_installer_has_the_images_of_the_release() -> None:
    digest = "sha256:" + "b" * 64
    files = bundle_files(Images("registry.example.com/here", "1.2.3", {"cachemon-agent": digest}))
    prefix = "installer/chart/"
    chart = {name.removeprefix(prefix): text for name, text in files.items() if name.startswith(prefix)}
    pods = [it["spec"]["template"]["spec"] for it in rendered(chart) if it["kind"] in ("DaemonSet", "Deployment")]
    images = sorted(container["image"] for pod in pods for container in pod["containers"])
    assert images[0] == f"registry.example.com/here/cachemon-agent@{digest}"
    assert images[1].startswith("registry.example.com/here/cachemon-operator:")
