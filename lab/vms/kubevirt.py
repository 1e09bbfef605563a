"""The objects that KubeVirt would keep for a VM, step by step through its life; pure functions over plain dicts.

Fields, labels and their order are those recorded on an unmodified KubeVirt v1.9.0. Nothing here talks to an
API server. Each step takes an object as it came from the server and returns the next one, to be written back:

* a VMI has no status subresource: write the whole object, status included;
* a pod has one: create it first (status is dropped), then write `.../status`;
* UIDs are the server's: make the VMI, then its pod, then start the launcher with the pod's real UID.

Left out on purpose: the finalizer `kubevirt.io/foregroundDeleteVirtualMachine`, which nobody in the lab removes.
"""

import copy
from collections.abc import Mapping
from typing import Any, TypeAlias

from lab.vms.launcher import container_id

Object: TypeAlias = dict[str, Any]

NODE_LABEL = "kubevirt.io/nodeName"
TARGET_NODE_LABEL = "kubevirt.io/migrationTargetNodeName"
_MAX_SOCKETS_FACTOR = 4  # virt-api, where a VMI names no maxSockets


def vmi(name: str, namespace: str, *, sockets: int = 2, labels: Mapping[str, str] | None = None, now: str) -> Object:
    """A VMI as the API server takes it from its owner, phase Pending.

    Args:
        name: also the name of its VM.
        namespace: its namespace.
        sockets: number of vCPUs; KubeVirt's default topology has one core and one thread in each.
        labels: the owner's; KubeVirt copies them to the pod.
        now: RFC 3339 time, UTC.
    """
    topology = {"cores": 1, "sockets": sockets, "threads": 1}
    created: Object = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstance",
        "metadata": {"name": name, "namespace": namespace, "labels": dict(labels or {})},
        "spec": {
            "architecture": "amd64",
            "domain": {
                "cpu": {**topology, "maxSockets": sockets * _MAX_SOCKETS_FACTOR, "model": "host-model"},
                "devices": {"disks": [{"disk": {"bus": "virtio"}, "name": "d"}]},
                "machine": {"type": "q35"},
                "memory": {"guest": "32Mi"},
                "resources": {"requests": {"cpu": "100m"}},
            },
            "evictionStrategy": "LiveMigrate",
            "terminationGracePeriodSeconds": 5,
            "volumes": [{"containerDisk": {"image": "lab/spin:1"}, "name": "d"}],
        },
        "status": {
            "activePods": {},
            "conditions": [],
            "currentCPUTopology": topology,
            "qosClass": "Burstable",
            "runtimeUser": 107,
        },
    }
    return _in_phase(created, "Pending", now)


def launcher_pod(vmi: Object, node: str, suffix: str, *, migration_uid: str | None = None) -> Object:
    """The virt-launcher pod that virt-controller makes for a VMI, bound to a node.

    It takes over all labels of the VMI. So a migration's target pod says `kubevirt.io/nodeName: <source>`
    until `pod_relabelled`; its node is `spec.nodeName`.

    Args:
        vmi: as read from the server, with its UID.
        node: where the scheduler put it.
        suffix: five characters, the server's part of the name.
        migration_uid: UID of the migration that the pod is the target of.
    """
    meta = vmi["metadata"]
    own = {"kubevirt.io": "virt-launcher", "kubevirt.io/created-by": meta["uid"]}
    own |= {"vm.kubevirt.io/name": meta["name"], "vmi.kubevirt.io/id": meta["name"]}
    if migration_uid:
        own["kubevirt.io/migrationJobUID"] = migration_uid
    owner = {key: vmi[key] for key in ("apiVersion", "kind")} | {key: meta[key] for key in ("name", "uid")}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"virt-launcher-{meta['name']}-{suffix}",
            "generateName": f"virt-launcher-{meta['name']}-",
            "namespace": meta["namespace"],
            "labels": meta.get("labels", {}) | own,
            "annotations": {
                "kubectl.kubernetes.io/default-container": "compute",
                "kubevirt.io/domain": meta["name"],
            },
            "ownerReferences": [owner | {"controller": True, "blockOwnerDeletion": True}],
        },
        "spec": {
            "automountServiceAccountToken": False,
            "containers": [
                {
                    "name": "compute",
                    "image": "lab/virt-launcher:v1.9.0",
                    "command": [
                        *("/usr/bin/virt-launcher-monitor", "--name", meta["name"]),
                        *("--uid", meta["uid"], "--namespace", meta["namespace"]),
                    ],
                    "resources": {"requests": {"cpu": "100m", "memory": "340Mi"}},
                }
            ],
            "nodeName": node,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 35,
        },
    }


