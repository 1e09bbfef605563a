"""Many CacheMonitorGroups of one tenant: plain ones, and those that are as costly as the API allows."""

from collections.abc import Iterable, Sequence
from typing import Any

from cachemon.kube.queries import path_of
from cachemon.model.api import API_VERSION, GROUPS, ObjectName
from lab.kubernetes.cluster_api import ClusterApi
from tests.bench import filling

Object = dict[str, Any]

MOST_GROUPS = 64
"""maxItems of spec.groups in crds/cachemonitorgroups.yaml."""
WIDEST = "0-16383"
_PARALLEL = 6
"""The API server's rules for 64 groups take their time, and a request may take 30 s."""


def group_object(
    namespace: str, name: str, vmi: str, groups: Sequence[Object] = (), period_seconds: int = 60, **spec: Any
) -> Object:
    """A CacheMonitorGroup; without groups it watches all vCPUs as one."""
    wanted = {"groups": list(groups)} if groups else {}
    return {
        "apiVersion": API_VERSION,
        "kind": GROUPS.kind,
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"vmiName": vmi, "statusPeriodSeconds": period_seconds, **wanted, **spec},
    }


def wide_groups(number: int = MOST_GROUPS) -> Sequence[Object]:
    """Groups of the widest list that there is; only their names differ."""
    return [{"name": f"g{place:02}", "vcpus": WIDEST} for place in range(number)]


def subsets(vcpus: int, first: int, number: int = MOST_GROUPS) -> Sequence[Object]:
    """Groups of different vCPUs: the subsets of the VM's vCPUs in turn, beginning with one."""
    return [
        {"name": f"g{place:02}", "vcpus": _ids((first + place) % ((1 << vcpus) - 1) + 1)} for place in range(number)
    ]


def _ids(mask: int) -> str:
    return ",".join(str(number) for number in range(mask.bit_length()) if mask >> number & 1)


def create(api: ClusterApi, objects: Iterable[Object]) -> None:
    """Create them all, several at a time."""
    filling.for_each(objects, lambda body: filling.create(api, GROUPS, body), _PARALLEL)


def change(api: ClusterApi, objects: Iterable[Object]) -> None:
    """Give them all another spec."""

    def change_one(body: Object) -> None:
        metadata = body["metadata"]
        path = path_of(GROUPS, ObjectName(metadata["namespace"], metadata["name"]))
        api.request("PATCH", path, {"spec": body["spec"]}, content_type="application/merge-patch+json")

    filling.for_each(objects, change_one, _PARALLEL)
