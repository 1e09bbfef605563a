"""The dashboards, as far as they can be judged without data."""

import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from cachemon.agent.metrics_page import FAMILIES
from cachemon.host.agent.host_metrics import FAMILIES as HOST_FAMILIES
from cachemon.telemetry.operator_metrics import Metrics
from tests.integration.prometheus.rule_files import (
    ALERTS,
    DASHBOARDS,
    OF_KUBEVIRT,
    dashboard,
    every_panel,
    metrics_of,
    panels,
    rules_of,
)
from tools.dashboards import looks
from tools.dashboards.__main__ import FOLDER, made_files


def operator_names() -> set[str]:
    metrics = Metrics()
    metrics.show_groups(list)
    metrics.show_unreadable(lambda: {"VirtualMachineInstance": 1})
    return {sample.name for family in metrics.registry.collect() for sample in family.samples}


NAMES = {family.name for family in (*FAMILIES, *HOST_FAMILIES)} | operator_names()
MADE = dict(made_files())
BUILT_IN = {"__rate_interval", "__range"}
OF_A_PLACE = {"job", "pod", "container", "endpoint", "service"}
"""Labels that Prometheus gives a target as its configuration says."""

a_panel = pytest.mark.parametrize(
    ("uid", "panel"), every_panel(), ids=lambda it: it if isinstance(it, str) else it["title"]
)
a_dashboard = pytest.mark.parametrize("uid", DASHBOARDS)


def variables(uid: str) -> dict[str, dict[str, Any]]:
    return {variable["name"]: variable for variable in dashboard(uid)["templating"]["list"]}


def links_of(panel: dict[str, Any]) -> list[str]:
    config = panel["fieldConfig"]
    properties = [it for override in config["overrides"] for it in override["properties"] if it["id"] == "links"]
    links = [*config["defaults"].get("links", []), *(link for it in properties for link in it["value"])]
    return [link["url"] for link in links]


