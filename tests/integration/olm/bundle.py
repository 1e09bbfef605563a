"""A bundle as OLM takes it."""

from pathlib import Path
from typing import Any

import yaml

from lab.kubernetes.control_plane import ControlPlane
from tools.release.olm.service_version import ACCOUNT

REGISTRY = "registry.example.com/cachemon"
"""Of the images that the bundle names; nothing is there."""

_RBAC = "rbac.authorization.k8s.io"


class Bundle:
    """The files of a bundle.

    Args:
        folder: of the bundle.
    """

    def __init__(self, folder: Path) -> None:
        self.manifests = folder / "manifests"
        loaded = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(self.manifests.iterdir())]
        (self.csv,) = (item for item in loaded if item["kind"] == "ClusterServiceVersion")
        self.others = [item for item in loaded if item is not self.csv]

    @property
    def sample(self) -> dict[str, Any]:
        """The installation that OLM proposes."""
        resource = self.csv["metadata"]["annotations"]["operatorframework.io/initialization-resource"]
        found: dict[str, Any] = yaml.safe_load(resource)
        return found

    def install(self, cluster: ControlPlane, namespace: str) -> None:
        """Make what OLM makes, except the Deployment: there is nobody who runs pods."""
        cluster.add_service_account(namespace, ACCOUNT)
        for item in self.others:
            cluster.kubectl(
                "apply", "--server-side", "-n", namespace, "-f", "-", input=yaml.safe_dump(item, sort_keys=False)
            )
        (permissions,) = self.csv["spec"]["install"]["spec"]["clusterPermissions"]
        name, account = {"name": f"{ACCOUNT}-by-olm"}, permissions["serviceAccountName"]
        role = {"apiVersion": f"{_RBAC}/v1", "kind": "ClusterRole", "metadata": name, "rules": permissions["rules"]}
        binding = {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": name,
            "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", **name},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
        }
        cluster.apply([role, binding])
