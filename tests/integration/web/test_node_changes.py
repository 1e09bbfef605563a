"""The view of a node while things change: new figures, lost ones, another theme, another width."""

import pytest
from playwright.sync_api import Browser, expect

from cachemon.model.units import format_bytes
from tests.web.browser import open_tab
from tests.web.chart_reading import expected_figures, figures_said, pixel, said, time_of
from tests.web.detail_page import opened
from tests.web.detail_source import Story
from tests.web.detail_story import PERIOD, ROWS, START, SUSPECT, VERDICT, VICTIM, occupancy, total
from tests.web.served_page import serve_page


def test_new_figures_extend_the_charts_without_another_history(browser: Browser) -> None:
    story = Story()
    with opened(browser, story) as (page, served):
        page.get_by_role("slider").first.focus()
        for _step in range(3):
            served.call(lambda: setattr(story, "time", story.time + PERIOD))
            shown = page.get_by_role("slider").first
            expect(shown).to_have_attribute("aria-valuemax", f"{story.state()['now']:.0f}")
        page.keyboard.press("End")
        assert figures_said(said(page)) == expected_figures(story.time)
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowLeft")
        assert figures_said(said(page)) == expected_figures(time_of(ROWS - 1))
        assert len(story.asked) == 1


def test_a_figure_that_no_longer_holds_becomes_a_gap_with_its_reason(browser: Browser) -> None:
    story = Story()
    with opened(browser, story) as (page, served):
        page.get_by_role("slider").first.focus()

        def lose() -> None:
            story.lost[VICTIM] = "AgentNotReporting"
            story.time += PERIOD

        served.call(lose)
        row = page.locator(".figures tbody tr", has=page.get_by_text(VICTIM, exact=True))
        expect(row).to_contain_text("agent not reporting")
        page.keyboard.press("End")
        assert f"no figure of {VICTIM}: AgentNotReporting" in said(page)
        assert VICTIM not in figures_said(said(page)) or "no figure" in figures_said(said(page))[VICTIM]
        assert f"total {format_bytes(total('node01', story.time))}" in said(page)


def test_a_row_of_the_table_keeps_its_place_while_it_has_the_focus(browser: Browser) -> None:
    story = Story(time=START + 30 * 60)  # before the verdict: the suspect holds less than the victim
    with opened(browser, story) as (page, served):
        links = page.locator(".figures tbody a")
        before = links.all_inner_texts()
        link = page.locator(".figures").get_by_text(SUSPECT, exact=True)
        link.focus()
        served.call(lambda: setattr(story, "time", VERDICT + 600))
        row = page.locator(".figures tbody tr", has=page.get_by_text(SUSPECT, exact=True))
        expect(row.locator("td").first).to_have_text(format_bytes(occupancy(SUSPECT, VERDICT + 600) or 0))
        expect(link).to_be_focused()
        kept = [vm for vm in links.all_inner_texts() if vm in before]
        assert kept == [vm for vm in before if vm in kept]
        page.get_by_role("slider").first.focus()
        expect(links.first).to_have_text(SUSPECT)


def test_the_view_says_where_older_figures_are_from(browser: Browser) -> None:
    with opened(browser, Story(origin="prometheus")) as (page, _):
        expect(page.locator(".view-head")).to_contain_text("the history is that of Prometheus")


def test_nothing_is_drawn_while_nothing_is_new(browser: Browser) -> None:
    with opened(browser, Story()) as (page, _):
        expect(page.locator(".marker-age").first).not_to_be_empty()
        page.wait_for_timeout(300)  # the charts that the history brought are on the canvas
        before = page.evaluate("window.drawn")
        assert before > 0
        with (
            page.expect_response(lambda it: "state.json" in it.url),
            page.expect_response(lambda it: "after=" in it.url),
        ):
            pass
        assert page.evaluate("window.drawn") == before


def test_another_theme_draws_the_charts_in_its_colours(browser: Browser) -> None:
    with opened(browser, Story()) as (page, _):
        ground = pixel(page, 0, time_of(20), 0.9)
        page.locator("#theme").click()  # light, as the system has it
        page.locator("#theme").click()
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        other = pixel(page, 0, time_of(20), 0.9)
        lines = page.evaluate("""() => {
          const canvas = document.querySelector(".uplot canvas");
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          let light = 0;
          for (let at = 0; at < data.length; at += 4) {
            light += data[at + 3] > 250 && data[at] > 225 && data[at + 1] > 225;
          }
          return light;
        }""")
        assert ground.opacity == other.opacity == 0  # the ground is that of the page
        assert lines > 200  # the total, the capacity and the names are light now


@pytest.mark.parametrize("address", ["#/node/node01", f"#/vm/{VICTIM}"])
@pytest.mark.parametrize("width", [320, 640, 1920])  # 640 is a window of 1280 at 200 % zoom
def test_the_view_is_never_wider_than_the_window(browser: Browser, width: int, address: str) -> None:
    with opened(browser, Story(), address, width=width, dark=True) as (page, _):
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_names_of_tenants_stay_text(browser: Browser) -> None:
    name = 'tenant-x/"><img src=x onerror=alert(1)>'
    story = Story()
    story.extra[name] = story.state()["vms"][VICTIM]
    with opened(browser, story) as (page, _):
        expect(page.locator(".figures").get_by_text(name, exact=True)).to_be_visible()
        assert page.locator("main img").count() == 0


def test_what_happened_on_a_node_without_history_is_said(browser: Browser) -> None:
    with serve_page(Story(has_history=False)) as served, open_tab(browser) as tab:
        tab.page.goto(served.address + "#/node/node01")
        expect(tab.page.get_by_text("There is no history from before this view was opened")).to_be_visible()
        expect(tab.page.locator(".uplot canvas").first).to_be_visible()


def test_a_node_that_nobody_knows_is_said_to_be_unknown(browser: Browser) -> None:
    with serve_page(Story(has_history=False)) as served, open_tab(browser) as tab:
        tab.page.goto(served.address + "#/node/nowhere")
        expect(tab.page.get_by_text("nothing is known of this node")).to_be_visible()
