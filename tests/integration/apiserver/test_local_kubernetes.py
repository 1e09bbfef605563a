import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.client import ApiException
from urllib3.exceptions import HTTPError

from lab.kubernetes import go_build
from lab.kubernetes.binaries import ASSETS_VARIABLE
from lab.kubernetes.control_plane import ControlPlane, ControlPlaneError
from lab.kubernetes.prepare import access_objects, empty_namespace, wait_until_served
from lab.repository import REPOSITORY
from lab.wait import until

SHARED = REPOSITORY.parent / "shared"
RECORDED_VMI = SHARED / "kubevirt" / "recorded" / "vmi-spin.yaml"
REAL_CRD = SHARED / "kubevirt" / "crds" / "virtualmachineinstances.kubevirt.io-v1.9.0.yaml"

MERGE = "application/merge-patch+json"


def a_vmi(name: str, **status: Any) -> dict[str, Any]:
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstance",
        "metadata": {"name": name, "labels": {"kubevirt.io/nodeName": "node01"}},
        "spec": {
            "architecture": "amd64",
            "domain": {
                "cpu": {"sockets": 2, "cores": 2, "threads": 1, "maxSockets": 8, "model": "host-model"},
                "devices": {"disks": [{"name": "root", "disk": {"bus": "virtio"}}]},
                "memory": {"guest": "64Mi"},
                "resources": {"requests": {"cpu": "100m"}, "limits": {"cpu": 4}},
            },
            "volumes": [{"name": "root", "containerDisk": {"image": "localhost/guest:1"}}],
        },
        "status": {
            "phase": "Running",
            "nodeName": "node01",
            "activePods": {"42479018-f8aa-47b5-9632-b07c4a9e0266": "node01"},
            "currentCPUTopology": {"sockets": 2, "cores": 2, "threads": 1},
            "conditions": [{"type": "Ready", "status": "True", "lastProbeTime": None, "lastTransitionTime": None}],
            "launcherContainerImageVersion": "localhost/virt-launcher:v1.9.0",
            **status,
        },
    }


def vmis(namespace: str) -> str:
    return f"/apis/kubevirt.io/v1/namespaces/{namespace}/virtualmachineinstances"


@pytest.mark.skipif(bool(os.environ.get(ASSETS_VARIABLE)), reason="the user chose another API server")
def test_the_server_is_of_the_pinned_minor(control_plane: ControlPlane) -> None:
    pinned = go_build.KUBE_APISERVER.version.removeprefix("v").split(".")
    version = control_plane.request("GET", "/version")
    assert [version["major"], version["minor"]] == pinned[:2]


def test_kubectl_and_server_are_of_the_same_minor(control_plane: ControlPlane) -> None:
    versions = yaml.safe_load(control_plane.kubectl("version", "-o", "yaml"))
    assert versions["clientVersion"]["minor"] == versions["serverVersion"]["minor"]


def test_a_token_without_a_role_may_read_nothing(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.add_service_account(namespace, "nobody")
    token = control_plane.service_account_token(namespace, "nobody")
    with pytest.raises(ApiException, match="cannot list resource") as refused:
        control_plane.request("GET", vmis(namespace), token=token)
    assert refused.value.status == 403
    kubeconfig = control_plane.kubeconfig("nobody", token)
    assert kubeconfig.stat().st_mode & 0o077 == 0
    with pytest.raises(ControlPlaneError, match="Forbidden"):
        control_plane.kubectl("get", "vmi", "-n", namespace, kubeconfig=kubeconfig)


def test_a_made_up_token_is_nobody(control_plane: ControlPlane) -> None:
    with pytest.raises(ApiException) as refused:
        control_plane.request("GET", "/api/v1/namespaces", token="made-up")
    assert refused.value.status == 401


def test_a_token_bound_to_a_pod_names_its_node(control_plane: ControlPlane, namespace: str) -> None:
    node = f"node-{namespace}"
    node_uid = control_plane.add_node(node)
    pod = control_plane.add_agent_pod(node, namespace)
    token = control_plane.service_account_token(namespace, "cachemon-agent", bound_pod=pod)
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = control_plane.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review, token=token)
    user = answer["status"]["userInfo"]
    assert user["username"] == f"system:serviceaccount:{namespace}:cachemon-agent"
    assert user["extra"]["authentication.kubernetes.io/node-name"] == [node]
    assert user["extra"]["authentication.kubernetes.io/node-uid"] == [node_uid]
    assert user["extra"]["authentication.kubernetes.io/pod-name"] == [pod]


