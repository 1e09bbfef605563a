"""What the CacheMonitorNode of a working agent says about the node: events, telemetry, RMIDs, cache blocks. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from cachemon.commands.findings import CheckResult, Finding
from cachemon.commands.machine_findings import machine_findings
from cachemon.commands.telemetry_needs import Platform
from cachemon.engine.layout import NodeFacts
from cachemon.model.readings import VALID
from cachemon.model.telemetry import Package, Telemetry

_VENDOR = "feature.node.kubernetes.io/cpu-model.vendor_id"


def node_findings(node: Mapping[str, Any], machine: Mapping[str, Any]) -> list[Finding]:
    """The findings about what the kernel offers, and how much of it is in use.

    Args:
        node: its CacheMonitorNode.
        machine: its Node; empty without the right to read it.
    """
    return [*machine_findings(_facts(node["status"]), _platform(machine)), *_blocks(node)]


def _facts(status: Mapping[str, Any]) -> NodeFacts:
    rmids, telemetry = status.get("rmids") or {}, status.get("telemetry")
    return NodeFacts(
        num_rmids=rmids.get("total", 0),
        events=tuple(status.get("monitoringEvents", ())),
        assign_mode=status.get("counterAssignMode"),
        own_mon_groups=rmids.get("ours", 0),
        other_rmids=rmids.get("others", 0),
        telemetry=None if telemetry is None else Telemetry(telemetry.get("rmids", 0), tuple(telemetry["events"])),
        packages=() if telemetry is None else tuple(map(Package, telemetry["packages"])),
        unread_resources=tuple(status.get("unreadResources", ())),
    )


def _platform(machine: Mapping[str, Any]) -> Platform:
    """The platform of a Node. Node Feature Discovery labels it with the vendor of its CPU."""
    info = machine.get("status", {}).get("nodeInfo", {})
    vendor = machine.get("metadata", {}).get("labels", {}).get(_VENDOR, "Intel")
    return Platform("node", info.get("kernelVersion", ""), info.get("architecture", ""), vendor)


def _blocks(node: Mapping[str, Any]) -> Iterable[Finding]:
    blocks = node["status"].get("cacheBlocks", ())
    bad = [block for block in blocks if block["reading"] != VALID]
    for block in bad:
        yield Finding(
            CheckResult.NOTE,
            f"cache block {block['id']}",
            f"reads {block['reading']}",
            "docs/conditions.md, Readings",
        )
    if blocks and not bad:
        yield Finding(CheckResult.WORKS, "cache blocks", f"{len(blocks)} read: {node['status']['summary']['blocks']}")
