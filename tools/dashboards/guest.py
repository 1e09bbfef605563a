"""Rows about one VM, of a KubeVirt node or a libvirt host."""

from collections.abc import Mapping

from grafana_foundation_sdk.cog import builder as cog
from grafana_foundation_sdk.models import dashboard as model

from tools.dashboards import looks
from tools.dashboards.board import Panels
from tools.dashboards.guest_queries import Guest
from tools.dashboards.panels import Column, Text, lines_panel, stat_panel, states_panel, table_panel

Links = Mapping[str, cog.Builder[model.DashboardLink]]


def state_row(guest: Guest) -> Panels:
    """How the VM is."""
    return [
        stat_panel(
            Text(
                "Verdict",
                "Whether other VMs disturb this one. No figure: it is not judged, as nothing on the machine measures "
                "its work or it has no whole group.",
            ),
            f"max({guest.level()})",
            looks.VERDICT,
        ),
        stat_panel(
            Text(
                "Slowdown",
                "Additional cycles for each unit of work, while a verdict is open. No figure: no verdict is open, or "
                "the slowdown is not measured.",
            ),
            guest.slowdown(),
            looks.SLOWDOWN,
        ),
        stat_panel(
            Text("Groups not monitored", "Monitoring groups of the VM that no machine monitors in full."),
            guest.unmonitored(),
            looks.WAITING,
        ),
        stat_panel(
            Text("Cache", "Bytes of last-level cache that the monitored threads of the VM hold."),
            guest.held(),
            looks.BYTES,
        ),
        stat_panel(
            Text("Memory bandwidth", "Bytes per second between the caches and memory."),
            guest.bandwidth(),
            looks.BANDWIDTH,
        ),
    ]


def figures_row(guest: Guest, machine: str, group: str) -> Panels:
    """Its figures over time.

    Args:
        guest: the VM.
        machine: how the series of a machine is called.
        group: how the series of a group is called.
    """
    return [
        lines_panel(
            Text("Cache by block", "Where the cache of the VM is. A live migration moves it to another node."),
            {f"{machine} block {{{{cache_id}}}}": guest.held_in_block()},
            looks.BYTES,
            stacked=True,
        ),
        lines_panel(
            Text("Memory bandwidth by block", "Bytes per second between each cache block and memory."),
            {f"{machine} block {{{{cache_id}}}}": guest.block_bandwidth()},
            looks.BANDWIDTH,
            stacked=True,
        ),
        lines_panel(
            Text(
                "Cache by group",
                "The twenty largest occupancies of a monitoring group in a cache block. Groups may overlap, so they "
                "are not stacked.",
            ),
            {f"{group} block {{{{cache_id}}}} of {machine}": f"topk(20, {guest.group_held()})"},
            looks.BYTES,
        ),
        lines_panel(
            Text("Memory bandwidth by group", "Bytes per second of the twenty groups with most."),
            {f"{group} on {machine}": f"topk(20, {guest.group_bandwidth()})"},
            looks.BANDWIDTH,
        ),
        lines_panel(
            Text(
                "NUMA-local share by group",
                "Share of the traffic that goes to memory of the cache block's own NUMA node. A low share means that "
                "the memory of the VM is on another socket than its CPUs.",
            ),
            {f"{group} on {machine}": guest.group_local_share()},
            looks.SHARE,
        ),
        states_panel(
            Text("Groups monitored", "Green while all threads of a group are counted, red otherwise."),
            guest.monitored(),
            looks.MONITORED,
            series=f"{group} on {machine}",
        ),
    ]


def verdicts_row(guest: Guest, machine: str, links: Links) -> Panels:
    """Who disturbs it, and whom it disturbs.

    Args:
        guest: the VM.
        machine: how the series of a machine is called.
        links: from a column of the table to the VM in that row.
    """
    pairs = [f"{role}_{label}" for role in ("victim", "suspect") for label in guest.names]
    return [
        states_panel(
            Text("Verdict over time", "The level of the verdict on the VM. A gap: the VM was not judged."),
            guest.level(),
            looks.VERDICT,
            series=machine,
        ),
        table_panel(
            Text(
                "Victims and suspects",
                "Open verdicts in which the VM is the victim or the suspect. An empty suspect is not monitored.",
            ),
            [*guest.agents.machine, *pairs],
            [Column("Slowdown", guest.slowdowns(), looks.SLOWDOWN)],
            first=["Slowdown"],
            span=12,
            links=links,
        ),
    ]
