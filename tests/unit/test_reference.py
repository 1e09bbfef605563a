"""The reference pages say what programs and CRDs are now."""

import re

import pytest

from cachemon.agent.metrics_page import FAMILIES
from cachemon.host.agent.host_metrics import FAMILIES as HOST_FAMILIES
from tools.metrics_reference import QUERIES
from tools.reference import FOLDER, PAGES


@pytest.mark.pitfall(31)
@pytest.mark.parametrize("name", PAGES)
def test_a_reference_page_is_what_make_docs_would_write_now(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == PAGES[name](), "run make docs"


def test_the_folder_holds_no_other_page() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(PAGES)


def test_no_description_of_a_field_is_missing() -> None:
    rows = [line for line in PAGES["objects.md"]().splitlines() if line.startswith("| `")]
    assert len(rows) > 50
    assert all(re.fullmatch(r"\| `[^`]+` \| [a-z ]+ \| \S.*\S \|", row) for row in rows)


@pytest.mark.parametrize("family", FAMILIES + HOST_FAMILIES, ids=lambda family: family.name)
def test_a_metric_is_named_as_prometheus_asks(family: object) -> None:
    name, kind = family.name, family.kind  # type: ignore[attr-defined]
    assert name.startswith("cachemon_")
    assert name.endswith("_total") == (kind == "counter")


def test_queries_name_metrics_that_there_are() -> None:
    named = {name for query in QUERIES.values() for name in re.findall(r"cachemon_\w+", query)}
    assert named <= {family.name for family in FAMILIES}
