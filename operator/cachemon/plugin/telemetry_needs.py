"""Why a node has no telemetry of CPU packages, by its Node. Pure."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from cachemon.plugin.findings import Finding, Verdict

_FIRST_KERNEL = (7, 0)
_VENDOR = "feature.node.kubernetes.io/cpu-model.vendor_id"
_CPUS = "Intel Xeon 6+ (Clearwater Forest) and newer"


def no_telemetry(machine: Mapping[str, Any]) -> Iterable[Finding]:
    """Say what energy and work of the cores need. Nothing where the CPU can't have them, or where nothing is known.

    Args:
        machine: a Node. Node Feature Discovery labels it with the vendor of its CPU.
    """
    info = machine.get("status", {}).get("nodeInfo", {})
    version = re.match(r"(\d+)\.(\d+)", info.get("kernelVersion", ""))
    vendor = machine.get("metadata", {}).get("labels", {}).get(_VENDOR, "Intel")
    if version is None or info.get("architecture") != "amd64" or vendor != "Intel":
        return
    if (int(version[1]), int(version[2])) < _FIRST_KERNEL:
        message = f"none: it needs Linux 7.0, and this is {version[0]}; {_CPUS} count energy and work of their cores"
        yield Finding(Verdict.NOTE, "telemetry", message)
    else:
        yield Finding(
            Verdict.NOTE,
            "telemetry",
            f"none: this kernel has no info/PERF_PKG_MON; it needs CONFIG_X86_CPU_RESCTRL_INTEL_AET and {_CPUS}, and "
            "is off where the CPU counts it for fewer RMIDs than the cache",
            "on such a CPU: boot the node with rdt=energy,perf; there can be fewer mon_groups then",
        )
