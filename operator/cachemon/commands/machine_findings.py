"""What the kernel of a machine offers, and how much of it is in use: events, telemetry, RMIDs. Pure."""

from collections.abc import Iterable

from cachemon.commands.findings import CheckResult, Finding
from cachemon.commands.telemetry_needs import Platform, no_telemetry
from cachemon.engine.layout import NodeFacts
from cachemon.model.mbm_counters import ASSIGNING_MODE
from cachemon.model.telemetry import ENERGY_EVENTS, PERF_EVENTS

_TRAFFIC_EVENTS = ("mbm_total_bytes", "mbm_local_bytes")
_MEMORY_RESOURCE = "MB_MON"
_FEW_RMIDS = 0.1


def machine_findings(facts: NodeFacts, platform: Platform) -> list[Finding]:
    """The findings.

    Args:
        facts: what the kernel offers.
        platform: what it runs on.
    """
    telemetry = no_telemetry(platform) if facts.telemetry is None else _telemetry(facts, platform)
    return [*_events(facts), *telemetry, *_rmids(facts, platform)]


def _events(facts: NodeFacts) -> Iterable[Finding]:
    if "llc_occupancy" not in facts.events:
        yield Finding(CheckResult.NOTE, "occupancy", "this CPU does not count it: there is memory bandwidth only")
    missing = [event for event in _TRAFFIC_EVENTS if event not in facts.events]
    if missing and _MEMORY_RESOURCE in facts.unread_resources:
        message = (
            f"it is not read here: this kernel has it in info/{_MEMORY_RESOURCE}, by memory and not by cache block"
        )
        yield Finding(CheckResult.NOTE, "bandwidth", message)
    elif missing:
        yield Finding(CheckResult.NOTE, "bandwidth", f"this CPU does not count {' and '.join(missing)}")
    if facts.assign_mode == ASSIGNING_MODE:
        message = "this CPU counts traffic for a limited number of groups; the others say NoBandwidthCounter"
        yield Finding(CheckResult.NOTE, "bandwidth", message)


def _telemetry(facts: NodeFacts, platform: Platform) -> Iterable[Finding]:
    events = facts.telemetry.events if facts.telemetry else ()
    message = f"{', '.join(events) or 'no event'} of {len(facts.packages)} CPU packages"
    yield Finding(CheckResult.WORKS if events else CheckResult.NOTE, "telemetry", message)
    for group, of_group in (("energy", ENERGY_EVENTS), ("perf", PERF_EVENTS)):
        if not any(event in events for event in of_group):
            yield Finding(
                CheckResult.NOTE,
                "telemetry",
                f"{', '.join(of_group)} are off: the kernel leaves a group of events out with fewer RMIDs "
                "than the CPU has",
                f"boot the {platform.kind} with rdt={group} to have them; there can be fewer mon_groups then",
            )


def _rmids(facts: NodeFacts, platform: Platform) -> Iterable[Finding]:
    if not facts.num_rmids:
        return
    free = facts.num_rmids - facts.own_mon_groups - facts.other_rmids
    message = (
        f"{facts.num_rmids} in all, {facts.own_mon_groups} ours, {facts.other_rmids} others', "
        f"{free} free or waiting for reuse"
    )
    few = free <= facts.num_rmids * _FEW_RMIDS
    command = "ls -d /sys/fs/resctrl/mon_groups/* /sys/fs/resctrl/*/mon_groups/*"
    advice = f"on the node: {command}" if platform.kind == "node" else command
    yield Finding(CheckResult.NOTE if few else CheckResult.WORKS, "RMIDs", message, advice if few else "")
