"""The view of a node: each figure that it shows is one that the server gave, and a gap is a gap."""

import re

import pytest
from playwright.sync_api import Browser, expect

from cachemon.model.units import format_bytes, format_rate
from tests.web.chart_reading import colour, expected_figures, figures_said, pixel, said, time_of
from tests.web.detail_page import opened
from tests.web.detail_source import Story
from tests.web.detail_story import (
    BATCH,
    GAP_ROWS,
    GUEST,
    PERIOD,
    ROWS,
    SUSPECT,
    VERDICT,
    VICTIM,
    bandwidth,
    markers,
    occupancy,
    total,
    unattributed,
)


def test_the_cursor_says_with_each_key_the_figures_that_the_server_gave(browser: Browser) -> None:
    with opened(browser, Story()) as (page, _):
        page.get_by_role("slider").first.focus()
        page.keyboard.press("End")
        for row in range(ROWS - 1, ROWS - 40, -1):
            time = time_of(row)
            assert figures_said(said(page)) == expected_figures(time)
            assert f"total {format_bytes(total('node01', time))}" in said(page)
            assert f"unattributed {format_bytes(unattributed(time))}" in said(page)
            page.keyboard.press("ArrowLeft")


def test_the_pointer_shows_the_same_figures_as_the_keys(browser: Browser) -> None:
    with opened(browser, Story()) as (page, _):
        plot = page.locator(".u-over").first
        for part in (0.1, 0.35, 0.62, 0.97):
            box = plot.bounding_box()
            assert box is not None
            page.mouse.move(box["x"] + box["width"] * part, box["y"] + 60)
            shown = page.locator(".readout").first
            expect(shown).to_be_visible()
            rows = shown.locator(".readout-row").all()
            texts = [
                f"{it.locator('.readout-label').inner_text()} {it.locator('.readout-value').inner_text()}"
                for it in rows
            ]
            assert [shown.locator(".readout-when").inner_text(), *texts] == said(page).split("; ")


def test_one_cursor_goes_through_both_charts(browser: Browser) -> None:
    with opened(browser, Story()) as (page, _):
        page.get_by_role("slider").first.focus()
        page.keyboard.press("End")
        page.keyboard.press("PageDown")
        places = page.locator(".u-cursor-x").evaluate_all("all => all.map((it) => it.getBoundingClientRect().x)")
        assert len(places) == 2
        assert places[0] == pytest.approx(places[1], abs=0.6)


def test_a_gap_of_one_vm_leaves_the_stack_out_and_says_why(browser: Browser) -> None:
    with opened(browser, Story()) as (page, _):
        page.get_by_role("slider").first.focus()
        page.keyboard.press("Home")
        for _step in range(16):
            page.keyboard.press("PageUp")
        page.keyboard.press("ArrowLeft")
        row = 159
        assert row in GAP_ROWS
        assert f"no stack no figure of {GUEST}" in said(page)
        assert f"{GUEST} no figure" in said(page)
        assert f"total {format_bytes(total('node01', time_of(row)))}" in said(page)
        assert figures_said(said(page))[VICTIM] == expected_figures(time_of(row))[VICTIM]


def test_a_layer_has_the_colour_of_its_vm_and_a_gap_has_none(browser: Browser) -> None:
    with opened(browser, Story()) as (page, _):
        near_ground = 0.04  # within the lowest layer, that of the victim
        assert pixel(page, 0, time_of(120), near_ground) == colour(page, VICTIM)
        assert pixel(page, 0, time_of(200), near_ground) == colour(page, VICTIM)
        in_gap = {pixel(page, 0, time_of(row), part / 20) for row in (153, 158, 162) for part in range(1, 13)}
        assert in_gap.isdisjoint({colour(page, vm) for vm in (VICTIM, SUSPECT, BATCH)})


