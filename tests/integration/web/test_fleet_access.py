import pytest
from playwright.sync_api import Browser, Page, expect

from tests.web import page_cases
from tests.web.browser import open_tab, wait_until_drawn
from tests.web.generated_fleet import GeneratedFleet
from tests.web.readability import shown_texts
from tests.web.served_page import serve_page

SIZES = [(320, 640), (390, 844), (640, 400), (1280, 800), (1920, 1080)]
"""A phone at 125 % and at 100 %, a laptop at 200 % and at 100 %, a wall."""


def lines_that_are_cut(page: Page) -> list[str]:
    """Rows that are too low for what they hold."""
    found: list[str] = page.locator(".row").evaluate_all(
        "(all) => all.filter((it) => it.scrollHeight > it.clientHeight + 1).map((it) => it.innerText)"
    )
    return found


@pytest.mark.parametrize("dark", [False, True])
def test_every_text_has_contrast_in_both_themes(browser: Browser, *, dark: bool) -> None:
    with open_tab(browser, dark=dark, height=1600) as tab:
        for source in (GeneratedFleet(40, 500), page_cases.unhealthy(), page_cases.as_tenant(), page_cases.page()):
            with serve_page(source) as served:
                tab.page.goto(served.address)
                wait_until_drawn(tab.page)
                if isinstance(source, GeneratedFleet):
                    tab.page.get_by_role("searchbox").fill("e")
                    expect(tab.page.locator(".match").first).to_be_visible()
                texts = shown_texts(tab.page)
                assert len(texts) > 8
                assert [it for it in texts if it.contrast < 4.5] == []


def test_both_themes_are_to_be_had_and_the_choice_lasts(browser: Browser) -> None:
    ground = "() => getComputedStyle(document.body).backgroundColor"
    with serve_page(page_cases.two_nodes()) as served, open_tab(browser) as tab:
        tab.page.goto(served.address)
        switch = tab.page.get_by_role("button", name="Theme: system")
        light = tab.page.evaluate(ground)
        tab.page.emulate_media(color_scheme="dark")
        dark = tab.page.evaluate(ground)
        assert dark != light
        switch.click()
        assert tab.page.evaluate(ground) == light
        tab.page.reload()
        expect(tab.page.get_by_role("button", name="Theme: light. Switch to dark")).to_be_visible()
        assert tab.page.evaluate(ground) == light
        assert tab.problems == []


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_page_fits_every_width_and_no_row_is_cut(browser: Browser, width: int, height: int) -> None:
    with serve_page(GeneratedFleet(60, 700)) as served, open_tab(browser, width=width, height=height) as tab:
        tab.page.goto(served.address)
        expect(tab.page.locator(".row").first).to_be_visible()
        tab.page.get_by_role("searchbox").fill("e")
        expect(tab.page.locator(".match").first).to_be_visible()
        root = "document.documentElement"
        assert tab.page.evaluate(f"() => {root}.scrollWidth <= {root}.clientWidth")
        assert lines_that_are_cut(tab.page) == []
        low = tab.page.locator(".row").first.evaluate("(it) => it.offsetHeight")
        tab.page.evaluate(f"() => {{ {root}.style.fontSize = '200%'; dispatchEvent(new Event('resize')); }}")
        expect(tab.page.locator(".row-name").first).to_have_css("height", "48px")
        tab.page.wait_for_function("(low) => document.querySelector('.row').offsetHeight > low", arg=low)
        assert tab.page.evaluate(f"() => {root}.scrollWidth <= {root}.clientWidth")
        assert lines_that_are_cut(tab.page) == []


def test_a_row_is_one_item_of_a_list_and_says_all_that_it_shows(browser: Browser) -> None:
    with serve_page(page_cases.two_nodes()) as served, open_tab(browser) as tab:
        tab.page.goto(served.address)
        item = tab.page.get_by_role("list", name="Nodes, worst first").locator("> li").first
        expect(item).to_have_attribute("aria-posinset", "1")
        expect(item).to_have_attribute("aria-setsize", "2")
        expect(item.get_by_role("link", name="node01", exact=True)).to_have_accessible_description(
            "Confirmed: tenant-a/vm2 takes cache of tenant-a/vm1, which takes 31 % more cycles, on node01. "
            "Cache block 0: 31Mi of 32Mi held, 6.0Mi of it unattributed. 2 VMs. RMIDs 7 of 64 in use. Read 1s ago."
        )


def test_landmarks_have_names(browser: Browser) -> None:
    with serve_page(page_cases.two_nodes()) as served, open_tab(browser) as tab:
        tab.page.goto(served.address)
        expect(tab.page.locator(".row")).to_have_count(2)
        expect(tab.page.locator("body")).to_match_aria_snapshot("""
- banner:
  - link "cachemon, all nodes"
  - navigation "Where you are":
    - link "lab"
- main:
  - heading "Fleet" [level=1]
  - search:
    - searchbox "Search nodes, namespaces and VMs"
    - button "With verdicts 1"
    - button "Not ready 0"
    - combobox "Namespace"
  - list "Nodes, worst first"
""")


def test_the_keyboard_reaches_every_node_and_vm(browser: Browser) -> None:
    with serve_page(page_cases.two_nodes()) as served, open_tab(browser) as tab:
        tab.page.goto(served.address)
        expect(tab.page.locator(".row")).to_have_count(2)
        focused = tab.page.locator(":focus")
        keys = tab.page.keyboard
        keys.press("/")
        expect(focused).to_have_role("searchbox")
        keys.press("ArrowDown")
        expect(focused).to_have_text("node01")
        assert focused.evaluate("(it) => getComputedStyle(it).outlineStyle") == "solid"
        keys.press("ArrowDown")
        expect(focused).to_have_text("node02")
        keys.press("ArrowRight")
        expect(focused).to_have_accessible_name("tenant-b/vm3: 14Mi, 44% of cache block 0")
        expect(tab.page.locator(".tip")).to_contain_text("14Mi, 44% of cache block 0")
        keys.press("ArrowRight")
        expect(focused).to_have_accessible_name("tenant-a/vm4: 2.0Mi, 6% of cache block 0")
        keys.press("Home")
        expect(focused).to_have_text("node01")
        keys.press("End")
        keys.press("ArrowRight")
        keys.press("Enter")
        tab.page.wait_for_url("**/#/vm/tenant-b/vm3")


def test_tab_reaches_one_row_and_enter_in_the_search_opens_the_only_vm(browser: Browser) -> None:
    with serve_page(page_cases.two_nodes()) as served, open_tab(browser) as tab:
        tab.page.goto(served.address)
        expect(tab.page.locator('.row a[tabindex="0"]')).to_have_text("node01")
        expect(tab.page.locator('.row a:not([tabindex="-1"])')).to_have_count(1)
        search = tab.page.get_by_role("searchbox")
        search.fill("vm4")
        search.press("Escape")
        expect(tab.page.locator(".row")).to_have_count(2)
        search.fill("vm4")
        search.press("Enter")
        tab.page.wait_for_url("**/#/vm/tenant-a/vm4")
