"""The view of a VM: groups, places, verdicts with the evidence of both sides, and what to type next."""

from playwright.sync_api import Browser, expect

from cachemon.model.units import format_bytes, format_rate
from tests.web.browser import open_tab
from tests.web.detail_page import opened
from tests.web.detail_source import Story
from tests.web.detail_story import (
    GAP_ROWS,
    GUEST,
    MIGRATED,
    PERIOD,
    START,
    SUSPECT,
    VICTIM,
    bandwidth,
    occupancy,
    verdict,
)
from tests.web.served_page import serve_page


def test_every_group_has_its_figures_in_each_cache_block(browser: Browser) -> None:
    story = Story()
    with opened(browser, story, f"#/vm/{VICTIM}") as (page, _):
        for group in story.state()["vms"][VICTIM]["groups"]:
            row = page.locator(".figures tbody tr", has=page.get_by_text(group["name"], exact=True))
            block = group["blocks"][0]
            shown = [it.strip() for it in row.locator("td").all_inner_texts()]
            assert shown[0] == format_bytes(block["occupancy"] or 0)
            assert shown[2] == f"{format_rate(block['bandwidth'] or 0)}B/s"
            assert shown[3] == f"{format_rate(block['localBandwidth'] or 0)}B/s"
            assert shown[4] == "Monitored"


def test_the_cursor_says_the_vm_and_its_groups_at_each_time(browser: Browser) -> None:
    story = Story()
    with opened(browser, story, f"#/vm/{VICTIM}") as (page, _):
        slider = page.get_by_role("slider").first
        slider.focus()
        page.keyboard.press("End")
        for back in range(12):
            time = story.time - back * PERIOD
            held, rate = occupancy(VICTIM, time) or 0, bandwidth(VICTIM, time) or 0
            said = slider.get_attribute("aria-valuetext") or ""
            assert f"whole VM {format_bytes(held)}, {format_rate(rate)}B/s" in said
            assert f"web/vcpus_0-1 {format_bytes(held * 3 // 4)}, {format_rate(rate * 3 // 4)}B/s" in said
            page.keyboard.press("ArrowLeft")


def test_a_migrated_vm_goes_on_in_one_chart_with_its_places_and_its_gap(browser: Browser) -> None:
    with opened(browser, Story(), f"#/vm/{GUEST}") as (page, _):
        assert page.locator(".place a bdi").all_inner_texts() == ["node01", "node02"]
        edges = page.locator(".place").evaluate_all("all => all.map((it) => it.getBoundingClientRect().left)")
        plot = page.locator(".u-over").first.bounding_box()
        slider = page.get_by_role("slider").first
        span = [int(slider.get_attribute(f"aria-value{end}") or 0) for end in ("min", "max")]
        assert plot is not None
        part = (MIGRATED - span[0]) / (span[1] - span[0])
        assert abs(edges[1] - (plot["x"] + plot["width"] * part)) < 4
        page.locator(".marker").first.click()
        assert int(slider.get_attribute("aria-valuenow") or 0) == MIGRATED
        assert "whole VM no figure" not in (slider.get_attribute("aria-valuetext") or "")
        slider.focus()
        page.keyboard.press("Home")
        held = occupancy(GUEST, START) or 0
        assert f"whole VM {format_bytes(held)}" in (slider.get_attribute("aria-valuetext") or "")
        for _step in range(GAP_ROWS.start // 10 + 1):
            page.keyboard.press("PageUp")
        at = int(slider.get_attribute("aria-valuenow") or 0)
        assert (at - START) // PERIOD in GAP_ROWS
        assert "whole VM no figure" in (slider.get_attribute("aria-valuetext") or "")


def test_a_verdict_shows_what_both_sides_did(browser: Browser) -> None:
    story = Story()
    shown = verdict(story.time)
    for vm in (VICTIM, SUSPECT):
        with opened(browser, story, f"#/vm/{vm}") as (page, _):
            card = page.locator(".verdict-card")
            assert shown["evidence"] in card.inner_text()
            assert "31 %" in card.inner_text()
            assert "88 %" in card.inner_text()
            assert "11Mi" in card.inner_text()
            labels = card.locator(".small-chart").evaluate_all(
                "all => all.map((it) => it.getAttribute('aria-label'))"
            )
            for field, label in zip(("occupancyMebibytes", "trafficMebibytesPerSecond"), labels, strict=True):
                series = shown["series"]
                assert series is not None
                for part in (series["victim"], series["suspect"]):
                    assert part is not None
                    last = (
                        part["occupancyMebibytes"] if field.startswith("occ") else part["trafficMebibytesPerSecond"]
                    )[-1]
                    mebibytes = (last or 0) << 20
                    words = format_bytes(mebibytes) if field.startswith("occ") else f"{format_rate(mebibytes)}B/s"
                    assert f"last {words}" in label


def test_a_vm_that_stops_keeps_its_past_on_the_page(browser: Browser) -> None:
    story = Story()
    with opened(browser, story, f"#/vm/{VICTIM}") as (page, served):
        last = story.time

        def stop() -> None:
            story.gone.add(VICTIM)
            story.time += PERIOD

        served.call(stop)
        expect(page.get_by_text("nothing is known of this VM")).to_be_visible()
        slider = page.get_by_role("slider").first
        slider.focus()
        page.keyboard.press("End")
        assert "whole VM was not there" in (slider.get_attribute("aria-valuetext") or "")
        page.keyboard.press("ArrowLeft")
        held = occupancy(VICTIM, last) or 0
        assert f"whole VM {format_bytes(held)}" in (slider.get_attribute("aria-valuetext") or "")


def test_a_command_is_copied_by_its_button(browser: Browser) -> None:
    with serve_page(Story()) as served, open_tab(browser) as tab:
        tab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        tab.page.goto(f"{served.address}#/vm/{VICTIM}")
        expect(tab.page.locator(".why-text")).to_contain_text("Likely, for 11m")
        tab.page.get_by_role("button", name="Copy: virtctl migrate scan -n tenant-b").click()
        expect(tab.page.get_by_text("Copied", exact=True)).to_be_visible()
        assert tab.page.evaluate("navigator.clipboard.readText()") == "virtctl migrate scan -n tenant-b"
        assert tab.problems == []


def test_a_vm_that_nobody_knows_is_said_to_be_unknown(browser: Browser) -> None:
    with serve_page(Story(has_history=False)) as served, open_tab(browser) as tab:
        tab.page.goto(f"{served.address}#/vm/tenant-a/nobody")
        expect(tab.page.get_by_text("nothing is known of this VM")).to_be_visible()
