"""Texts and colours of the dashboards, by Grafana's own code."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lab.grafana_data import GrafanaData, GrafanaDataMissingError, find_or_fetch
from lab.prometheus import PrometheusMissingError, find_tools
from lab.pytest_skips import found_or_skip
from tests.integration.grafana.frames import Value, of_answers, rows, series
from tests.integration.prometheus.dashboard_desk import ONE_CLUSTER, scraped, values_for
from tests.integration.prometheus.rule_files import DASHBOARDS, every_panel, one_panel

pytestmark = pytest.mark.timeout(480)  # npm may have to fetch first

FLEET, NODE, VM, HOSTS = "cachemon-fleet", "cachemon-node", "cachemon-vm", "cachemon-hosts"
NEUTRAL = "text"
MISSING = ("no figure", NEUTRAL)

SEEN: Mapping[tuple[str, str], Mapping[Value, tuple[str, str]]] = {
    (FLEET, "Nodes monitored"): {80: ("80", NEUTRAL), 0: ("0", "red")},
    (FLEET, "Agents silent"): {0: ("0", "green"), 1: ("1", "red")},
    (FLEET, "Groups without figures"): {0: ("0", "green"), 7: ("7", "orange")},
    (FLEET, "RMIDs free"): {0: ("0", "red"), 1: ("1", "green"), 200: ("200", "green")},
    (FLEET, "VMs disturbed"): {0: ("0", "green"), 2: ("2", "red")},
    (FLEET, "VMs that lose cache"): {0: ("0", "green"), 2: ("2", "orange")},
    (FLEET, "Fullest cache blocks"): {1: ("100%", "blue"), 0.25: ("25%", "blue")},
    (FLEET, "API server silent"): {0: ("0 s", "green"), 59: ("59 s", "green"), 120: ("2 mins", "red")},
    (FLEET, "Objects left out"): {0: ("0", "green"), 1: ("1", "red")},
    (NODE, "Monitoring"): {1: ("available", "green"), 0: ("not available", "orange")},
    (NODE, "Groups without figures"): {0: ("0", "green"), 7: ("7", "orange")},
    (NODE, "RMIDs free"): {0: ("0", "red"), 1: ("1", "green")},
    (NODE, "Mean slowdown"): {0: ("0%", "green"), 0.09: ("9%", "green"), 0.1: ("10%", "red")},
    (NODE, "Samples too late"): {0: ("0%", "green"), 0.5: ("50%", "red")},
    (VM, "Verdict"): {
        0: ("Undisturbed", "green"),
        1: ("TakingCache", "orange"),
        2: ("Likely", "red"),
        3: ("Confirmed", "red"),
    },
    (VM, "Slowdown"): {0.02: ("2%", "green"), 0.25: ("25%", "red")},
    (VM, "Groups not monitored"): {0: ("0", "green"), 1: ("1", "orange")},
    (VM, "Groups monitored"): {1: ("monitored", "green"), 0: ("not monitored", "red")},
    (VM, "Cache"): {0: ("0 B", NEUTRAL), 64 * 2**20: ("64 MiB", NEUTRAL)},
    (VM, "Memory bandwidth"): {0: ("0 B/s", NEUTRAL), 1.2e9: ("1.20 GB/s", NEUTRAL)},
    (HOSTS, "RMIDs free"): {0: ("0", "red"), 1: ("1", "green")},
    (HOSTS, "Groups monitored"): {1: ("monitored", "green"), 0: ("not monitored", "red")},
}
CASES = [(*where, value, shown) for where, seen in SEEN.items() for value, shown in {**seen, None: MISSING}.items()]


@pytest.fixture(scope="module")
def grafana() -> GrafanaData:
    return found_or_skip(lambda: find_or_fetch(Path(__file__).parent), GrafanaDataMissingError)


def seen(shown: Mapping[str, str]) -> tuple[str, str]:
    return shown["text"], shown["color"]


def test_a_person_sees_of_each_value_whether_it_is_good(grafana: GrafanaData) -> None:
    answers = grafana.show([(one_panel(uid, title), [series("x", value)]) for uid, title, value, _ in CASES])
    found = [(*case[:3], *map(seen, answer)) for case, answer in zip(CASES, answers, strict=True)]
    assert found == CASES


def test_a_query_without_an_answer_is_no_figure_and_never_0(grafana: GrafanaData) -> None:
    stats = [panel for _, panel in every_panel() if panel["type"] == "stat"]
    answers = grafana.show([(panel, []) for panel in stats])
    assert len(answers) > 20
    assert [list(map(seen, answer)) for answer in answers] == [[MISSING]] * len(answers)


def test_counts_of_ready_groups_are_good_or_bad_by_what_they_count(grafana: GrafanaData) -> None:
    panel = one_panel(FLEET, "CacheMonitorGroups by Ready")
    [shown] = grafana.show([(panel, [series("True", 80), series("False", 2), series("Unknown", 3)])])
    assert [(it["title"], *seen(it)) for it in shown] == [
        ("True", "80", NEUTRAL),
        ("False", "2", "orange"),
        ("Unknown", "3", "red"),
    ]
    [shown] = grafana.show([(panel, [series("False", 0), series("Unknown", 0)])])
    assert [seen(it) for it in shown] == [("0", "green"), ("0", "green")]


BAD, GOOD, SILENT = {"node": "bad"}, {"node": "good"}, {"node": "silent"}


def nodes(**of_all: str) -> list[dict[str, Any]]:
    """What the queries of the fleet's table answer; a silent agent has no figures beside that it is."""
    answers: list[list[tuple[Mapping[str, str], Value]]] = [
        [(BAD, 3), (GOOD, 0), (SILENT, 1)],
        [(BAD, 1), (GOOD, 1), (SILENT, 0)],
        [(BAD, 1), (GOOD, 1)],
        [(BAD, 7), (GOOD, 0)],
        [(BAD, 0), (GOOD, 12)],
        [(BAD, 1), (GOOD, 0)],
        [(BAD, 0.2)],
        [(BAD, 0), (GOOD, 0)],
    ]
    return [
        rows(letter, [({**labels, **of_all}, value) for labels, value in answer])
        for letter, answer in zip("ABCDEFGH", answers, strict=True)
    ]