def test_markers_stand_at_their_times_and_in_a_list(browser: Browser) -> None:
    with opened(browser, Story()) as (page, _):
        listed = page.locator(".marker")
        assert [it.strip() for it in listed.locator(".marker-text").all_inner_texts()] == [
            it["text"] for it in reversed(markers())
        ]
        for marker in markers():
            there = pixel(page, 0, marker["time"], 0.93)
            assert there.red > 2 * there.green if marker["kind"] == "verdict" else there.is_dark
            assert pixel(page, 0, marker["time"] + 60, 0.93).opacity == 0


def test_a_marker_of_the_list_moves_the_cursor_to_its_time(browser: Browser) -> None:
    with opened(browser, Story()) as (page, _):
        page.locator(".marker").first.focus()
        page.keyboard.press("Enter")
        expect(page.locator(".marker").first).to_have_attribute("aria-pressed", "true")
        now = page.get_by_role("slider").first.get_attribute("aria-valuenow")
        assert now is not None
        assert abs(int(now) - VERDICT) <= PERIOD


def test_a_drag_zooms_all_charts_and_a_button_undoes_it(browser: Browser) -> None:
    with opened(browser, Story()) as (page, _):
        before = page.locator(".shown-span").inner_text()
        page.locator(".u-over").last.scroll_into_view_if_needed()
        box = page.locator(".u-over").last.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 40)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 44, steps=4)
        page.mouse.up()
        expect(page.locator(".shown-span")).not_to_have_text(before)
        page.get_by_role("button", name="Reset zoom").click()
        expect(page.locator(".shown-span")).to_have_text(before)


def test_the_keyboard_zooms_and_leaves(browser: Browser) -> None:
    with opened(browser, Story()) as (page, _):
        before = page.locator(".shown-span").inner_text()
        page.get_by_role("slider").first.focus()
        page.keyboard.press("+")
        expect(page.locator(".shown-span")).not_to_have_text(before)
        page.keyboard.press("0")
        expect(page.locator(".shown-span")).to_have_text(before)
        page.keyboard.press("End")
        expect(page.locator(".readout").first).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator(".readout").first).to_be_hidden()


def test_a_range_is_chosen_by_a_button_and_kept(browser: Browser) -> None:
    with opened(browser, Story()) as (page, _):
        page.get_by_role("button", name="15 min").click()
        first, last = re.findall(r"\d\d:\d\d:\d\d", page.locator(".shown-span").inner_text())
        seconds = [
            sum(int(part) * 60**power for power, part in enumerate(reversed(it.split(":")))) for it in (first, last)
        ]
        assert (seconds[1] - seconds[0]) % 86_400 == 900
        page.goto(page.url.split("#")[0] + "#/vm/tenant-a/web")
        expect(page.get_by_role("button", name="15 min")).to_have_attribute("aria-pressed", "true")


def test_the_table_has_the_exact_figures_of_now(browser: Browser) -> None:
    story = Story()
    with opened(browser, story) as (page, _):
        for vm in (VICTIM, SUSPECT, BATCH):
            row = page.locator(".figures tbody tr", has=page.get_by_text(vm, exact=True))
            held, rate = occupancy(vm, story.time) or 0, bandwidth(vm, story.time) or 0
            assert row.locator("td").nth(0).inner_text() == format_bytes(held)
            assert row.locator("td").nth(2).inner_text() == f"{format_rate(rate)}B/s"
            assert row.locator("td").nth(0).locator("span").get_attribute("title") == f"{held:,} bytes"


def test_the_head_has_rmids_version_and_the_verdict_with_its_evidence(browser: Browser) -> None:
    with opened(browser, Story()) as (page, _):
        head = page.locator(".facts").inner_text()
        assert "9 of 64" in head
        assert "0.1.0" in head
        assert "12%" in head
        card = page.locator(".verdict-card")
        assert "takes 31 % more cycles for the same work" in card.inner_text()
        assert card.locator(".small-chart").count() == 2
        lines = card.locator(".small-chart").first.locator(".run.victim")
        assert lines.count() == 2  # two minutes without a figure break the line
