"""Objects as people, operator and agent write them, with every field filled."""

import copy
import http.client
from typing import Any

from kubernetes.client import ApiException

from lab.kubernetes.control_plane import ControlPlane
from lab.wait import until

API_VERSION = "cachemon.dev/v1alpha1"
APIS = f"/apis/{API_VERSION}"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"

SPEC: dict[str, Any] = {
    "vmiName": "vm3",
    "groups": [
        {"name": "vcpus_1", "vcpus": "1", "threads": ["IOThread"]},
        {"vcpus": "0,3"},
        {"name": "io", "threads": ["IOThread", "Emulator", "Vhost"]},
    ],
    "priority": 10,
    "statusPeriodSeconds": 30,
}


POLICY_SPEC: dict[str, Any] = {
    "namespaceSelector": {
        "matchLabels": {"kubernetes.io/metadata.name": "tenant-a", "team": ""},
        "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["gold", "silver"]},
            {"key": "trial", "operator": "DoesNotExist"},
        ],
    },
    "vmiSelector": {
        "matchLabels": {"app.example.com/tier": "db"},
        "matchExpressions": [
            {"key": "cachemon", "operator": "NotIn", "values": ["off", ""]},
            {"key": "app", "operator": "Exists"},
        ],
    },
    "template": {key: value for key, value in SPEC.items() if key != "vmiName"},
}


def condition(kind: str, status: str = "True", reason: str = "AsWanted") -> dict[str, Any]:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": "",
        "observedGeneration": 1,
        "lastTransitionTime": "2026-11-22T08:00:00Z",
    }


OPERATOR_STATUS: dict[str, Any] = {
    "observedGeneration": 1,
    "nodeName": "node01",
    "migrationTargetNodeName": "node02",
    "vmiUID": "0b1c3a52-9a0e-4f0c-b0c1-0f6c5f7b9d11",
    "vcpuCount": 4,
    "placements": [
        {"nodeName": "node01", "podUID": "9f3c7c7e-5a52-44b5-a7f4-6c6d0d1a0c01", "role": "Active"},
        {"nodeName": "node02", "podUID": "9f3c7c7e-5a52-44b5-a7f4-6c6d0d1a0c02", "role": "MigrationTarget"},
    ],
    "conditions": [condition("Bound", reason="Placed"), condition("Ready")],
}

AGENT_STATUS: dict[str, Any] = {
    "observedTime": "2026-11-22T08:00:00Z",
    "figuresAgeSeconds": 4,
    "statusPeriodSeconds": 75,
    "live": {"until": "2026-11-22T08:12:00Z", "periodSeconds": 14, "message": "renewed every 14 s instead of 2 s"},
    "omitted": "left out, as the status would be larger than 128 KiB: all about 1 of 3 groups (io)",
    "summary": {
        "occupancy": "61Mi",
        "memoryBandwidth": "1200M",
        "groups": "1/2",
        "blocks": "0=59Mi,1=2Mi",
        "interference": "Likely Cache 21%",
    },
    "interference": {
        "level": "Likely",
        "resource": "Cache",
        "since": "2026-11-22T07:51:00Z",
        "bytesLost": 12582912,
        "slowdownPercent": 21,
        "neighbour": "another VM of this node",
        "evidence": "The traffic of another VM of this node rose when the cache of this VM fell by 12Mi.",
    },
    "typical": [
        {
            "nodeName": node,
            "vmiUID": "0b1c3a52-9a0e-4f0c-b0c1-0f6c5f7b9d11",
            "cpuModel": "INTEL(R) XEON(R) GOLD 6548Y+",
            "until": "2026-11-22T08:00:00Z",
            "minutes": 30,
            "measure": "CyclesPerThousandUops",
            "median": median,
            "spread": 14,
            "occupancyBytes": 53796864,
            "milliCPUs": 1900,
            "runDelayPercent": 1,
        }
        for node, median in (("node01", 910), ("node00", 722))
    ],
    "groups": [
        {
            "name": "vcpus_0,3",
            "vcpus": [0, 3],
            "threads": 2,
            "state": "Monitored",
            "reason": "",
            "message": "",
            "cacheBlocks": [
                {
                    "level": 3,
                    "id": 0,
                    "reading": "Valid",
                    "occupancyBytes": 53796864,
                    "capacityBytes": 67108864,
                    "memoryBandwidth": {"totalBytesPerSecond": 900000000, "localBytesPerSecond": 800000000},
                    "numaNodes": [
                        {
                            "id": 0,
                            "reading": "Valid",
                            "occupancyBytes": 53796864,
                            "memoryBandwidth": {"totalBytesPerSecond": 900000000, "localBytesPerSecond": 800000000},
                        },
                        {"id": 1, "reading": "Unavailable"},
                    ],
                },
                {"level": 3, "id": 1, "reading": "Unavailable", "capacityBytes": 67108864},
            ],
            "foreignMonGroups": [
                {
                    "name": "/mon_groups/514b34ab",
                    "holds": "GroupAndOthers",
                    "threads": 41,
                    "cacheBlocks": [
                        {
                            "level": 3,
                            "id": 0,
                            "reading": "Valid",
                            "occupancyBytes": 53796864,
                            "capacityBytes": 67108864,
                            "memoryBandwidth": {"totalBytesPerSecond": 900000000, "localBytesPerSecond": 800000000},
                        },
                        {"level": 3, "id": 1, "reading": "Unavailable", "capacityBytes": 67108864},
                    ],
                }
            ],
            "packages": [
                {
                    "id": 0,
                    "reading": "Valid",
                    "coreEnergyJoules": "1234.567891",
                    "corePowerMilliwatts": 4251,
                    "activityFarads": "17.25",
                    "unhaltedCoreCyclesPerSecond": 2600000000,
                    "uopsRetiredPerSecond": 3900000000,
                    "stallsLLCMissPerSecond": 90000000,
                },
                {"id": 1, "reading": "Unavailable"},
            ],
        },
        {
            "name": "vcpus_1",
            "threads": 0,
            "state": "Waiting",
            "reason": "RMIDsExhausted",
            "message": "all 224 RMIDs of the node are in use",
        },
    ],
    "conditions": [condition("Monitored"), condition("Undisturbed", "False", "Likely")],
}

