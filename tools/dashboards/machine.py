"""Rows about one machine, a KubeVirt node or a libvirt host."""

from dataclasses import replace

from grafana_foundation_sdk.cog import builder as cog
from grafana_foundation_sdk.models import dashboard as model

from tools.dashboards import looks
from tools.dashboards.board import Panels
from tools.dashboards.panels import (
    Column,
    Text,
    lines_panel,
    stat_panel,
    table_panel,
    unlike_others,
    with_capacity,
    with_link,
)
from tools.dashboards.queries import Agents

_UNATTRIBUTED, _CAPACITY, _TOTAL = "unattributed", "capacity", "total"
_GREY = "#808080"

Link = cog.Builder[model.DashboardLink]


def state_row(machine: Agents) -> Panels:
    """Whether all is well."""
    return [
        stat_panel(
            Text(
                "Monitoring", "Whether the kernel lets the agent monitor the caches. No figure: the agent is silent."
            ),
            f"min({machine.available()})",
            looks.AVAILABLE,
        ),
        stat_panel(
            Text("Groups without figures", "Monitoring groups that wait or are degraded; the reasons are below."),
            f"sum({machine.without_figures()})",
            looks.WAITING,
        ),
        stat_panel(
            Text("RMIDs free", "RMIDs that nothing uses. At 0, new groups wait."),
            f"min({machine.rmids_free()})",
            looks.FREE,
        ),
        stat_panel(
            Text(
                "VMs disturbed",
                "VMs with a verdict Likely or Confirmed: they are slower since another VM works more. "
                "No figure: no VM is judged.",
            ),
            f"sum({machine.disturbed()})",
            looks.PROBLEMS,
        ),
        stat_panel(
            Text(
                "Mean slowdown",
                "The slowdowns of all VMs divided by the number of VMs that are judged. Red from 10 %, as the alert. "
                "No figure: no VM is judged.",
            ),
            f"max({machine.slowdown()})",
            looks.SLOWDOWN,
        ),
        stat_panel(
            Text("Samples too late", "Share of the samples that take longer than their period. Red from 10 %."),
            f"max({machine.overruns()})",
            looks.OVERRUNS,
        ),
    ]


def blocks_row(machine: Agents, series: str, to_guest: Link) -> Panels:
    """Who holds each cache block, and who uses the memory bandwidth.

    Args:
        machine: one machine.
        series: how the series of a VM is called.
        to_guest: leads from a series to the VM.
    """
    block = replace(machine, where=f'{machine.where}, cache_id="$cache_id"')
    held = lines_panel(
        Text(
            "Cache block $cache_id",
            "Who holds the block. Unattributed is the host and VMs without figures. The dashed line is the size of "
            "the block.",
        ),
        {series: block.held_in_block(), _UNATTRIBUTED: block.unattributed(), _CAPACITY: block.capacity()},
        looks.BYTES,
        span=24,
        stacked=True,
    )
    held = with_link(held, to_guest).repeat("cache_id").repeat_direction("h").max_per_row(2)
    held = unlike_others(with_capacity(held, _CAPACITY), _UNATTRIBUTED, _GREY, line=False)
    bandwidth = lines_panel(
        Text("Memory bandwidth by VM", "Bytes per second between the caches and memory."),
        {series: machine.bandwidth()},
        looks.BANDWIDTH,
        stacked=True,
    )
    by_block = lines_panel(
        Text("Memory bandwidth by cache block", "The same of all VMs with figures, for each cache block."),
        {"block {{cache_id}}": machine.block_bandwidth()},
        looks.BANDWIDTH,
    )
    return [held, with_link(bandwidth, to_guest), by_block]


def guests_row(machine: Agents, to_guest: Link, name: str) -> Panels:
    """The VMs of the machine.

    Args:
        machine: one machine.
        to_guest: leads from a row to the VM.
        name: the column that has this link.
    """
    return [
        table_panel(
            Text(
                "VMs, worst first",
                "Verdict, slowdown, cache and bandwidth of each VM with a group. No figure under Verdict: the VM is "
                "not judged.",
            ),
            (*machine.machine, *machine.guest),
            [
                Column("Cache", machine.held(), looks.BYTES),
                Column("Share of a block", machine.held_share(), looks.SHARE),
                Column("Bandwidth", machine.bandwidth(), looks.BANDWIDTH),
                Column("Verdict", machine.level(), looks.VERDICT),
                Column("Slowdown", machine.victims(), looks.SLOWDOWN),
            ],
            first=["Verdict", "Slowdown", "Cache"],
            links={name: to_guest},
        )
    ]


def rmids_row(machine: Agents) -> Panels:
    """Who has the RMIDs, and which groups have none."""
    rmids = lines_panel(
        Text("RMIDs", "Who has the RMIDs. The dashed line is their number: at the line, groups wait."),
        {"{{use}}": machine.rmids_used(), _TOTAL: machine.rmids_total()},
        looks.COUNT,
        stacked=True,
    )
    reasons = lines_panel(
        Text(
            "Groups without figures, by reason",
            "docs/conditions.md explains each reason. A live migration can cause a short peak, while the target "
            "waits for vCPU threads.",
        ),
        {"{{state}} {{reason}}": machine.by_reason()},
        looks.COUNT,
        stacked=True,
    )
    return [with_capacity(rmids, _TOTAL), reasons]


def agent_row(machine: Agents) -> Panels:
    """Whether the agent keeps up."""
    return [
        lines_panel(
            Text("Time of a sample", "Mean time to read all counters. Milliseconds are normal."),
            {"sample": machine.sample_seconds()},
            looks.SECONDS,
        ),
        lines_panel(
            Text("Late samples", "Share of the samples that take longer than their period."),
            {"too late": machine.overruns()},
            looks.SHARE,
        ),
        lines_panel(
            Text(
                "Gaps in counting traffic",
                "How often per second counting breaks off, by reason. The traffic meanwhile is in no figure.",
            ),
            {"{{reason}}": machine.gaps()},
            looks.RATE,
        ),
    ]
