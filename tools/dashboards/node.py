"""The dashboard of one node."""

from grafana_foundation_sdk.models import dashboard as model

from tools.dashboards import links, looks
from tools.dashboards.board import Board, Panels, each_of, one_of
from tools.dashboards.machine import agent_row, blocks_row, guests_row, rmids_row, state_row
from tools.dashboards.panels import Text, lines_panel
from tools.dashboards.queries import Agents

_WHERE = 'cluster="$cluster", node="$node"'
_NODE = Agents(_WHERE)

_VM = {"cluster": "cluster", "namespace": "namespace", "name": "name"}


def dashboard() -> model.Dashboard:
    """Build it."""
    return Board(
        uid=links.NODE,
        title="cachemon / Node",
        description="Who holds the cache blocks of a KubeVirt node, who uses its memory bandwidth, and its agent.",
        platform="kubevirt",
        beside=[
            links.of_page("Fleet", links.FLEET, same_cluster=True),
            links.of_page("VM", links.VM, same_cluster=True),
        ],
    ).built(
        [
            one_of("cluster", "Cluster", "label_values(cachemon_monitoring_available, cluster)"),
            one_of("node", "Node", 'label_values(cachemon_monitoring_available{cluster="$cluster"}, node)'),
            each_of("cache_id", "Cache block", f"label_values(cachemon_cache_capacity_bytes{{{_WHERE}}}, cache_id)"),
        ],
        {
            "Node $node": state_row(_NODE),
            "Cache blocks": blocks_row(_NODE, "{{namespace}}/{{name}}", links.of_series("VM", links.VM, _VM)),
            "VMs": guests_row(_NODE, links.of_row("VM", links.VM, _VM), "name"),
            "RMIDs": rmids_row(_NODE),
            "Agent": [*agent_row(_NODE), *_api_writes()],
        },
    )


def _api_writes() -> Panels:
    return [
        lines_panel(
            Text(
                "Writes to the API",
                "Writes per second by result. Refused and failed ones mean that rights, admission policy or CRDs do "
                "not fit the agent.",
            ),
            {"{{result}}": _NODE.api_writes()},
            looks.RATE,
        )
    ]
