"""The dashboard, as far as it can be judged without data; tests/e2e runs its queries."""

import re
from itertools import combinations
from typing import Any

import pytest

from cachemon.agent.metrics_page import FAMILIES
from cachemon.telemetry.operator_metrics import Metrics
from lab.repository import REPOSITORY
from tests.integration.prometheus.rule_files import dashboard, metrics_of, panels, rows

NAMES = {family.name for family in FAMILIES} | {
    sample.name for family in Metrics().registry.collect() for sample in family.samples
}
PAGE = (REPOSITORY / "docs/dashboard.md").read_text(encoding="utf-8")


def variables() -> set[str]:
    return {variable["name"] for variable in dashboard()["templating"]["list"]}


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
def test_a_panel_asks_for_metrics_that_there_are_by_variables_that_there_are(panel: dict[str, Any]) -> None:
    assert panel["targets"]
    for target in panel["targets"]:
        assert metrics_of(target["expr"])
        assert metrics_of(target["expr"]) <= NAMES
        assert set(re.findall(r"\$(\w+)", target["expr"])) <= variables() | {"__rate_interval"}
        assert target["datasource"]["uid"] == "${datasource}"


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
def test_a_panel_says_what_it_shows_in_which_unit(panel: dict[str, Any]) -> None:
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in ("bytes", "Bps", "percentunit", "short", "s")


def test_panels_have_ids_of_their_own_and_do_not_lie_upon_each_other() -> None:
    every = dashboard()["panels"]
    assert len({panel["id"] for panel in every}) == len(every)
    for one, other in combinations((panel["gridPos"] for panel in every), 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)
    assert max(panel["gridPos"]["x"] + panel["gridPos"]["w"] for panel in every) == 24


def test_the_variables_are_filled_by_metrics_that_there_are() -> None:
    asked = [variable["definition"] for variable in dashboard()["templating"]["list"] if "definition" in variable]
    assert len(asked) == 4
    assert all(metrics_of(query) and metrics_of(query) <= NAMES for query in asked)


def test_the_dashboard_has_three_rows() -> None:
    assert list(rows()) == ["Fleet", "Node", "VM"]


@pytest.mark.parametrize("row", rows())
def test_the_page_explains_every_panel_of_a_row_and_no_other(row: str) -> None:
    section = PAGE.split(f"## {row}\n")[1].split("\n## ")[0]
    explained = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", section, re.MULTILINE)
    titles = [re.sub(r"( of| on)? \$\w+", "", panel["title"]) for panel in rows()[row]]
    assert explained == ["panel", *titles]
