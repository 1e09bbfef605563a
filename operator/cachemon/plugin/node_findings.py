"""What the CacheMonitorNode of a working agent says about the node: events, telemetry, RMIDs, cache blocks. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from cachemon.model.mbm_counters import ASSIGNING_MODE
from cachemon.model.readings import VALID
from cachemon.model.telemetry import ENERGY_EVENTS, PERF_EVENTS
from cachemon.plugin.findings import Finding, Verdict
from cachemon.plugin.telemetry_needs import no_telemetry

_TRAFFIC_EVENTS = ("mbm_total_bytes", "mbm_local_bytes")
_MEMORY_RESOURCE = "MB_MON"
_FEW_RMIDS = 0.1


def node_findings(node: Mapping[str, Any], machine: Mapping[str, Any]) -> list[Finding]:
    """The findings about what the kernel offers, and how much of it is in use.

    Args:
        node: its CacheMonitorNode.
        machine: its Node; empty without the right to read it.
    """
    telemetry = _telemetry(node) if "telemetry" in node["status"] else no_telemetry(machine)
    return [*_events(node), *telemetry, *_rmids(node), *_blocks(node)]


def _events(node: Mapping[str, Any]) -> Iterable[Finding]:
    events = node["status"].get("monitoringEvents", ())
    if "llc_occupancy" not in events:
        yield Finding(Verdict.NOTE, "occupancy", "this CPU does not count it: there is memory bandwidth only")
    missing = [event for event in _TRAFFIC_EVENTS if event not in events]
    if missing and _MEMORY_RESOURCE in node["status"].get("unreadResources", ()):
        message = (
            f"it is not read here: this kernel has it in info/{_MEMORY_RESOURCE}, by memory and not by cache block"
        )
        yield Finding(Verdict.NOTE, "bandwidth", message)
    elif missing:
        yield Finding(Verdict.NOTE, "bandwidth", f"this CPU does not count {' and '.join(missing)}")
    if node["status"].get("counterAssignMode") == ASSIGNING_MODE:
        message = "this CPU counts traffic for a limited number of groups; the others say NoBandwidthCounter"
        yield Finding(Verdict.NOTE, "bandwidth", message)


def _telemetry(node: Mapping[str, Any]) -> Iterable[Finding]:
    telemetry = node["status"]["telemetry"]
    events, packages = telemetry["events"], telemetry["packages"]
    message = f"{', '.join(events) or 'no event'} of {len(packages)} CPU packages"
    yield Finding(Verdict.WORKS if events else Verdict.NOTE, "telemetry", message)
    for group, of_group in (("energy", ENERGY_EVENTS), ("perf", PERF_EVENTS)):
        if not any(event in events for event in of_group):
            yield Finding(
                Verdict.NOTE,
                "telemetry",
                f"{', '.join(of_group)} are off: the kernel leaves a group of events out with fewer RMIDs "
                "than the CPU has",
                f"boot the node with rdt={group} to have them; there can be fewer mon_groups then",
            )


def _rmids(node: Mapping[str, Any]) -> Iterable[Finding]:
    rmids = node["status"].get("rmids")
    if not rmids:
        return
    free = rmids["total"] - rmids["ours"] - rmids["others"]
    message = (
        f"{rmids['total']} in all, {rmids['ours']} ours, {rmids['others']} others', {free} free or waiting for reuse"
    )
    few = free <= rmids["total"] * _FEW_RMIDS
    yield Finding(
        Verdict.NOTE if few else Verdict.WORKS,
        "RMIDs",
        message,
        "on the node: ls -d /sys/fs/resctrl/mon_groups/* /sys/fs/resctrl/*/mon_groups/*" if few else "",
    )


def _blocks(node: Mapping[str, Any]) -> Iterable[Finding]:
    blocks = node["status"].get("cacheBlocks", ())
    bad = [block for block in blocks if block["reading"] != VALID]
    for block in bad:
        yield Finding(
            Verdict.NOTE, f"cache block {block['id']}", f"reads {block['reading']}", "docs/conditions.md, Readings"
        )
    if blocks and not bad:
        yield Finding(Verdict.WORKS, "cache blocks", f"{len(blocks)} read: {node['status']['summary']['blocks']}")
