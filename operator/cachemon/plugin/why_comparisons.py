"""What `why` says of a VM beside the verdict: how it compares with itself before, and with others of its template."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from cachemon.interference.comparisons import Comparison, Kind, Stay, before_migration, same_template
from cachemon.interference.stay_fields import newest, stays_of
from cachemon.interference.typical import Measure
from cachemon.kube.queries import Selector
from cachemon.model.api import GROUPS, VMIS, ObjectName
from cachemon.model.errors import KubeForbiddenError, KubeNotFoundError
from cachemon.model.stamps import POLICY_LABEL, policy_of
from cachemon.plugin.session import Session

Object = Mapping[str, Any]

_MOST_PEERS = 16

_INSTANCE_TYPES = ("kubevirt.io/instancetype-name", "kubevirt.io/cluster-instancetype-name")
"""Annotations of a VMI (kubevirt staging/src/kubevirt.io/api/core/v1/types.go, v1.9)."""
_OTHER_REASONS = (
    "A neighbour that was there first may explain it. So may other hardware, other load or other work: this is no "
    "verdict."
)


async def read_peers(session: Session, groups: Sequence[Object], vmi: Object | None) -> list[Object]:
    """Groups of other VMs of the same template: by policy, instance type and number of vCPUs, in the same namespace.

    None without the right to read them. Nothing is asked where the VM has nothing to compare, or no template. Of many
    peers a few are enough.
    """
    own = next((obj for obj in groups if policy_of(obj) and _has_typical(obj)), None)
    instance_type = _instance_type(vmi) if vmi else None
    if own is None or instance_type is None:
        return []
    namespace = own["metadata"]["namespace"]
    try:
        stamped = await session.api.list(GROUPS, Selector(labels=f"{POLICY_LABEL}={policy_of(own)}"), namespace)
        found = [obj for obj in stamped.items if _is_peer(obj, own)][:_MOST_PEERS]
        names = [ObjectName(namespace, obj["spec"]["vmiName"]) for obj in found]
        vmis = await asyncio.gather(*(_read_vmi(session, name) for name in names))
    except KubeForbiddenError:
        return []
    return [obj for obj, it in zip(found, vmis, strict=True) if it and _instance_type(it) == instance_type]


async def _read_vmi(session: Session, name: ObjectName) -> Object | None:
    try:
        return await session.api.get(VMIS, name)
    except KubeNotFoundError:
        return None


def weak_evidence(current: Sequence[Object], peers: Iterable[Object]) -> list[str]:
    """A sentence for each comparison that says something. Pure.

    Args:
        current: the groups of the VM.
        peers: see `read_peers`.
    """
    stays = [(obj, stay) for obj in current for stay in _stays(obj)]
    own = newest(stay for obj, stay in stays if stay.node == _node_of(obj))
    if own is None:
        return []
    previous = newest(stay for _, stay in stays if stay.node != own.node)
    found = [
        before_migration(own, previous) if previous else None,
        same_template(own, [stay for obj in peers for stay in _stays(obj) if stay.node == _node_of(obj)]),
    ]
    return [_sentence(it) for it in found if it and (it.kind is Kind.BEFORE_MIGRATION or it.ratio > 1)]


def _stays(obj: Object) -> Iterator[Stay]:
    """Those of the VMI that runs now."""
    status = obj.get("status", {})
    return (stay for stay in stays_of(status.get("typical")) if stay.vmi_uid == status.get("vmiUID"))


def _node_of(obj: Object) -> str | None:
    """Where its VMI runs; None for one that has just stopped."""
    node: str | None = obj["status"].get("nodeName")
    return node


def _has_typical(obj: Object) -> bool:
    return bool(obj.get("status", {}).get("typical"))


def _is_peer(obj: Object, own: Object) -> bool:
    vcpus = obj.get("status", {}).get("vcpuCount")
    return (
        policy_of(obj) == policy_of(own)
        and obj["spec"]["vmiName"] != own["spec"]["vmiName"]
        and _has_typical(obj)
        and bool(vcpus)
        and vcpus == own["status"].get("vcpuCount")
    )


def _instance_type(vmi: Object) -> tuple[str, ...] | None:
    """Its instance type, of the namespace or of the cluster; None without one."""
    annotations = vmi["metadata"].get("annotations", {})
    found = tuple(annotations.get(name, "") for name in _INSTANCE_TYPES)
    return found if any(found) else None


def _sentence(found: Comparison) -> str:
    low, high = sorted(_percent(it) for it in (found.low, found.high))
    between = f"{_percent(found.ratio)} %" + (f" ({low} to {high} %)" if low < high else "")
    is_worse = found.ratio > 1
    if found.measure is Measure.TRAFFIC:
        does = f"has {between} {'more' if is_worse else 'less'} traffic for each second of CPU time"
    else:
        does = f"takes {between} {'more' if is_worse else 'fewer'} cycles for the same work"
    holds = {True: ", and holds less cache", False: ", and holds more cache", None: ""}[found.holds_less]
    if found.kind is Kind.BEFORE_MIGRATION:
        seen = f"it {does}{holds} than before on {found.nodes[0]}"
    else:
        seen = f"it {does}{holds} than {len(found.nodes)} VMs of its template on other nodes"
    return f"{found.strength.capitalize()}: {seen}. {_OTHER_REASONS}"


def _percent(ratio: float) -> int:
    return round(100 * abs(ratio - 1))