def pod_running(pod: Object, now: str) -> Object:
    """The pod with the status that a kubelet writes when container `compute` runs."""
    compute = {
        "containerID": f"containerd://{container_id(pod['metadata']['uid'])}",
        "image": "lab/virt-launcher:v1.9.0",
        "imageID": "",
        "name": "compute",
        "ready": True,
        "restartCount": 0,
        "started": True,
        "state": {"running": {"startedAt": now}},
    }
    return _with_status(
        pod,
        phase="Running",
        startTime=now,
        containerStatuses=[compute],
        conditions=[{"type": "Ready", "status": "True", "lastTransitionTime": now}],
    )


def pod_ended(pod: Object, phase: str, now: str) -> Object:
    """The pod after its launcher ended: `Succeeded`, or `Failed` where QEMU or the migration did."""
    state = {"terminated": {"exitCode": 0 if phase == "Succeeded" else 1, "finishedAt": now}}
    containers = [
        status | {"ready": False, "started": False, "state": state}
        for status in pod.get("status", {}).get("containerStatuses", [])
    ]
    conditions = [{"type": "Ready", "status": "False", "lastTransitionTime": now, "reason": "PodCompleted"}]
    return _with_status(pod, phase=phase, containerStatuses=containers, conditions=conditions)


def pod_relabelled(pod: Object, vmi: Object) -> Object:
    """The pod with the VMI's `kubevirt.io/nodeName`; virt-controller does so about 1 s after a migration."""
    changed = copy.deepcopy(pod)
    changed["metadata"]["labels"][NODE_LABEL] = vmi["metadata"]["labels"][NODE_LABEL]
    return changed


def pod_active(vmi: Object, pod: Object) -> Object:
    """The VMI with a pod in `activePods`: while the pod is Pending, and until the VMI ends even if it ended."""
    pods = vmi["status"].get("activePods", {}) | {pod["metadata"]["uid"]: pod["spec"]["nodeName"]}
    return _with_status(vmi, activePods=pods)


def scheduling(vmi: Object, pod: Object, now: str) -> Object:
    """Its pod is there and starts; images are pulled, so this takes seconds or minutes."""
    return _in_phase(pod_active(vmi, pod), "Scheduling", now)


def scheduled(vmi: Object, pod: Object, now: str) -> Object:
    """Its pod runs; virt-handler of that node may start QEMU."""
    node = pod["spec"]["nodeName"]
    active = _with_status(pod_active(vmi, pod), nodeName=node)
    return _in_phase(_with_label(active, NODE_LABEL, node), "Scheduled", now)


def running(vmi: Object, now: str) -> Object:
    """QEMU runs the guest."""
    return ready(_in_phase(vmi, "Running", now), now)


def ready(vmi: Object, now: str) -> Object:
    """Condition Ready is True."""
    return _with_conditions(vmi, now, Ready=("True", None), LiveMigratable=("True", None))


def paused(vmi: Object, now: str) -> Object:
    """As `virtctl pause` leaves it: still Running, and not Ready."""
    return _with_conditions(vmi, now, Ready=("False", "ReadinessGatesNotReady"), Paused=("True", "PausedByUser"))


def unpaused(vmi: Object, now: str) -> Object:
    """As `virtctl unpause` leaves it."""
    return _without_condition(ready(vmi, now), "Paused")


def agent_lost(vmi: Object, now: str) -> Object:
    """What virt-handler sees while virtqemud, which it asks for the guest's agent, is away; QEMU runs on."""
    return _with_conditions(vmi, now, AgentConnected=("False", None))


def agent_back(vmi: Object, now: str) -> Object:
    """And when virtqemud is back."""
    return _with_conditions(vmi, now, AgentConnected=("True", None))


def failed(vmi: Object, now: str) -> Object:
    """QEMU was killed: the VMI is over at once. A VM makes a new VMI, with a new UID, once the pod is gone."""
    return _with_conditions(_in_phase(vmi, "Failed", now), now, Ready=("False", "PodTerminating"))


def vcpus_wanted(vmi: Object, sockets: int, now: str) -> Object:
    """Somebody raised the VM's sockets; a migration follows, and the vCPU is plugged on its target."""
    changed = _with_conditions(vmi, now, HotVCPUChange=("True", None))
    changed["spec"]["domain"]["cpu"]["sockets"] = sockets
    return changed


def hotplugged(vmi: Object, sockets: int) -> Object:
    """The VMI after another vCPU was plugged; `currentCPUTopology` follows the thread, it does not lead."""
    changed = _without_condition(vmi, "HotVCPUChange")
    changed["spec"]["domain"]["cpu"]["sockets"] = sockets
    return _with_status(changed, currentCPUTopology={"cores": 1, "sockets": sockets, "threads": 1})


