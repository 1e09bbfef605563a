import yaml

from lab.control_plane import ControlPlane
from lab.prepare import REPOSITORY


def test_manifests_and_crds_can_be_applied_as_the_guide_says(control_plane: ControlPlane) -> None:
    manifests, crds = REPOSITORY / "manifests", REPOSITORY / "crds"
    rendered = [item["kind"] for item in yaml.safe_load_all(control_plane.kubectl("kustomize", manifests))]
    assert sorted(set(rendered)) == [
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "DaemonSet",
        "Deployment",
        "FlowSchema",
        "Namespace",
        "PriorityClass",
        "PriorityLevelConfiguration",
        "ServiceAccount",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    ]
    for what in (("-k", manifests), ("-f", crds), ("-k", crds)):
        applied = control_plane.kubectl("apply", "--server-side", "--force-conflicts", "--dry-run=server", *what)
        assert "customresourcedefinition.apiextensions.k8s.io/cachemonitorgroups.cachemon.dev" in applied


def test_every_crd_is_in_the_kustomization() -> None:
    listed = yaml.safe_load((REPOSITORY / "crds" / "Kustomization").read_text(encoding="utf-8"))["resources"]
    assert sorted(listed) == sorted(path.name for path in (REPOSITORY / "crds").glob("*.yaml"))
