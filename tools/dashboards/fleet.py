"""The dashboard of all nodes of all clusters."""

from grafana_foundation_sdk.models import dashboard as model

from tools.dashboards import links, looks
from tools.dashboards.board import Board, Panels, some_of
from tools.dashboards.panels import Column, Text, bars_panel, lines_panel, stat_panel, table_panel, with_link
from tools.dashboards.queries import Agents, largest

_CLUSTERS = 'cluster=~"$cluster"'
_NODES = Agents(_CLUSTERS)

_TO_NODE = links.of_row("Node", links.NODE, {"cluster": "cluster", "node": "node"})
_TO_VM = links.of_row("VM", links.VM, {"cluster": "cluster", "namespace": "namespace", "name": "name"})
_TO_VM_OF_SERIES = links.of_series("VM", links.VM, {"cluster": "cluster", "namespace": "namespace", "name": "name"})


def dashboard() -> model.Dashboard:
    """Build it."""
    return Board(
        uid=links.FLEET,
        title="cachemon / Fleet",
        description="Which nodes and VMs need a look: last-level cache and memory bandwidth of KubeVirt nodes.",
        platform="kubevirt",
        beside=[
            links.of_page("Node", links.NODE, same_cluster=False),
            links.of_page("VM", links.VM, same_cluster=False),
        ],
    ).built(
        [some_of("cluster", "Cluster", "label_values(cachemon_monitoring_available, cluster)")],
        {"Now": _now(), "Nodes": _nodes(), "VMs": _vms(), "Operator and agents": _programs()},
    )


def _now() -> Panels:
    return [
        stat_panel(
            Text("Nodes monitored", "Nodes whose caches can be monitored. Red: none."),
            _NODES.monitored_machines(),
            looks.AT_LEAST_ONE,
        ),
        stat_panel(
            Text(
                "Agents silent",
                "Nodes that have reported within the time range and do not report now: their agent is down, can't be "
                "scraped, or the node has left the cluster.",
            ),
            _NODES.silent_machines(),
            looks.PROBLEMS,
        ),
        stat_panel(
            Text(
                "Groups without figures",
                "Monitoring groups that wait or are degraded. The reasons are on the page of the node.",
            ),
            f"sum({_NODES.without_figures()})",
            looks.WAITING,
        ),
        stat_panel(
            Text("RMIDs free", "Free RMIDs of the node that has the fewest. At 0, new groups wait."),
            f"min({_NODES.rmids_free()})",
            looks.FREE,
        ),
        stat_panel(
            Text(
                "VMs disturbed",
                "VMs with a verdict Likely or Confirmed: they are slower since another VM works more. "
                "No figure: no VM is judged.",
            ),
            f"sum({_NODES.disturbed()})",
            looks.PROBLEMS,
        ),
        stat_panel(
            Text(
                "VMs that lose cache",
                "VMs with a verdict TakingCache: another VM has taken their cache. Whether they are slower is not "
                "measured. No figure: no VM is judged.",
            ),
            f"sum({_NODES.losing_cache()})",
            looks.WAITING,
        ),
    ]


def _nodes() -> Panels:
    return [
        table_panel(
            Text(
                "Nodes, worst first",
                "Problems counts: agent silent, cache not available, groups without figures, no free RMID, VMs "
                "disturbed. The name leads to the page of the node.",
            ),
            ["cluster", "node"],
            [
                Column("Problems", _NODES.problems(), looks.WAITING),
                Column("Agent", _NODES.reporting(), looks.REPORTING),
                Column("Monitoring", _NODES.available(), looks.AVAILABLE),
                Column("Groups without figures", _NODES.without_figures(), looks.WAITING),
                Column("RMIDs free", _NODES.rmids_free(), looks.FREE),
                Column("VMs disturbed", _NODES.disturbed(), looks.PROBLEMS),
                Column("Mean slowdown", _NODES.slowdown(), looks.SLOWDOWN),
                Column("Samples too late", _NODES.overruns(), looks.OVERRUNS),
            ],
            first=["Problems", "Groups without figures"],
            links={"node": _TO_NODE},
        ),
        bars_panel(
            Text(
                "Fullest cache blocks",
                "Share of a cache block that is in use. Full is normal: caches fill up. A block far below 100 % has "
                "little work.",
            ),
            f"topk(10, {_NODES.used_share()})",
            looks.SHARE,
            span=12,
            series="{{cluster}} {{node}} block {{cache_id}}",
        ),
        table_panel(
            Text("Groups without figures, by reason", "docs/conditions.md explains each reason and what to do."),
            ["cluster", "node", "state", "reason"],
            [Column("Groups", f"{_NODES.by_reason()} > 0", looks.WAITING)],
            first=["Groups"],
            span=12,
            links={"node": _TO_NODE},
        ),
    ]


