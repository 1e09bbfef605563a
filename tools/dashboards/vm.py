"""The dashboard of one VM on KubeVirt."""

from grafana_foundation_sdk.models import common as choice
from grafana_foundation_sdk.models import dashboard as model

from tools.dashboards import links, looks
from tools.dashboards.board import Board, one_of
from tools.dashboards.guest import figures_row, state_row, verdicts_row
from tools.dashboards.guest_queries import Guest
from tools.dashboards.panels import Text, stat_panel
from tools.dashboards.queries import Agents

_CLUSTER = 'cluster="$cluster"'
_VM = Guest(_CLUSTER, {"namespace": "$namespace", "name": "$name"}, ("object", "group"), Agents(_CLUSTER))


def dashboard() -> model.Dashboard:
    """Build it."""
    to_node = links.of_series("Node", links.NODE, {"cluster": "cluster", "node": "node"})
    where_it_runs = stat_panel(
        Text("Runs on", "The nodes where the VM has cache: two during a live migration."),
        _VM.machines(),
        looks.COUNT,
        series="{{node}}",
    )
    where_it_runs = where_it_runs.text_mode(choice.BigValueTextMode.NAME).data_links([to_node])
    others = {
        f"{role}_name": links.of_row(
            "VM",
            links.VM,
            {"cluster": "cluster", "namespace": f"{role}_namespace", "name": f"{role}_name"},
        )
        for role in ("victim", "suspect")
    }
    return Board(
        uid=links.VM,
        title="cachemon / VM",
        description="The cache and memory bandwidth of one VM, its monitoring groups, and who disturbs it.",
        platform="kubevirt",
        beside=[
            links.of_page("Fleet", links.FLEET, same_cluster=True),
            links.of_page("Node", links.NODE, same_cluster=True),
        ],
    ).built(
        [
            one_of("cluster", "Cluster", "label_values(cachemon_group_monitored, cluster)"),
            one_of("namespace", "Namespace", f"label_values(cachemon_group_monitored{{{_CLUSTER}}}, namespace)"),
            one_of(
                "name",
                "VM",
                f'label_values(cachemon_group_monitored{{{_CLUSTER}, namespace="$namespace"}}, name)',
            ),
        ],
        {
            "VM $namespace/$name": [where_it_runs, *state_row(_VM)],
            "Figures": figures_row(_VM, "{{node}}", "{{object}}/{{group}}"),
            "Verdicts": verdicts_row(_VM, "{{node}}", others),
        },
    )
