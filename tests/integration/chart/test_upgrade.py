"""From the version before this one to this one and back, by Helm, with objects in place."""

from collections.abc import Mapping
from typing import Any

import helm_python
import pytest
from kubernetes.client import ApiException

from lab.earlier_version import EarlierVersion, NoEarlierVersionError, unpack_earlier
from lab.kubernetes.control_plane import ControlPlane
from lab.kubernetes.prepare import wait_until_served
from lab.pytest_skips import found_or_skip
from lab.wait import until
from tests.integration.apiserver.examples import (
    AGENT_STATUS,
    APPLY,
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
from tools.manifests import CHART, NAMESPACE, RELEASE

Object = dict[str, Any]

GROUP, NODE, POLICY = groups_path("default", "vm3"), nodes_path("node01"), policies_path("gold")
STATUSES: Mapping[str, Object] = {
    GROUP: {
        **OPERATOR_STATUS,
        **AGENT_STATUS,
        "conditions": [*OPERATOR_STATUS["conditions"], *AGENT_STATUS["conditions"]],
    },
    NODE: NODE_STATUS,
    POLICY: POLICY_STATUS,
}
BY_AN_AGENT = "?fieldManager=cachemon-agent&force=true"
WORKLOADS = ("daemonsets/cachemon-agent", "deployments/cachemon-operator")


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> EarlierVersion:
    return found_or_skip(lambda: unpack_earlier(tmp_path_factory.mktemp("earlier")), NoEarlierVersionError)


def content(item: Object) -> Object:
    """What is in an object beside the bookkeeping of writes."""
    kept = {key: item["metadata"][key] for key in ("name", "uid", "generation", "creationTimestamp")}
    return {"metadata": kept, "spec": item.get("spec"), "status": item.get("status")}


def agents_write() -> Object:
    group = {key: value for key, value in group_object("vm3").items() if key != "spec"}
    return {**group, "metadata": {"name": "vm3"}, "status": AGENT_STATUS}


def write_all(empty: ControlPlane) -> dict[str, Object]:
    """Every object with every field that the schema of the moment knows; the server drops the others."""
    for path, status in STATUSES.items():
        empty.request("PATCH", f"{path}/status", {"status": status}, content_type=MERGE)
    return {path: content(empty.request("GET", path)) for path in STATUSES}


def read_all(empty: ControlPlane) -> dict[str, Object]:
    return {path: content(empty.request("GET", path)) for path in STATUSES}


def workloads(empty: ControlPlane) -> dict[str, str]:
    """The uid of each workload: another one means that its pods ended before there were new ones."""
    return {
        name: empty.request("GET", f"/apis/apps/v1/namespaces/{NAMESPACE}/{name}")["metadata"]["uid"]
        for name in WORKLOADS
    }


@pytest.mark.timeout(300)
def test_an_upgrade_loses_nothing_and_a_rollback_only_what_the_older_schema_does_not_know(
    empty: ControlPlane, earlier: EarlierVersion
) -> None:
    with helm_python.Config(kubeconfig_path=empty.admin_kubeconfig, namespace=NAMESPACE) as helm:
        helm.install(earlier.chart, RELEASE, create_namespace=True)
        wait_until_served(empty)
        made = workloads(empty)
        empty.request("POST", groups_path("default"), group_object("vm3", SPEC))
        empty.request("POST", nodes_path(), node_object("node01"))
        empty.request("POST", policies_path(), policy_object("gold", POLICY_SPEC))
        before = write_all(empty)
        assert before[GROUP]["spec"] == SPEC
        if before[GROUP]["status"] != STATUSES[GROUP]:
            # As agents write. So CRDs go first, and a rollback of the CRDs alone would stop newer agents.
            with pytest.raises(ApiException, match="field not declared in schema"):
                empty.request("PATCH", f"{GROUP}/status{BY_AN_AGENT}", agents_write(), content_type=APPLY)
        assert {item["type"] for item in before[GROUP]["status"]["conditions"]} >= {"Bound", "Monitored", "Ready"}

        helm.upgrade(CHART, RELEASE)
        assert read_all(empty) == before
        assert workloads(empty) == made

        def takes_every_field() -> bool:
            return all(item["status"] == STATUSES[path] for path, item in write_all(empty).items())

        # The API server takes a moment to read a new schema.
        until("every field of this version to be stored", takes_every_field)

        helm.rollback(RELEASE)
        until("the older schema to hold", lambda: read_all(empty) == before)
        assert workloads(empty) == made

        helm.upgrade(CHART, RELEASE)
        assert write_all(empty).keys() == before.keys()
        until("every field to be stored again", takes_every_field)