def _vms() -> Panels:
    bandwidth = lines_panel(
        Text("Memory bandwidth by VM", "Bytes per second between cache and memory of the ten VMs with most."),
        {"{{namespace}}/{{name}} on {{node}}": f"topk(10, {_NODES.bandwidth()})"},
        looks.BANDWIDTH,
        span=24,
    )
    heaviest = f"topk(20, {_NODES.held()})"
    return [
        table_panel(
            Text(
                "Verdicts",
                "VMs that are disturbed or lose cache, with the additional cycles for each unit of work. The name "
                "leads to the page of the VM, which names the suspects.",
            ),
            ["cluster", "node", "namespace", "name"],
            [
                Column("Verdict", f"{_NODES.level()} > 0", looks.VERDICT),
                Column("Slowdown", _NODES.victims(), looks.SLOWDOWN),
            ],
            first=["Verdict", "Slowdown"],
            span=12,
            links={"name": _TO_VM, "node": _TO_NODE},
        ),
        table_panel(
            Text(
                "Heaviest VMs",
                "The VMs that hold most of the cache, and the largest share of one cache block that each holds.",
            ),
            ["cluster", "node", "namespace", "name"],
            [
                Column("Cache", heaviest, looks.BYTES),
                Column("Share of a block", f"{_NODES.held_share()} and {heaviest}", looks.SHARE),
                Column("Bandwidth", f"{_NODES.bandwidth()} and {heaviest}", looks.BANDWIDTH),
            ],
            first=["Cache"],
            span=12,
            links={"name": _TO_VM, "node": _TO_NODE},
        ),
        with_link(bandwidth, _TO_VM_OF_SERIES),
    ]


def _programs() -> Panels:
    ready = largest("cachemon_operator_groups", _CLUSTERS, "cluster", "ready")
    unreadable = largest("cachemon_operator_unreadable_objects", _CLUSTERS, "cluster", "kind")
    unanswered = f"max(cachemon_operator_watch_unanswered_seconds{{{_CLUSTERS}}})"
    versions = largest("cachemon_build_info", _CLUSTERS, "cluster", "node", "version")
    return [
        stat_panel(
            Text(
                "API server silent",
                "How long the API server has not answered the operator's watches. No figure: no operator is scraped.",
            ),
            unanswered,
            looks.UNANSWERED,
            span=4,
        ),
        stat_panel(
            Text(
                "Objects left out",
                "CacheMonitorGroups and others that the operator can't read. Its log names them.",
            ),
            f"sum({unreadable}) or (0 * {unanswered})",
            looks.PROBLEMS,
            span=4,
        ),
        stat_panel(
            Text(
                "CacheMonitorGroups by Ready",
                "True: figures are fresh. False: there are none. Unknown: the agent of the node is silent.",
            ),
            f"sum by (ready) ({ready})",
            looks.COUNT,
            span=8,
            series="{{ready}}",
        )
        .override_by_name("False", looks.WAITING.properties())
        .override_by_name("Unknown", looks.PROBLEMS.properties()),
        stat_panel(
            Text("Agents by version", "How many nodes have an agent of each version."),
            f"count by (version) ({versions})",
            looks.COUNT,
            span=8,
            series="{{version}}",
        ),
    ]