def handed_to_target(vmi: Object, source_pod: Object, target_pod: Object, migration_uid: str) -> Object:
    """Migration, 4.3 s after its begin: the target pod runs, virt-handler of its node takes part.

    Before this comes `launcher_pod(..., migration_uid=...)` and, while it is Pending, `pod_active`.
    """
    state = {
        "migrationUid": migration_uid,
        "sourceNode": source_pod["spec"]["nodeName"],
        "sourcePod": source_pod["metadata"]["name"],
        "targetNode": target_pod["spec"]["nodeName"],
        "targetPod": target_pod["metadata"]["name"],
    }
    labelled = _with_label(pod_active(vmi, target_pod), TARGET_NODE_LABEL, state["targetNode"])
    return _with_status(labelled, migrationState=state)


def migrating(vmi: Object, now: str) -> Object:
    """5 s: the target's QEMU is there with all vCPU threads, memory is being copied."""
    return _with_migration(vmi, startTimestamp=now, mode="PreCopy", targetNodeDomainDetected=True)


def target_ready(vmi: Object, now: str) -> Object:
    """The target's domain runs and the source's QEMU is gone; `nodeName` may follow a second later."""
    return _with_migration(vmi, targetNodeDomainReadyTimestamp=now)


def post_copy(vmi: Object, now: str) -> Object:
    """The guest runs on the target while `nodeName` still names the source, for 8 s or longer."""
    return _with_migration(target_ready(vmi, now), mode="PostCopy")


def migrated(vmi: Object, now: str) -> Object:
    """7.5 s: the guest runs on the target, the source's QEMU is gone, `completed` is not set yet."""
    state = vmi["status"]["migrationState"]
    ready_since = state.get("targetNodeDomainReadyTimestamp", now)
    ended = _with_migration(vmi, endTimestamp=now, targetNodeDomainReadyTimestamp=ready_since)
    node = state["targetNode"]
    return _with_status(_with_label(ended, NODE_LABEL, node), nodeName=node)


def migration_completed(vmi: Object, now: str) -> Object:
    """8.4 s: completed; Ready is False for about 1 s (then `ready`)."""
    return _with_conditions(_with_migration(vmi, completed=True), now, Ready=("False", "PodNotReady"))


def migration_settled(vmi: Object) -> Object:
    """10.1 s: the label of the target is removed. The source pod becomes Succeeded 9 to 12 s after the end."""
    changed = copy.deepcopy(vmi)
    changed["metadata"]["labels"].pop(TARGET_NODE_LABEL, None)
    return changed


def migration_failed(vmi: Object, now: str) -> Object:
    """The guest stays where it was; the target's QEMU is gone, its pod becomes Failed 11 s later."""
    return _with_migration(vmi, endTimestamp=now, completed=True, failed=True, failureReason="lab")


def migration_aborted(vmi: Object, now: str) -> Object:
    """Cancelled by a user: as failed, but the target pod becomes Succeeded."""
    return _with_migration(
        vmi, endTimestamp=now, completed=True, failed=True, abortRequested=True, abortStatus="Succeeded"
    )


def _in_phase(vmi: Object, phase: str, now: str) -> Object:
    past = vmi["status"].get("phaseTransitionTimestamps", [])
    stamps = [*past, {"phase": phase, "phaseTransitionTimestamp": now}]
    return _with_status(vmi, phase=phase, phaseTransitionTimestamps=stamps)


def _with_status(thing: Object, **fields: Any) -> Object:
    return copy.deepcopy(thing) | {"status": copy.deepcopy(thing.get("status", {}) | fields)}


def _with_label(thing: Object, key: str, value: str) -> Object:
    changed = copy.deepcopy(thing)
    changed["metadata"].setdefault("labels", {})[key] = value
    return changed


def _with_migration(vmi: Object, **fields: Any) -> Object:
    return _with_status(vmi, migrationState=vmi["status"]["migrationState"] | fields)


def _with_conditions(vmi: Object, now: str, **conditions: tuple[str, str | None]) -> Object:
    changed = vmi
    for kind, (status, reason) in conditions.items():
        condition = {"type": kind, "status": status, "lastProbeTime": None, "lastTransitionTime": now}
        others = _without_condition(changed, kind)["status"]["conditions"]
        changed = _with_status(changed, conditions=[*others, condition | ({"reason": reason} if reason else {})])
    return changed


def _without_condition(vmi: Object, kind: str) -> Object:
    return _with_status(
        vmi, conditions=[condition for condition in vmi["status"]["conditions"] if condition["type"] != kind]
    )
