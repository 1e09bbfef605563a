"""VMIs and virt-launcher pods as values. Others write them, so fields that are not valid never raise.

Field names: KubeVirt v1.9.0, staging/src/kubevirt.io/api/core/v1/types.go. `status.activePods` is not read:
it has every pod that the VMI controls, ended ones included (pkg/virt-controller/watch/vmi/lifecycle.go,
setActivePods; four entries after three migrations on a real cluster). The pods themselves say more.
"""

import math
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from cachemon.model.api import ObjectName, text_of

__all__ = ["LauncherPod", "Migration", "Vmi", "parse_labels", "parse_pod", "parse_vmi"]

MAX_VCPUS = 16384
"""Maximum of `status.vcpuCount` in the schema, and libvirt's own limit."""

_QUANTITY = re.compile(r"\+?(?P<number>\d{1,15}(?:\.\d{0,15})?|\.\d{1,15})(?P<suffix>[numkMGTPE]?|[KMGTPE]i)")
_SCALE = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 10**3),
    "": Fraction(1),
    **{letter: Fraction(1000 ** (power + 1)) for power, letter in enumerate("kMGTPE")},
    **{f"{letter}i": Fraction(1024 ** (power + 1)) for power, letter in enumerate("KMGTPE")},
}


@dataclass(frozen=True, slots=True)
class Migration:
    """The VMI's latest live migration (`status.migrationState`); it stays there after its end.

    On a real cluster `target_runs_guest` is set up to 8 s (post-copy) or 1 s (pre-copy, when the source's QEMU has
    ended) before `status.nodeName` names the target.
    """

    source_pod: str  # name of the pod that the guest leaves
    target_pod: str  # name of the pod that takes over
    target_runs_guest: bool  # whether the target's domain runs
    over: bool  # completed or failed; an aborted one is both


@dataclass(frozen=True, slots=True)
class Vmi:
    """A VirtualMachineInstance."""

    name: ObjectName
    uid: str  # metadata.uid; a restarted VM gets a new one
    phase: str  # status.phase, empty while it has none
    node_name: str  # status.nodeName, the node that owns the running guest; empty before phase Running
    vcpu_count: int  # vCPUs that it has now, 0 when that can't be read
    migration: Migration | None  # the latest one, or None
    labels: Mapping[str, str] = field(default_factory=dict)  # metadata.labels
    is_ending: bool = False  # whether it is being deleted; its end may take a while

    @property
    def stamp_facts(self) -> tuple[object, ...]:
        """The parts that policies depend on."""
        return self.uid, self.labels, self.is_ending


@dataclass(frozen=True, slots=True)
class LauncherPod:
    """A virt-launcher pod. Its label kubevirt.io/nodeName is not read: on a migration target it names the source."""

    name: ObjectName
    uid: str
    node_name: str  # spec.nodeName, empty until it is scheduled
    phase: str
    created: str  # metadata.creationTimestamp, RFC 3339; sorts as text
    vmi_name: str  # the VMI that controls it, by its owner reference; empty when none does
    vmi_uid: str

    @property
    def is_live(self) -> bool:
        """Whether its containers may run. A deletion timestamp is no end: QEMU runs on until it has stopped."""
        return self.phase not in {"Succeeded", "Failed"}


def parse_vmi(obj: Mapping[str, Any]) -> Vmi:
    """A VirtualMachineInstance as the API server hands it out."""
    status = _mapping(obj.get("status"))
    metadata = _mapping(obj.get("metadata"))
    domain = _mapping(_mapping(obj.get("spec")).get("domain"))
    return Vmi(
        name=_name(obj),
        uid=text_of(metadata.get("uid")),
        phase=text_of(status.get("phase")),
        node_name=text_of(status.get("nodeName")),
        vcpu_count=min(MAX_VCPUS, _vcpu_count(domain, status)),
        migration=_migration(_mapping(status.get("migrationState"))),
        labels=parse_labels(obj),
        is_ending="deletionTimestamp" in metadata,
    )


def parse_labels(obj: Mapping[str, Any]) -> Mapping[str, str]:
    """An object's labels. Thousands of objects have much the same ones, so each text is kept once."""
    labels = _mapping(_mapping(obj.get("metadata")).get("labels"))
    return {sys.intern(text_of(key)): sys.intern(text_of(value)) for key, value in labels.items()}


def parse_pod(obj: Mapping[str, Any]) -> LauncherPod:
    """A pod labelled `kubevirt.io=virt-launcher` as the API server hands it out."""
    metadata = _mapping(obj.get("metadata"))
    owner = _controlling_vmi(metadata.get("ownerReferences"))
    return LauncherPod(
        name=_name(obj),
        uid=text_of(metadata.get("uid")),
        node_name=text_of(_mapping(obj.get("spec")).get("nodeName")),
        phase=text_of(_mapping(obj.get("status")).get("phase")),
        created=text_of(metadata.get("creationTimestamp")),
        vmi_name=text_of(owner.get("name")),
        vmi_uid=text_of(owner.get("uid")),
    )


def _migration(state: Mapping[str, Any]) -> Migration | None:
    if not state:
        return None
    return Migration(
        source_pod=text_of(state.get("sourcePod")),
        target_pod=text_of(state.get("targetPod")),
        target_runs_guest=bool(text_of(state.get("targetNodeDomainReadyTimestamp"))),
        over=state.get("completed") is True or state.get("failed") is True,
    )


def _controlling_vmi(references: object) -> Mapping[str, Any]:
    for reference in references if isinstance(references, list) else ():
        owner = _mapping(reference)
        if (
            owner.get("controller") is True
            and owner.get("kind") == "VirtualMachineInstance"
            and text_of(owner.get("apiVersion")).startswith("kubevirt.io/")
        ):
            return owner
    return {}


def _vcpu_count(domain: Mapping[str, Any], status: Mapping[str, Any]) -> int:
    """Number of vCPUs that KubeVirt gives it: topology, else the CPU limit or request as sockets, else one."""
    topology = _product(_mapping(status.get("currentCPUTopology"))) or _product(_mapping(domain.get("cpu")))
    if topology:
        return topology
    resources = _mapping(domain.get("resources"))
    for amounts in (_mapping(resources.get("limits")), _mapping(resources.get("requests"))):
        if count := _whole_cpus(amounts.get("cpu")):
            return count
    return 1 if domain else 0


def _product(topology: Mapping[str, Any]) -> int:
    """Product of sockets, cores and threads, absent ones count as 1; 0 when none of them is there."""
    parts = [_count(topology.get(name)) for name in ("sockets", "cores", "threads")]
    return math.prod(part or 1 for part in parts) if any(parts) else 0


def _whole_cpus(quantity: object) -> int:
    match = _QUANTITY.fullmatch(str(quantity)) if isinstance(quantity, str | int) else None
    return math.ceil(Fraction(match["number"]) * _SCALE[match["suffix"]]) if match else 0


def _name(obj: Mapping[str, Any]) -> ObjectName:
    metadata = _mapping(obj.get("metadata"))
    return ObjectName(text_of(metadata.get("namespace")), text_of(metadata.get("name")))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
