"""VMIs and virt-launcher pods as values. Others write them, so fields that are not valid never raise.

Field names: KubeVirt v1.9.0, staging/src/kubevirt.io/api/core/v1/types.go. `status.activePods` is not read:
it has every pod that the VMI controls, ended ones included (pkg/virt-controller/watch/vmi/lifecycle.go,
setActivePods; four entries after three migrations on a real cluster). The pods themselves say more.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cachemon.model.api import ObjectName, text_of
from cachemon.model.vmi_vcpus import vcpus_now


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
    return Vmi(
        name=_name(obj),
        uid=text_of(metadata.get("uid")),
        phase=text_of(status.get("phase")),
        node_name=text_of(status.get("nodeName")),
        vcpu_count=vcpus_now(obj),
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


def _name(obj: Mapping[str, Any]) -> ObjectName:
    metadata = _mapping(obj.get("metadata"))
    return ObjectName(text_of(metadata.get("namespace")), text_of(metadata.get("name")))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