def test_the_fleets_table_names_what_is_wrong_with_each_node(grafana: GrafanaData) -> None:
    panel = one_panel(FLEET, "Nodes, worst first")
    [shown] = grafana.show([(panel, nodes())])
    by_node = {row["node"]["text"]: {it: seen(cell) for it, cell in row.items() if it != "node"} for row in shown}
    assert by_node == {
        "bad": {
            "Problems": ("3", "orange"),
            "Agent": ("reports", "green"),
            "Monitoring": ("available", "green"),
            "Groups without figures": ("7", "orange"),
            "RMIDs free": ("0", "red"),
            "VMs disturbed": ("1", "red"),
            "Mean slowdown": ("20%", "red"),
            "Samples too late": ("0%", "green"),
        },
        "good": {
            "Problems": ("0", "green"),
            "Agent": ("reports", "green"),
            "Monitoring": ("available", "green"),
            "Groups without figures": ("0", "green"),
            "RMIDs free": ("12", "green"),
            "VMs disturbed": ("0", "green"),
            "Mean slowdown": MISSING,
            "Samples too late": ("0%", "green"),
        },
        "silent": {
            "Problems": ("1", "orange"),
            "Agent": ("silent", "red"),
            "Monitoring": MISSING,
            "Groups without figures": MISSING,
            "RMIDs free": MISSING,
            "VMs disturbed": MISSING,
            "Mean slowdown": MISSING,
            "Samples too late": MISSING,
        },
    }
    assert panel["options"]["sortBy"][0] == {"displayName": "Problems", "desc": True}


@pytest.mark.parametrize("cluster", ["", "north"])
def test_a_link_leads_to_the_node_of_its_row_in_the_cluster_of_its_row(grafana: GrafanaData, cluster: str) -> None:
    with_cluster = {"cluster": cluster} if cluster else {}
    [shown] = grafana.show([(one_panel(FLEET, "Nodes, worst first"), nodes(**with_cluster))])
    kept = "${datasource:queryparam}&${__url_time_range}"
    assert [row["node"]["links"] for row in shown] == [
        [f"/d/cachemon-node?{kept}&var-cluster={cluster}&var-node={row['node']['text']}"] for row in shown
    ]


def test_a_link_leads_from_a_series_to_its_vm(grafana: GrafanaData) -> None:
    panel = one_panel(NODE, "Cache block $cache_id")
    vm = series("a/web", 2**30, labels={"cluster": "north", "node": "n", "namespace": "a", "name": "web"})
    [[web, rest]] = grafana.show([(panel, [vm, series("unattributed", 2**20, letter="B")])])
    kept = "${datasource:queryparam}&${__url_time_range}"
    assert web["links"] == [f"/d/cachemon-vm?{kept}&var-cluster=north&var-namespace=a&var-name=web"]
    assert (web["text"], rest["text"], rest["links"]) == ("1 GiB", "1 MiB", [])


def test_a_person_sees_the_trouble_of_a_node_that_is_scraped(grafana: GrafanaData, tmp_path: Path) -> None:
    found_or_skip(find_tools, PrometheusMissingError)
    wanted = {
        (FLEET, "Nodes monitored"): ("2", NEUTRAL),
        (FLEET, "Agents silent"): ("0", "green"),
        (FLEET, "Groups without figures"): ("7", "orange"),
        (FLEET, "RMIDs free"): ("0", "red"),
        (FLEET, "VMs disturbed"): ("1", "red"),
        (FLEET, "VMs that lose cache"): ("1", "orange"),
        (NODE, "Monitoring"): ("available", "green"),
        (NODE, "Groups without figures"): ("7", "orange"),
        (NODE, "RMIDs free"): ("0", "red"),
        (NODE, "VMs disturbed"): ("1", "red"),
        (NODE, "Mean slowdown"): ("12.5%", "red"),
        (NODE, "Samples too late"): MISSING,  # the pages stand still, and no sample was taken meanwhile
        (VM, "Verdict"): ("Confirmed", "red"),
        (VM, "Slowdown"): ("25%", "red"),
        (VM, "Groups not monitored"): ("1", "orange"),
        (VM, "Cache"): ("300 B", NEUTRAL),
    }
    table = one_panel(FLEET, "Nodes, worst first")
    with scraped(ONE_CLUSTER, tmp_path) as desk:
        panels = [(one_panel(*where), desk.answers(*where, values_for(where[0]))) for where in wanted]
        panels.append((table, desk.answers(FLEET, table["title"], values_for(FLEET))))
    *stats, nodes_seen = grafana.show([(panel, of_answers(panel, answers)) for panel, answers in panels])
    found = {where: seen(shown) for where, [shown] in zip(wanted, stats, strict=True)}
    assert found == wanted
    problems = {row["node"]["text"]: seen(row["Problems"]) for row in nodes_seen}
    assert problems == {"node01": ("3", "orange"), "node02": ("0", "green")}


def test_every_dashboard_is_looked_at() -> None:
    assert {uid for uid, *_ in CASES} == set(DASHBOARDS)
