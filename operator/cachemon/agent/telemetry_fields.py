"""Status fields of the telemetry of CPU packages. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from cachemon.engine.figures import TOTAL_TRAFFIC, Count, PackageFigure
from cachemon.engine.layout import NodeFacts
from cachemon.model.numbers import exact
from cachemon.model.readings import VALID
from cachemon.model.telemetry import (
    ACTIVITY,
    CORE_CYCLES,
    CORE_ENERGY,
    STALLS_LLC_MISS,
    UOPS_RETIRED,
    exact_decimal,
    whole,
)

MEMORY_BANDWIDTH = "MB_MON"
"""The directory in info/ of bandwidth by memory, on kernels for Arm MPAM."""
_NANO_PER_MILLI = 1_000_000
_TOTALS: Mapping[str, str] = {CORE_ENERGY: "coreEnergyJoules", ACTIVITY: "activityFarads"}
_RATES: Mapping[str, str] = {
    CORE_CYCLES: "unhaltedCoreCyclesPerSecond",
    UOPS_RETIRED: "uopsRetiredPerSecond",
    STALLS_LLC_MISS: "stallsLLCMissPerSecond",
}


def package_fields(figures: Iterable[PackageFigure]) -> list[dict[str, Any]]:
    """A group's telemetry, per CPU package."""
    return [_package(figure) for figure in figures]


def _package(figure: PackageFigure) -> dict[str, Any]:
    status: dict[str, Any] = {"id": figure.package.id, "reading": str(figure.missing or VALID)}
    counts = figure.counts
    status |= {name: f"{exact_decimal(counts[event].total):f}" for event, name in _TOTALS.items() if event in counts}
    energy = counts.get(CORE_ENERGY)
    if energy and energy.per_second is not None:
        status["corePowerMilliwatts"] = exact(round(energy.per_second / _NANO_PER_MILLI))
    return status | _rates(counts)


def _rates(counts: Mapping[str, Count]) -> dict[str, int]:
    rates = {name: counts[event].per_second for event, name in _RATES.items() if event in counts}
    return {name: exact(whole(rate)) for name, rate in rates.items() if rate is not None}


def node_telemetry(node: NodeFacts) -> dict[str, Any]:
    """What the kernel offers beside the counters of caches; fields without content are absent."""
    status: dict[str, Any] = {}
    if node.telemetry:
        status["telemetry"] = {
            "rmids": node.telemetry.num_rmids,
            "events": list(node.telemetry.events),
            "packages": [package.id for package in node.packages],
        }
    if node.unread_resources:
        status["unreadResources"] = list(node.unread_resources)
    return status


def unread(node: NodeFacts) -> str:
    """The end of a message: which counters of the kernel cachemon does not read, and why; empty if it reads all."""
    if not node.unread_resources:
        return ""
    names = ", ".join(f"info/{name}" for name in node.unread_resources)
    if MEMORY_BANDWIDTH in node.unread_resources and TOTAL_TRAFFIC not in node.events:
        return f"; memory bandwidth is not read: this kernel has it in {names}, by memory and not by cache block"
    return f"; not read: {names}"
