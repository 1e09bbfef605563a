"""Another tenant on the same node: one VM and one group, whose figures nobody may delay."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lab.cluster import Cluster
from lab.vms.vm import Hardware
from lab.vms.vmi import Vmi
from tests.e2e.view import View


def groups_path(namespace: str) -> str:
    """The CacheMonitorGroups of a namespace."""
    return f"/apis/cachemon.dev/v1alpha1/namespaces/{namespace}/cachemonitorgroups"


def make_group(cluster: Cluster, namespace: str, name: str, vmi: str, seconds: int, **metadata: Any) -> None:
    """Ask for the figures of a VMI every `seconds`."""
    body: dict[str, Any] = {
        "apiVersion": "cachemon.dev/v1alpha1",
        "kind": "CacheMonitorGroup",
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "spec": {"vmiName": vmi, "statusPeriodSeconds": seconds},
    }
    cluster.control_plane.request("POST", groups_path(namespace), body)


@contextmanager
def calm_tenant(cluster: Cluster, namespace: str, seconds: int) -> Iterator[View]:
    """Its view, with the group `calm` of one VM on node01, while the block runs.

    Args:
        cluster: that it shares.
        namespace: of the one who is not calm.
        seconds: period of the group.
    """
    name = f"{namespace}-calm"
    cluster.add_namespace(name)
    with Vmi(cluster, name, "vm", Hardware(vcpus=2, busy_percent=(4, 1))) as vmi:
        vmi.start("node01")
        make_group(cluster, name, "calm", "vm", seconds)
        view = View(cluster, name)
        view.until_ready("calm")
        yield view
        cluster.control_plane.request("DELETE", groups_path(name), {"kind": "DeleteOptions"})
        vmi.delete()


def asked_period(cluster: Cluster, calm: View) -> int:
    """Period of the group `calm`, in seconds: the machine's speed may be another than when the group was made."""
    return int(cluster.group(calm._namespace, "calm")["spec"]["statusPeriodSeconds"])