def test_making_a_node_or_an_agent_pod_again_changes_nothing(control_plane: ControlPlane, namespace: str) -> None:
    node = f"node-{namespace}"
    assert control_plane.add_node(node) == control_plane.add_node(node)
    assert control_plane.add_agent_pod(node, namespace) == control_plane.add_agent_pod(node, namespace)
    nodes = control_plane.kubectl("get", "node", node, "--no-headers").split()
    assert nodes[:2] == [node, "Ready"]


def test_a_vmi_is_kept_whole_and_its_status_is_written_through_the_object(
    control_plane: ControlPlane, namespace: str
) -> None:
    made = control_plane.request("POST", vmis(namespace), a_vmi("vm3"))
    assert made["spec"] == a_vmi("vm3")["spec"]
    assert made["status"] == a_vmi("vm3")["status"]
    path = f"{vmis(namespace)}/vm3"
    with pytest.raises(ApiException) as refused:
        control_plane.request("PATCH", f"{path}/status", {"status": {"nodeName": "b"}}, content_type=MERGE)
    assert refused.value.status == 404
    patch = {"status": {"nodeName": "node02", "migrationState": {"completed": True, "endTimestamp": None}}}
    patched = control_plane.request("PATCH", path, patch, content_type=MERGE)
    assert patched["status"]["nodeName"] == "node02"
    assert patched["status"]["migrationState"]["completed"] is True
    columns = control_plane.kubectl("get", "vmi", "-n", namespace).splitlines()[1].split()
    assert columns[0] == "vm3"
    assert columns[2:] == ["Running", "node02", "True"]


@pytest.mark.parametrize(
    ("status", "complaint"),
    [
        ({"activePods": ["node01"]}, "status.activePods"),
        ({"currentCPUTopology": {"sockets": "two"}}, "status.currentCPUTopology.sockets"),
        ({"conditions": [{"status": "True"}]}, "status.conditions\\[0\\].type"),
    ],
)
def test_a_vmi_that_kubevirt_could_not_have_written_is_refused(
    control_plane: ControlPlane, namespace: str, status: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ApiException, match=complaint) as refused:
        control_plane.request("POST", vmis(namespace), a_vmi("bad", **status))
    assert refused.value.status == 422


@pytest.mark.skipif(not RECORDED_VMI.exists(), reason="no recorded VMI beside the repository")
def test_a_vmi_recorded_on_a_real_cluster_is_kept_whole(control_plane: ControlPlane, namespace: str) -> None:
    vmi = yaml.safe_load(RECORDED_VMI.read_text(encoding="utf-8"))
    vmi["metadata"] = {"name": "spin", "labels": vmi["metadata"]["labels"]}
    kept = control_plane.request("POST", vmis(namespace), vmi)
    assert {key: kept[key] for key in ("spec", "status")} == {key: vmi[key] for key in ("spec", "status")}


@pytest.mark.skipif(not REAL_CRD.exists(), reason="KubeVirt's real CRD is not beside the repository")
def test_kubevirts_real_crd_takes_the_same_vmi(tmp_path: Path) -> None:
    with ControlPlane(tmp_path) as other:  # of its own: the session's has the lab's CRD
        other.apply(REAL_CRD)
        wait_until_served(other)
        made = other.request("POST", vmis("default"), a_vmi("vm3"))
        assert made["spec"] == a_vmi("vm3")["spec"]
        assert made["status"] == a_vmi("vm3")["status"]
        patch = {"status": {"nodeName": "node02"}}
        patched = other.request("PATCH", f"{vmis('default')}/vm3", patch, content_type=MERGE)
        assert patched["status"]["nodeName"] == "node02"


def test_an_api_server_that_was_away_comes_back_on_its_port_with_its_data(
    control_plane: ControlPlane, namespace: str
) -> None:
    control_plane.request("POST", vmis(namespace), a_vmi("vm3"))
    control_plane.add_service_account(namespace, "someone")
    token = control_plane.service_account_token(namespace, "someone")
    url, process = control_plane.url, control_plane.pids()["kube-apiserver"]
    control_plane.stop_api_server()
    try:
        assert not Path(f"/proc/{process}").exists()
        with pytest.raises(HTTPError, match="refused"):
            control_plane.request("GET", "/readyz")
    finally:
        control_plane.start_api_server()
    assert control_plane.url == url
    assert control_plane.request("GET", f"{vmis(namespace)}/vm3")["metadata"]["name"] == "vm3"
    with pytest.raises(ApiException) as refused:
        control_plane.request("GET", vmis(namespace), token=token)
    assert refused.value.status == 403  # the token is still known: the signing key is the same


