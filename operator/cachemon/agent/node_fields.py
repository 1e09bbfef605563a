"""Status fields of a CacheMonitorNode. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from cachemon import __version__
from cachemon.agent.block_fields import block_identity
from cachemon.agent.interference_fields import names_of_vmi
from cachemon.agent.status_fields import LONGEST_MESSAGE, read_fields
from cachemon.agent.targets import BoundLayout
from cachemon.agent.telemetry_fields import node_telemetry, unread
from cachemon.agent.top_vmis import largest_groups, largest_vmis, largest_vmis_of_blocks
from cachemon.engine.figures import Figures
from cachemon.interference.verdict_fields import ratio_field, verdict_fields
from cachemon.model.api import READY
from cachemon.model.conditions import Condition, render_condition
from cachemon.model.fitted_text import LONGEST_COLUMN, fit_items, fit_text, printable
from cachemon.model.numbers import exact
from cachemon.model.readings import VALID, Missing, total
from cachemon.model.reasons import Reason
from cachemon.model.units import format_bytes

MOST_EVENTS = 16
LONGEST_CPUS = 1024  # a cut list would be wrong


def node_condition(layout: BoundLayout) -> Condition:
    """Whether the node's cache can be monitored."""
    if layout.node.unavailable:
        return Condition(
            READY,
            "False",
            layout.node.unavailable.reason,
            printable(fit_text(str(layout.node.unavailable), LONGEST_MESSAGE)),
        )
    message = f"{len(layout.node.blocks)} cache blocks, events {', '.join(layout.node.events)}{unread(layout.node)}"
    return Condition(READY, "True", Reason.MONITORING_AVAILABLE, message)


def node_status(
    layout: BoundLayout,
    figures: Figures,
    *,
    period_seconds: int,
    before: Iterable[Mapping[str, Any]],
    now: str,
    age_seconds: float = 0.0,
) -> dict[str, Any]:
    """The complete status of the node's CacheMonitorNode.

    Args:
        layout: groups with their states, and what the kernel offers.
        figures: the newest sample.
        period_seconds: time between two writes.
        before: conditions of the last write.
        now: RFC 3339, the time of a condition that changes.
        age_seconds: of the sample.
    """
    node = layout.node
    status: dict[str, Any] = read_fields(figures, age_seconds) | {
        "statusPeriodSeconds": period_seconds,
        "agentVersion": __version__,
        "conditions": [render_condition(node_condition(layout), before=before, generation=None, now=now)],
    }
    if node.unavailable:
        return status
    taken = node.own_mon_groups + node.other_rmids
    status |= {
        "monitoringEvents": list(node.events[:MOST_EVENTS]),
        "rmids": {"total": node.num_rmids, "ours": node.own_mon_groups, "others": node.other_rmids},
        "cacheBlocks": _node_blocks(layout, figures),
        "summary": {
            "rmids": f"{taken}/{node.num_rmids}",
            "events": fit_items(node.events, LONGEST_COLUMN),
            "blocks": _node_summary(figures),
        },
    }
    if vmis := largest_vmis(layout, figures):
        status["heaviestVMIs"] = vmis
        status["summary"]["heaviestVMI"] = _most(vmis[0])
    if figures.verdicts is not None:
        status |= ratio_field(figures.verdicts)
    if node.assign_mode:
        status["counterAssignMode"] = node.assign_mode
    return status | node_telemetry(node)


def _most(vmi: Mapping[str, Any]) -> str:
    held = f"={format_bytes(vmi['occupancyBytes'])}"
    return fit_text(f"{vmi['namespace']}/{vmi['name']}", LONGEST_COLUMN - len(held)) + held


def _node_summary(figures: Figures) -> str:
    shown = [
        f"{figure.block.id}="
        + (str(figure.occupancy) if isinstance(figure.occupancy, Missing) else format_bytes(figure.occupancy))
        + (f"/{format_bytes(figure.block.capacity_bytes)}" if figure.block.capacity_bytes else "")
        for figure in figures.node
    ]
    return fit_items(shown, LONGEST_COLUMN)


def _node_blocks(layout: BoundLayout, figures: Figures) -> list[dict[str, Any]]:
    blocks = []
    verdicts = verdict_fields(figures.verdicts, names_of_vmi) if figures.verdicts is not None else {}
    vmis, groups = largest_vmis_of_blocks(layout, figures), largest_groups(layout, figures)
    for figure in figures.node:
        worst = total((figure.occupancy, figure.monitored))
        status = block_identity(figure.block) | {"reading": str(worst) if isinstance(worst, Missing) else VALID}
        if 0 < len(figure.block.cpus) <= LONGEST_CPUS:
            status["cpus"] = figure.block.cpus
        if not isinstance(figure.occupancy, Missing):
            status["occupancyBytes"] = exact(figure.occupancy)
        if not isinstance(figure.monitored, Missing):
            status["monitoredBytes"] = exact(figure.monitored)
            if not isinstance(figure.occupancy, Missing):
                status["unattributedBytes"] = exact(figure.occupancy - figure.monitored)
        if its_vmis := vmis.get(figure.block.id):
            status["heaviestVMIs"] = its_vmis
        if its_groups := groups.get(figure.block.id):
            status["heaviestGroups"] = its_groups
        if its := verdicts.get(figure.block.id):
            status["verdicts"] = its
        blocks.append(status)
    return blocks
