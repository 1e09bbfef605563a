import os
from pathlib import Path

import yaml

from lab.kubernetes.control_plane import ControlPlane
from lab.repository import REPOSITORY


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
        "Role",
        "RoleBinding",
        "ServiceAccount",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    ]
    for what in (("-k", manifests), ("-f", crds), ("-k", crds)):
        applied = control_plane.kubectl("apply", "--server-side", "--force-conflicts", "--dry-run=server", *what)
        assert "customresourcedefinition.apiextensions.k8s.io/cachemonitorgroups.cachemon.dev" in applied


def test_a_kustomization_of_ones_own_takes_the_images_from_a_registry(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    text = (REPOSITORY / "manifests/kustomization.yaml").read_text(encoding="utf-8")
    commented = "\n".join(line[2:] for line in text.splitlines() if line.startswith("# ")).partition(":\n")[2]
    resource = Path(os.path.relpath((REPOSITORY / "manifests").resolve(), tmp_path.resolve()))
    (tmp_path / "kustomization.yaml").write_text(f"{commented}\nresources: [{resource}]\n", encoding="utf-8")
    made = list(yaml.safe_load_all(control_plane.kubectl("kustomize", tmp_path)))
    images = {
        container["image"]
        for item in made
        if item["kind"] in ("DaemonSet", "Deployment")
        for container in item["spec"]["template"]["spec"]["containers"]
    }
    assert images == {f"registry.example.com/cachemon/cachemon-{name}:0.1.0" for name in ("agent", "operator")}


def test_every_crd_is_in_the_kustomization() -> None:
    listed = yaml.safe_load((REPOSITORY / "crds" / "Kustomization").read_text(encoding="utf-8"))["resources"]
    assert sorted(listed) == sorted(path.name for path in (REPOSITORY / "crds").glob("*.yaml"))
