"""manifests/ as other people's kustomizations change it: their namespace, their names."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from cachemon.model.api import PROGRAM_LABEL
from lab.kubernetes.binaries import find
from lab.kubernetes.control_plane import ControlPlane, ControlPlaneError
from lab.kubernetes.prepare import wait_until_served
from lab.repository import REPOSITORY
from lab.wait import until
from tests.integration.apiserver.examples import group_object, node_object

KUSTOMIZATIONS: Mapping[str, Mapping[str, str]] = {
    "namespace": {"namespace": "monitoring"},
    "names": {"namespace": "monitoring", "namePrefix": "site-", "nameSuffix": "-blue"},
}


@dataclass(frozen=True)
class Installed:
    """A cluster to which a kustomization was applied.

    Attributes:
        control_plane: the cluster.
        objects: what was applied.
        agent: kubeconfig of the agent of node-a.
        operator: kubeconfig of the operator.
    """

    control_plane: ControlPlane
    objects: tuple[Mapping[str, Any], ...]
    agent: Path
    operator: Path


def write_kustomization(folder: Path, change: Mapping[str, Any]) -> Path:
    folder.mkdir()
    base = os.path.relpath(REPOSITORY / "manifests", folder)
    kind = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    text = yaml.safe_dump({**kind, **change, "resources": [base]})
    (folder / "kustomization.yaml").write_text(text, encoding="utf-8")
    return folder


def account_of(objects: tuple[Mapping[str, Any], ...], kind: str) -> tuple[str, str]:
    """Namespace and service account of the pods of the only Deployment or DaemonSet."""
    (found,) = (item for item in objects if item["kind"] == kind)
    return found["metadata"]["namespace"], found["spec"]["template"]["spec"]["serviceAccountName"]


@pytest.fixture(scope="module", params=KUSTOMIZATIONS)
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    work = tmp_path_factory.mktemp("kustomization")
    overlay = write_kustomization(work / "overlay", KUSTOMIZATIONS[request.param])
    with ControlPlane(work / "cluster", find()) as cluster:
        objects = tuple(yaml.safe_load_all(cluster.kubectl("kustomize", overlay)))
        cluster.kubectl("apply", "--server-side", "-k", overlay)
        wait_until_served(cluster)
        for node in ("node-a", "node-b"):
            cluster.add_node(node)
        namespace, account = account_of(objects, "DaemonSet")
        pod = cluster.add_agent_pod("node-a", namespace, account)
        token = cluster.service_account_token(namespace, account, bound_pod=pod)
        agent = cluster.kubeconfig("agent", token)
        operator = cluster.kubeconfig("operator", cluster.service_account_token(*account_of(objects, "Deployment")))
        yield Installed(cluster, objects, agent, operator)
    shutil.rmtree(work / "cluster/etcd", ignore_errors=True)


def create(installed: Installed, kubeconfig: Path, obj: Mapping[str, Any]) -> str:
    """What the API server says to a creation that is tried only."""
    try:
        return installed.control_plane.kubectl(
            "create", "--dry-run=server", "-f", "-", input=yaml.safe_dump(dict(obj)), kubeconfig=kubeconfig
        )
    except ControlPlaneError as error:
        return str(error)


def test_the_pods_of_both_programs_are_found_where_the_usual_labels_are_overridden(tmp_path: Path) -> None:
    site = {f"app.kubernetes.io/{key}": "site" for key in ("name", "component", "part-of", "instance")}
    overlay = write_kustomization(tmp_path / "overlay", {"labels": [{"pairs": site, "includeSelectors": True}]})
    built = subprocess.run(["kubectl", "kustomize", overlay], capture_output=True, text=True, check=True)
    objects = [item for item in yaml.safe_load_all(built.stdout) if item["kind"] in ("DaemonSet", "Deployment")]
    for labels in (
        item["metadata"]["labels"] for item in (*objects, *(item["spec"]["template"] for item in objects))
    ):
        assert labels["app.kubernetes.io/name"] == labels["app.kubernetes.io/component"] == "site"
    assert {item["kind"]: item["spec"]["template"]["metadata"]["labels"][PROGRAM_LABEL] for item in objects} == {
        item["kind"]: item["metadata"]["labels"][PROGRAM_LABEL] for item in objects
    }
    assert {item["kind"]: item["metadata"]["labels"][PROGRAM_LABEL] for item in objects} == {
        "DaemonSet": "agent",
        "Deployment": "operator",
    }


def test_an_agent_writes_for_its_own_node_and_for_no_other(installed: Installed) -> None:
    def refused() -> bool:
        return "may write the CacheMonitorNode of that name" in create(
            installed, installed.agent, node_object("node-b")
        )

    until("the policy for agents to refuse the node of another", refused, seconds=60)
    assert "created" in create(installed, installed.agent, node_object("node-a"))


def test_the_operator_leaves_the_groups_of_people_alone(installed: Installed) -> None:
    persons = {**group_object("vm3"), "metadata": {"name": "vm3", "namespace": "default"}}

    def refused() -> bool:
        return "may write groups with the label cachemon.dev/policy only" in create(
            installed, installed.operator, persons
        )

    until("the policy for the operator to refuse a person's group", refused, seconds=60)


def test_an_administrator_may_write_both(installed: Installed) -> None:
    admin = installed.control_plane.admin_kubeconfig
    assert "created" in create(installed, admin, node_object("node-b"))


def test_nothing_names_the_namespace_that_it_has_left(installed: Installed) -> None:
    assert "cachemon-system" not in yaml.safe_dump_all(list(installed.objects))


def test_the_queue_at_the_api_server_is_for_the_accounts_of_both_programs(installed: Installed) -> None:
    (schema,) = (item for item in installed.objects if item["kind"] == "FlowSchema")
    subjects = [subject["serviceAccount"] for subject in schema["spec"]["rules"][0]["subjects"]]
    named = {(subject["namespace"], subject["name"]) for subject in subjects}
    assert named == {account_of(installed.objects, "DaemonSet"), account_of(installed.objects, "Deployment")}
    levels = [item["metadata"]["name"] for item in installed.objects if item["kind"] == "PriorityLevelConfiguration"]
    assert levels == [schema["spec"]["priorityLevelConfiguration"]["name"]]


def test_every_policy_is_bound(installed: Installed) -> None:
    policies = {item["metadata"]["name"] for item in installed.objects if item["kind"] == "ValidatingAdmissionPolicy"}
    bound = {
        item["spec"]["policyName"] for item in installed.objects if item["kind"] == "ValidatingAdmissionPolicyBinding"
    }
    assert policies == bound
    assert len(policies) == 4
