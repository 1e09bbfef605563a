"""The dashboard of plain libvirt hosts: all of them, one of them, and one of its domains."""

from grafana_foundation_sdk.models import dashboard as model

from tools.dashboards import links, looks
from tools.dashboards.board import Board, Panels, each_of, one_of
from tools.dashboards.guest import figures_row, verdicts_row
from tools.dashboards.guest import state_row as domain_state
from tools.dashboards.guest_queries import Guest
from tools.dashboards.machine import agent_row, blocks_row, guests_row, rmids_row, state_row
from tools.dashboards.panels import Column, Text, table_panel
from tools.dashboards.queries import largest, on_hosts

_ALL = on_hosts('instance!=""')
_HOST_WHERE = 'instance="$instance"'
_HOST = on_hosts(_HOST_WHERE)
_DOMAIN = Guest(_HOST_WHERE, {"domain": "$domain"}, ("kept", "group"), _HOST)
_DOMAIN_LABELS = {"instance": "instance", "domain": "domain"}


def dashboard() -> model.Dashboard:
    """Build it."""
    roles = {
        f"{role}_domain": links.of_row("Domain", links.HOSTS, {"instance": "instance", "domain": f"{role}_domain"})
        for role in ("victim", "suspect")
    }
    return Board(
        uid=links.HOSTS,
        title="cachemon / libvirt hosts",
        description="Last-level cache and memory bandwidth of plain libvirt hosts and their domains.",
        platform="libvirt",
    ).built(
        [
            one_of("instance", "Host", "label_values(cachemon_host_monitoring_available, instance)"),
            each_of(
                "cache_id",
                "Cache block",
                f"label_values(cachemon_host_cache_capacity_bytes{{{_HOST_WHERE}}}, cache_id)",
            ),
            one_of("domain", "Domain", f"label_values(cachemon_host_group_monitored{{{_HOST_WHERE}}}, domain)"),
        ],
        {
            "Hosts": _hosts(),
            "Host $instance": state_row(_HOST),
            "Cache blocks of $instance": blocks_row(
                _HOST, "{{domain}}", links.of_series("Domain", links.HOSTS, _DOMAIN_LABELS)
            ),
            "Domains of $instance": guests_row(_HOST, links.of_row("Domain", links.HOSTS, _DOMAIN_LABELS), "domain"),
            "RMIDs of $instance": rmids_row(_HOST),
            "Agent of $instance": agent_row(_HOST),
            "Domain $domain of $instance": domain_state(_DOMAIN),
            "Figures of $domain": figures_row(_DOMAIN, "{{instance}}", "{{kept}} {{group}}"),
            "Verdicts on $domain": verdicts_row(_DOMAIN, "{{instance}}", roles),
        },
    )


def _hosts() -> Panels:
    return [
        table_panel(
            Text(
                "Hosts, worst first",
                "Problems counts: agent silent, cache not available, groups without figures, no free RMID, VMs "
                "disturbed. The name leads to the rows of the host.",
            ),
            ["instance"],
            [
                Column("Problems", _ALL.problems(), looks.WAITING),
                Column("Agent", _ALL.reporting(), looks.REPORTING),
                Column(
                    "libvirt", largest("cachemon_host_libvirt_connected", _ALL.where, "instance"), looks.CONNECTED
                ),
                Column("Monitoring", _ALL.available(), looks.AVAILABLE),
                Column("Groups without figures", _ALL.without_figures(), looks.WAITING),
                Column("RMIDs free", _ALL.rmids_free(), looks.FREE),
                Column("VMs disturbed", _ALL.disturbed(), looks.PROBLEMS),
                Column("Mean slowdown", _ALL.slowdown(), looks.SLOWDOWN),
                Column("Samples too late", _ALL.overruns(), looks.OVERRUNS),
            ],
            first=["Problems", "Groups without figures"],
            links={"instance": links.of_row("Host", links.HOSTS, {"instance": "instance"})},
        ),
    ]
