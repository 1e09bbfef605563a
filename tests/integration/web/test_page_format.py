import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from cachemon.model.age import Age, format_age
from cachemon.model.reasons import Reason
from cachemon.model.units import format_bytes, format_rate
from tests.unit.web.fixed_source import FixedSource
from tests.web.browser import Tab, open_tab
from tests.web.served_page import serve_page


@pytest.fixture(scope="module")
def tab(browser: Browser) -> Iterator[Tab]:
    with serve_page(FixedSource()) as page, open_tab(browser) as opened:
        opened.page.goto(page.address)
        yield opened


def called(tab: Tab, function: str, arguments: list[list[Any]]) -> list[Any]:
    """What a function of format.js returns for each list of arguments."""
    code = """async ([name, lists]) => {
      const module = await import(new URL("format.js", document.baseURI));
      return lists.map((list) => module[name](...list));
    }"""
    found: list[Any] = tab.page.evaluate(code, [function, arguments])
    return found


def sizes() -> list[int]:
    """Values around every limit and every tie, and others."""
    chosen = random.Random(7)
    limits = [base**power * factor for base in (1000, 1024) for power in range(1, 5) for factor in (1, 10)]
    near = [
        int(limit * part) + step for limit in limits for part in (1, 0.995, 9.95, 2.5, 0.25) for step in (-1, 0, 1)
    ]
    ties = [1024**power * count // 4 for power in range(1, 5) for count in range(1, 60)]
    return [0, 1, 9, 900, *near, *ties, *(chosen.randrange(2 ** chosen.randrange(1, 53)) for _ in range(3000))]


def test_bytes_are_written_as_in_the_tables(tab: Tab) -> None:
    values = sizes()
    assert called(tab, "formatBytes", [[value] for value in values]) == [format_bytes(value) for value in values]


def test_rates_are_written_as_in_the_tables(tab: Tab) -> None:
    values = sizes()
    assert called(tab, "formatRate", [[value] for value in values]) == [format_rate(value) for value in values]


def test_no_number_is_a_dash(tab: Tab) -> None:
    assert called(tab, "formatBytes", [[None]]) == ["-"]
    assert called(tab, "formatRate", [[None]]) == ["-"]


def test_spans_are_written_as_in_the_tables(tab: Tab) -> None:
    values = [*range(200), 7199.9, 7200, 172_799, 172_800, 1e6, 119.99, 0.4]
    assert called(tab, "formatAge", [[value] for value in values]) == [format_age(value) for value in values]


def test_ages_carry_the_marks_of_the_tables(tab: Tab) -> None:
    values = [(seconds, period) for seconds in (-400, -5.1, -5, -1, 0, 59.9, 182, 182.1, 1e5) for period in (1, 60)]
    expected = [Age(seconds, period).label for seconds, period in values]
    assert called(tab, "ageLabel", [list(value) for value in values]) == expected


def test_every_reason_becomes_words_with_its_abbreviations(tab: Tab) -> None:
    reasons = [str(reason) for reason in Reason]
    words = dict(zip(reasons, called(tab, "reasonInWords", [[it] for it in reasons]), strict=True))
    assert words["OutOfRMIDs"] == "out of RMIDs"
    assert words["AgentNotReporting"] == "agent not reporting"
    assert words["VMINotFound"] == "VMI not found"
    assert words["VCPUsShareOneThread"] == "vCPUs share one thread"
    assert words["HostPIDMissing"] == "host PID missing"
    assert words["QEMUNotFound"] == "QEMU not found"
    for reason, text in words.items():
        assert text.replace(" ", "").lower() == reason.lower(), json.dumps(words)
