"""The pictures of the dashboard and the page about it are those of the dashboard that there is."""

import html
import re

import pytest

from lab.repository import REPOSITORY
from tools.dashboard import Target, rows

PICTURED = {"node": "node01", "cache_id": "0", "namespace": "tenant-b", "vm": "batch", "__rate_interval": "15s"}
ROWS = rows(PICTURED)
PAGE = (REPOSITORY / "docs/dashboard.md").read_text(encoding="utf-8")


def test_the_dashboard_has_three_rows_and_every_variable_is_filled_in() -> None:
    assert list(ROWS) == ["Fleet", "Node", "VM"]
    panels = [panel for row in ROWS.values() for panel in row]
    assert all("$" not in panel.title and all("$" not in it.expression for it in panel.targets) for panel in panels)
    (block,) = (panel for panel in panels if panel.title.startswith("Cache block"))
    assert block.stacked
    assert block.lines == {"capacity"}


def test_a_series_is_called_as_grafana_calls_it() -> None:
    target = Target("up", "{{namespace}}/{{name}} block {{cache_id}}")
    assert target.name({"namespace": "a", "name": "b", "cache_id": "0"}) == "a/b block 0"


@pytest.mark.parametrize("row", ROWS)
def test_a_picture_shows_every_panel_of_its_row(row: str) -> None:
    picture = (REPOSITORY / f"docs/pictures/dashboard-{row.lower()}.svg").read_text(encoding="utf-8")
    shown = {html.unescape(text) for text in re.findall(r"<text[^>]*>([^<]+)</text>", picture)}
    titles = {panel.title.replace("node02", "node01") for panel in ROWS[row]}
    assert titles - {text.replace("node02", "node01") for text in shown} == set(), "run make pictures"


@pytest.mark.parametrize("row", ROWS)
def test_the_page_explains_every_panel_of_a_row_and_no_other(row: str) -> None:
    section = PAGE.split(f"## {row}\n")[1].split("\n## ")[0]
    explained = set(re.findall(r"^\| ([^|]+) \| [^|]+ \|$", section, re.MULTILINE)) - {"panel"}
    unfilled = {re.sub(r"( of| on)? \$\w+", "", panel.title) for panel in rows(_Unfilled())[row]}
    assert explained == unfilled


class _Unfilled(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return f"${name}"
