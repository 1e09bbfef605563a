"""People with a role of the chart in one namespace."""

from lab.kubernetes.control_plane import ControlPlane

RBAC_GROUP = "rbac.authorization.k8s.io"


def bind(control_plane: ControlPlane, namespace: str, role: str, person: str) -> str:
    """Give a person a ClusterRole in a namespace; the API server takes a moment to know.

    Returns:
        The person.
    """
    binding = {
        "apiVersion": f"{RBAC_GROUP}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": role},
        "roleRef": {"apiGroup": RBAC_GROUP, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": RBAC_GROUP, "kind": "User", "name": person}],
    }
    control_plane.request("POST", f"/apis/{RBAC_GROUP}/v1/namespaces/{namespace}/rolebindings", binding)
    return person