def test_the_audit_log_says_who_asked_for_what(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.add_service_account(namespace, "curious")
    token = control_plane.service_account_token(namespace, "curious")
    with pytest.raises(ApiException):
        control_plane.request("GET", vmis(namespace), token=token)

    def recorded() -> list[tuple[str, int]]:
        user = f"system:serviceaccount:{namespace}:curious"
        return [
            (event["objectRef"]["resource"], event["responseStatus"]["code"])
            for event in control_plane.audit_events()
            if event["user"].get("username") == user
        ]

    assert until("the audit event", recorded) == [("virtualmachineinstances", 403)]


def test_the_audit_log_has_the_content_of_status_writes_of_groups_only(
    control_plane: ControlPlane, namespace: str
) -> None:
    groups = f"/apis/cachemon.dev/v1alpha1/namespaces/{namespace}/cachemonitorgroups"
    for path in (f"{groups}/vm3", f"{groups}/vm3/status"):
        with pytest.raises(ApiException):
            control_plane.request("PATCH", path, {"status": {}}, content_type=MERGE)

    def levels() -> dict[str, str] | None:
        events = [event for event in control_plane.audit_events() if groups in event["requestURI"]]
        return {event["requestURI"]: event["level"] for event in events} if len(events) == 2 else None

    assert until("both audit events", levels) == {
        f"{groups}/vm3": "Metadata",
        f"{groups}/vm3/status": "RequestResponse",
    }


def test_an_emptied_namespace_has_no_vmis_and_no_pods(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.request("POST", vmis(namespace), a_vmi("vm3"))
    control_plane.add_node(f"node-{namespace}")
    control_plane.add_agent_pod(f"node-{namespace}", namespace)
    empty_namespace(control_plane, namespace)
    assert control_plane.request("GET", vmis(namespace))["items"] == []
    assert control_plane.request("GET", f"/api/v1/namespaces/{namespace}/pods")["items"] == []


def test_apply_takes_a_file_a_text_and_objects(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    objects = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}}
        for name in ("one", "two", "three", "four")
    ]
    (tmp_path / "one.yaml").write_text(yaml.safe_dump(objects[0]), encoding="utf-8")
    control_plane.apply(tmp_path / "one.yaml")
    control_plane.apply(yaml.safe_dump(objects[1]))
    assert control_plane.apply(objects[2:]).splitlines() == [
        "configmap/three serverside-applied",
        "configmap/four serverside-applied",
    ]
    there = control_plane.request("GET", f"/api/v1/namespaces/{namespace}/configmaps")["items"]
    assert {item["metadata"]["name"] for item in there} == {"one", "two", "three", "four"}


@pytest.mark.parametrize("kustomized", [False, True])
def test_of_the_manifests_what_rules_access_is_applied_in_order(
    control_plane: ControlPlane, tmp_path: Path, *, kustomized: bool
) -> None:
    kinds = {"RoleBinding": "rbac", "Deployment": "operator", "ServiceAccount": "rbac", "Namespace": "namespace"}
    for number, (kind, name) in enumerate(kinds.items()):
        text = yaml.safe_dump({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}})
        (tmp_path / f"{number}.yaml").write_text(f"---\n{text}", encoding="utf-8")
    if kustomized:
        files = {"resources": [f"{number}.yaml" for number in range(len(kinds))], "namePrefix": "lab-"}
        (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(files), encoding="utf-8")
    found = access_objects(control_plane, tmp_path)
    assert [item["kind"] for item in found] == ["Namespace", "ServiceAccount", "RoleBinding"]
    prefix = "lab-" if kustomized else ""
    assert found[1]["metadata"]["name"] == f"{prefix}rbac"


def test_stopping_leaves_no_process(tmp_path: Path) -> None:
    with ControlPlane(tmp_path) as other:
        pids = other.pids()
        assert sorted(pids) == ["etcd", "kube-apiserver"]
    assert other.pids() == {}
    assert [pid for pid in pids.values() if Path(f"/proc/{pid}").exists()] == []