NODE_STATUS: dict[str, Any] = {
    "observedTime": "2026-11-22T08:00:00Z",
    "figuresAgeSeconds": 3,
    "statusPeriodSeconds": 60,
    "live": {"until": "2026-11-22T08:12:00Z", "periodSeconds": 2, "message": "`tomorrow` is no time"},
    "agentVersion": "0.1.0",
    "monitoringEvents": ["llc_occupancy", "mbm_total_bytes", "mbm_local_bytes"],
    "counterAssignMode": "default",
    "telemetry": {"rmids": 224, "events": ["core_energy", "activity"], "packages": [0, 1]},
    "unreadResources": ["MB_MON"],
    "rmids": {"total": 224, "ours": 3, "others": 1},
    "summary": {
        "blocks": "0=59Mi/64Mi,1=2Mi/64Mi",
        "rmids": "4/224",
        "events": "occupancy,total,local",
        "heaviestVMI": "tenant-a/vm3=51Mi",
    },
    "heaviestVMIs": [{"namespace": "tenant-a", "name": "vm3", "occupancyBytes": 53796864}],
    "cacheBlocks": [
        {
            "level": 3,
            "id": 0,
            "reading": "Valid",
            "capacityBytes": 67108864,
            "cpus": "0-15",
            "occupancyBytes": 61865984,
            "monitoredBytes": 53796864,
            "unattributedBytes": 8069120,
            "heaviestVMIs": [{"namespace": "tenant-a", "name": "vm3", "occupancyBytes": 53796864}],
            "heaviestGroups": [
                {
                    "namespace": "tenant-a",
                    "name": "vm3",
                    "group": "vcpus_0,3",
                    "vmiName": "vm3",
                    "occupancyBytes": 53796864,
                }
            ],
            "verdicts": [
                {
                    "victim": {"namespace": "tenant-a", "name": "vm3"},
                    "suspect": {"namespace": "tenant-b", "name": "batch"},
                    "level": "Confirmed",
                    "resource": "Cache",
                    "outcome": "Verified",
                    "since": "2026-11-22T07:51:10Z",
                    "until": "2026-11-22T07:59:40Z",
                    "slowdownPercent": 21,
                    "sharePercent": 75,
                    "bytesLost": 12582912,
                    "evidence": "The traffic of tenant-b/batch rose when the cache of tenant-a/vm3 fell by 12Mi.",
                    "series": {
                        "until": "2026-11-22T08:00:00Z",
                        "victim": {"occupancyMebibytes": "63 51", "trafficMebibytesPerSecond": "858 -"},
                        "suspect": {"occupancyMebibytes": "1 13", "trafficMebibytesPerSecond": "10 4000"},
                    },
                }
            ],
        },
        {"level": 3, "id": 1, "reading": "Offline"},
    ],
    "interferenceRatio": "0.210",
    "conditions": [condition("Ready")],
}


POLICY_STATUS: dict[str, Any] = {
    "observedGeneration": 1,
    "matchingVMIs": 3,
    "groups": 2,
    "conditions": [condition("Ready", "False", "Stamping")],
}


def group_object(name: str, spec: Any = SPEC) -> dict[str, Any]:
    """A CacheMonitorGroup; its namespace is that of the URL it is sent to."""
    return {
        "apiVersion": API_VERSION,
        "kind": "CacheMonitorGroup",
        "metadata": {"name": name},
        "spec": copy.deepcopy(spec),
    }


def node_object(name: str) -> dict[str, Any]:
    """A CacheMonitorNode."""
    return {"apiVersion": API_VERSION, "kind": "CacheMonitorNode", "metadata": {"name": name}}


def policy_object(name: str, spec: Any = POLICY_SPEC) -> dict[str, Any]:
    """A CacheMonitorPolicy."""
    return {
        "apiVersion": API_VERSION,
        "kind": "CacheMonitorPolicy",
        "metadata": {"name": name},
        "spec": copy.deepcopy(spec),
    }


def policies_path(name: str = "") -> str:
    """The URL of a CacheMonitorPolicy, or of all."""
    return f"{APIS}/cachemonitorpolicies" + (f"/{name}" if name else "")


def groups_path(namespace: str, name: str = "") -> str:
    """The URL of a CacheMonitorGroup, or of all in the namespace."""
    return f"{APIS}/namespaces/{namespace}/cachemonitorgroups" + (f"/{name}" if name else "")


def nodes_path(name: str = "") -> str:
    """The URL of a CacheMonitorNode, or of all."""
    return f"{APIS}/cachemonitornodes" + (f"/{name}" if name else "")


def list_when_served(control_plane: ControlPlane, path: str, token: str | None = None) -> Any:
    """A list; the first one of a kind is put off (429) while the API server fills its cache."""

    def listing() -> Any:
        try:
            return control_plane.request("GET", path, token=token)
        except ApiException as error:
            if error.status != http.client.TOO_MANY_REQUESTS:
                raise
            return None

    return until(f"the list of {path}", listing)