@pytest.mark.parametrize("path", MADE, ids=lambda path: path.stem)
def test_a_file_is_what_make_dashboards_would_write_now(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == MADE[path], "run make dashboards"


def test_the_folder_has_no_other_files() -> None:
    assert set(FOLDER.iterdir()) == set(MADE)


@a_panel
def test_a_panel_asks_for_metrics_that_there_are_by_variables_that_there_are(uid: str, panel: dict[str, Any]) -> None:
    assert panel["targets"]
    for target in panel["targets"]:
        assert metrics_of(target["expr"])
        assert metrics_of(target["expr"]) <= NAMES
        assert set(re.findall(r"\$([a-z_]\w*)", target["expr"])) <= variables(uid).keys() | BUILT_IN
        assert target["datasource"]["uid"] == "${datasource}"


@a_panel
def test_a_panel_goes_by_no_name_of_a_job(uid: str, panel: dict[str, Any]) -> None:
    assert uid
    for target in panel["targets"]:
        assert set(re.findall(r"\w+", target["expr"])) & OF_A_PLACE == set()


@pytest.mark.parametrize("uid", OF_KUBEVIRT)
def test_a_panel_of_a_cluster_asks_for_no_other(uid: str) -> None:
    for target in (it for panel in panels(uid) for it in panel["targets"]):
        selectors = re.findall(r"\bcachemon_\w+(\{[^}]*\}|)", target["expr"])
        assert selectors
        assert all(re.search(r'cluster=~?"\$cluster"', it) for it in selectors)


@a_panel
def test_a_panel_says_what_it_shows_in_which_unit(uid: str, panel: dict[str, Any]) -> None:
    assert uid
    assert panel["description"].endswith(".")
    units = [
        it["value"] for over in panel["fieldConfig"]["overrides"] for it in over["properties"] if it["id"] == "unit"
    ]
    for unit in units if panel["type"] == "table" else [panel["fieldConfig"]["defaults"]["unit"]]:
        assert unit in ("bytes", "Bps", "percentunit", "short", "s", "ops")


@a_panel
def test_a_link_leads_to_a_dashboard_and_sets_variables_that_it_has(uid: str, panel: dict[str, Any]) -> None:
    for url in links_of(panel):
        target, _, query = url.removeprefix("/d/").partition("?")
        assert target in DASHBOARDS
        kept, time, *others = query.split("&")
        assert (kept, time) == ("${datasource:queryparam}", "${__url_time_range}")
        names = {re.fullmatch(r"var-(\w+)=\$\{__(data\.fields|field\.labels)\.\w+\}", it)[1] for it in others}  # type: ignore[index]
        assert names <= variables(target).keys()
        assert ("cluster" in names) == ("cluster" in variables(uid))


def test_links_lead_from_fleet_to_node_to_vm_and_back() -> None:
    targets = {
        uid: {url.removeprefix("/d/").partition("?")[0] for panel in panels(uid) for url in links_of(panel)}
        for uid in DASHBOARDS
    }
    assert targets == {
        "cachemon-fleet": {"cachemon-node", "cachemon-vm"},
        "cachemon-node": {"cachemon-vm"},
        "cachemon-vm": {"cachemon-node", "cachemon-vm"},
        "cachemon-hosts": {"cachemon-hosts"},
    }


def test_the_pages_of_a_platform_lead_to_each_other_and_a_choice_of_clusters_to_no_page_of_one() -> None:
    found = {uid: {link["url"] for link in dashboard(uid)["links"] if link["keepTime"]} for uid in DASHBOARDS}
    assert found == {
        "cachemon-fleet": {f"/d/{it}?${{datasource:queryparam}}" for it in ("cachemon-node", "cachemon-vm")},
        "cachemon-node": {
            f"/d/{it}?${{datasource:queryparam}}&${{cluster:queryparam}}" for it in ("cachemon-fleet", "cachemon-vm")
        },
        "cachemon-vm": {
            f"/d/{it}?${{datasource:queryparam}}&${{cluster:queryparam}}"
            for it in ("cachemon-fleet", "cachemon-node")
        },
        "cachemon-hosts": set(),
    }


@pytest.mark.parametrize(
    ("alert", "look"),
    [
        ("CachemonNodeDisturbed", looks.SLOWDOWN),
        ("CachemonSamplesOverrunning", looks.OVERRUNS),
        ("CachemonOperatorBlind", looks.UNANSWERED),
        ("CachemonRMIDsExhausted", looks.WAITING),
        ("CachemonVMIDisturbed", looks.VERDICT),
    ],
)
def test_a_value_is_not_green_from_where_its_alert_fires(alert: str, look: looks.Look) -> None:
    (rule,) = (it for it in rules_of(ALERTS) if it["alert"] == alert)
    sign, number = re.search(r"(>=?) ([\d.]+)$", rule["expr"]).groups()  # type: ignore[union-attr]
    if look.words:
        bad = {value for value, (_, color) in look.words.items() if color == looks.BAD}
        assert (sign, float(number)) == (">=", min(bad))
        assert {value for value, (_, color) in look.words.items() if color == looks.GOOD} == {0}
    else:
        starts = [start for start, color in look.steps if color != looks.GOOD]
        assert starts == [float(number) or 1]


@a_dashboard
def test_panels_have_ids_of_their_own_and_do_not_lie_upon_each_other(uid: str) -> None:
    every = dashboard(uid)["panels"]
    assert len({panel["id"] for panel in every}) == len(every)
    for one, other in combinations((panel["gridPos"] for panel in every), 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)
    assert max(panel["gridPos"]["x"] + panel["gridPos"]["w"] for panel in every) == 24


@a_dashboard
def test_the_variables_are_filled_by_metrics_that_there_are(uid: str) -> None:
    queries = [it["query"]["query"] for it in variables(uid).values() if it["type"] == "query"]
    assert queries
    assert all(metrics_of(query) and metrics_of(query) <= NAMES for query in queries)


def test_the_fleet_is_by_default_every_cluster_and_what_has_no_such_label() -> None:
    cluster = variables("cachemon-fleet")["cluster"]
    assert (cluster["current"]["value"], cluster["allValue"]) == ("$__all", ".*")


@pytest.mark.parametrize("uid", ["cachemon-node", "cachemon-vm"])
def test_a_page_of_one_thing_is_of_one_cluster_or_of_what_has_no_such_label(uid: str) -> None:
    assert not variables(uid)["cluster"]["multi"]
    assert not variables(uid)["cluster"]["includeAll"]
