"""Links from fleet to node to VM. They keep the time range and the source of the data.

`${__data.fields.L}` is the value in a table's column L of the same row, `${__field.labels.L}` a label of a series.
Both are empty where there is no such label, and so is the variable `cluster` of the page that the link leads to.
"""

from collections.abc import Mapping

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import dashboard as model

FLEET, NODE, VM, HOSTS = "cachemon-fleet", "cachemon-node", "cachemon-vm", "cachemon-hosts"
"""Ids of the dashboards, and names of their files."""

_KEPT = "${datasource:queryparam}&${__url_time_range}"


def of_row(title: str, uid: str, variables: Mapping[str, str]) -> build.DashboardLink:
    """From the row of a table.

    Args:
        title: what a person reads.
        uid: of the dashboard.
        variables: of that dashboard, with the column that has the value.
    """
    return _link(title, uid, {name: f"${{__data.fields.{column}}}" for name, column in variables.items()})


def of_series(title: str, uid: str, variables: Mapping[str, str]) -> build.DashboardLink:
    """From a series of a chart; `variables` are those of the dashboard, with the label that has the value."""
    return _link(title, uid, {name: f"${{__field.labels.{label}}}" for name, label in variables.items()})


def of_page(title: str, uid: str, *, same_cluster: bool) -> build.DashboardLink:
    """At the top of a dashboard.

    Args:
        title: what a person reads.
        uid: of the dashboard.
        same_cluster: keep the cluster. A page of one cluster takes no choice of several, as the fleet has.
    """
    kept = ["${datasource:queryparam}", *(["${cluster:queryparam}"] if same_cluster else [])]
    link = build.DashboardLink(title).type(model.DashboardLinkType.LINK).icon("dashboard")
    return link.url(f"/d/{uid}?{'&'.join(kept)}").keep_time(keep_time=True)


def _link(title: str, uid: str, values: Mapping[str, str]) -> build.DashboardLink:
    query = "&".join([_KEPT, *(f"var-{name}={value}" for name, value in values.items())])
    return build.DashboardLink(title).type(model.DashboardLinkType.LINK).url(f"/d/{uid}?{query}")
