"""What the project finds in the local Kubernetes: its CRDs and rules, KubeVirt's kind, clean namespaces."""

import http.client
from pathlib import Path
from typing import Any

import yaml
from kubernetes.client import ApiException

from lab.kubernetes.control_plane import ControlPlane
from lab.repository import REPOSITORY
from lab.wait import until

# What decides who may do what. Deployments and DaemonSets of manifests/ have nobody to run them here.
_ACCESS_KINDS = (
    "Namespace",
    "ServiceAccount",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
)
_GROUPS_OF_TESTS = ("cachemon.dev", "kubevirt.io")


def prepare(control_plane: ControlPlane, repository: Path = REPOSITORY) -> None:
    """Apply the project's CRDs, the lab's VMI CRD, and from `manifests/` what rules access.

    Returns when every CRD is served and every service account has the rights that it is given. The API server starts
    to enforce a new ValidatingAdmissionPolicy up to a second or two after this returns; a test of one waits for the
    refusal.
    """
    for folder in (repository / "crds", repository / "lab/kubernetes/crds"):
        if any(folder.glob("*.yaml")):
            control_plane.apply(folder)
    wait_until_served(control_plane)
    access = access_objects(control_plane, repository / "manifests")
    if access:
        control_plane.apply(access)
        until(
            "the service accounts to have their rights",
            lambda: not _without_rights(control_plane, access),
            seconds=60,
        )


def access_objects(control_plane: ControlPlane, manifests: Path) -> list[dict[str, Any]]:
    """The objects under `manifests` that rule access, in an order in which they can be applied.

    A kustomization at the top of the folder is rendered, else all its YAML files are read.
    """
    if (manifests / "kustomization.yaml").exists():
        texts = [control_plane.kubectl("kustomize", manifests)]
    else:
        texts = [path.read_text(encoding="utf-8") for path in sorted(manifests.rglob("*.yaml"))]
    documents = [document for text in texts for document in yaml.safe_load_all(text) if document]
    found = [document for document in documents if document.get("kind") in _ACCESS_KINDS]
    return sorted(found, key=lambda document: _ACCESS_KINDS.index(document["kind"]))


def _without_rights(control_plane: ControlPlane, access: list[dict[str, Any]]) -> list[str]:
    """The bindings of cluster roles that the API server's authorizer does not apply yet, by name."""
    rules = {
        item["metadata"]["name"]: next((rule for rule in item["rules"] if "resources" in rule), None)
        for item in access
        if item["kind"] == "ClusterRole"
    }
    return [
        item["metadata"]["name"]
        for item in access
        if item["kind"] == "ClusterRoleBinding"
        and (rule := rules[item["roleRef"]["name"]]) is not None
        and not _may(control_plane, item["subjects"][0], rule)
    ]


def _may(control_plane: ControlPlane, subject: dict[str, str], rule: dict[str, list[str]]) -> bool:
    """Whether a service account may do the first thing that a rule names."""
    attributes = {"group": rule["apiGroups"][0], "resource": rule["resources"][0], "verb": rule["verbs"][0]}
    user = f"system:serviceaccount:{subject['namespace']}:{subject['name']}"
    review = {"spec": {"user": user, "resourceAttributes": attributes}}
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    return bool(control_plane.request("POST", path, review)["status"]["allowed"])


def wait_until_served(control_plane: ControlPlane) -> None:
    """Return when the API server serves every CRD that it has.

    Raises:
        GaveUpError: one is not served after a minute.
    """
    until("every CRD to be served", lambda: not _unserved(control_plane), seconds=60)


def _unserved(control_plane: ControlPlane) -> list[str]:
    # `kubectl wait` fails on a CRD whose conditions nobody has written yet.
    items = control_plane.request("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions")["items"]
    return [
        item["metadata"]["name"]
        for item in items
        if not any(
            condition["type"] == "Established" and condition["status"] == "True"
            for condition in item.get("status", {}).get("conditions") or []
        )
        or not _answers(control_plane, item["spec"])
    ]


def _answers(control_plane: ControlPlane, spec: dict[str, Any]) -> bool:
    """Whether objects can be listed: 429 says for a moment that the storage of a CRD is still being initialized.

    Asked for any version, the list comes from the watch cache, which is the last to be ready.
    """
    version = next(item["name"] for item in spec["versions"] if item["storage"])
    try:
        control_plane.request("GET", f"/apis/{spec['group']}/{version}/{spec['names']['plural']}?resourceVersion=0")
    except ApiException:
        return False
    return True


def make_namespace(control_plane: ControlPlane, name: str) -> None:
    """Make a namespace."""
    control_plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})


def empty_namespace(control_plane: ControlPlane, name: str) -> None:
    """Delete the namespace's pods and its objects of cachemon's and KubeVirt's kinds, now.

    The namespace stays, empty: without a controller manager a deleted one would be `Terminating` for ever,
    and its objects would stay as well and be seen by whoever watches all namespaces.
    """
    for collection in _collections(control_plane, name):
        control_plane.request("DELETE", collection, {"kind": "DeleteOptions", "gracePeriodSeconds": 0})


def _collections(control_plane: ControlPlane, namespace: str) -> list[str]:
    found = [f"/api/v1/namespaces/{namespace}/pods"]
    for group in _GROUPS_OF_TESTS:
        try:
            version = control_plane.request("GET", f"/apis/{group}")["preferredVersion"]["groupVersion"]
        except ApiException as error:
            if error.status != http.client.NOT_FOUND:
                raise
            continue
        found += [
            f"/apis/{version}/namespaces/{namespace}/{resource['name']}"
            for resource in control_plane.request("GET", f"/apis/{version}")["resources"]
            if resource["namespaced"] and "deletecollection" in resource["verbs"]
        ]
    return found
