from itertools import pairwise

from playwright.sync_api import Browser, Page, expect

from tests.web import page_cases
from tests.web.browser import open_tab
from tests.web.generated_fleet import GeneratedFleet
from tests.web.page_cases import MIB, block, node, verdict
from tests.web.served_page import serve_page

TWO_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def top_of(page: Page, name: str) -> float:
    """Where a row is in the window, in pixels."""
    found: float = page.locator(f'.row[data-key="{name}"]').evaluate("(it) => it.getBoundingClientRect().top")
    return found


def test_scrolling_shows_every_row_once_and_in_order(browser: Browser) -> None:
    with serve_page(GeneratedFleet(300, 3000)) as served, open_tab(browser) as tab:
        tab.page.goto(served.address)
        expect(tab.page.locator(".row").first).to_be_visible()
        seen: list[tuple[int, str]] = []
        height = int(tab.page.evaluate("() => document.documentElement.scrollHeight"))
        for top in range(0, height, 500):
            tab.page.evaluate("(top) => { scrollTo(0, top); }", top)
            tab.page.evaluate(TWO_FRAMES)
            rows = tab.page.locator(".row").evaluate_all(
                "(all) => all.map((it) => [it.getBoundingClientRect().top, it.getBoundingClientRect().bottom,"
                " Number(it.getAttribute('aria-posinset')), it.dataset.key])"
            )
            assert len(rows) < 60
            assert [place for _, _, place, _ in rows] == sorted(place for _, _, place, _ in rows)
            for above, below in pairwise(rows[1:]):
                assert below[0] >= above[1] - 1
            shown = [it for it in rows if it[1] > 0 and it[0] < 800]
            assert shown
            seen += [(place, name) for _, _, place, name in shown]
        assert max(seen)[0] == len(set(seen)) == 300


def test_a_row_with_the_focus_stays_in_the_document_while_the_reader_scrolls(browser: Browser) -> None:
    with serve_page(GeneratedFleet(300, 3000)) as served, open_tab(browser) as tab:
        tab.page.goto(served.address)
        expect(tab.page.locator(".row").first).to_be_visible()
        tab.page.keyboard.press("/")
        tab.page.keyboard.press("ArrowDown")
        name = tab.page.locator(":focus").inner_text()
        tab.page.evaluate("() => scrollTo(0, document.documentElement.scrollHeight)")
        expect(tab.page.locator('.row[aria-posinset="300"]')).to_be_visible()
        assert tab.page.locator(":focus").inner_text() == name
        tab.page.keyboard.press("ArrowDown")
        expect(tab.page.locator(".row:focus-within")).to_have_attribute("aria-posinset", "2")
        expect(tab.page.locator(":focus")).to_be_in_viewport()


def test_the_fleet_is_where_it_was_when_the_reader_comes_back(browser: Browser) -> None:
    with serve_page(GeneratedFleet(300, 3000)) as served, open_tab(browser) as tab:
        tab.page.goto(served.address)
        tab.page.get_by_role("searchbox").fill("worker")
        expect(tab.page.locator(".row").first).to_be_visible()
        tab.page.evaluate("() => scrollTo(0, 3000)")
        tab.page.evaluate(TWO_FRAMES)
        tab.page.evaluate("() => { location.hash = '#/node/worker-0001'; }")
        expect(tab.page.locator(".node-view")).to_have_count(1)
        tab.page.go_back()
        expect(tab.page.locator(".row").first).to_be_attached()
        tab.page.wait_for_function("() => scrollY === 3000")
        expect(tab.page.get_by_role("searchbox")).to_have_value("worker")


def test_what_the_reader_sees_stays_where_it_is_when_rows_above_change(browser: Browser) -> None:
    calm = {f"node{index:03d}": node(block(0, held={"a/x": 9 * MIB})) for index in range(100)}
    found = [verdict("a/v", "a/x", on="node090"), verdict("a/w", "a/x", on="node090")]
    disturbed = calm | {"node090": node(block(0, held={"a/x": 9 * MIB}), verdicts=found)}
    source = page_cases.page(calm)
    with serve_page(source) as served, open_tab(browser) as tab:
        tab.page.goto(served.address)
        expect(tab.page.locator(".row").first).to_be_visible()
        tab.page.evaluate("() => scrollTo(0, 2000)")
        tab.page.evaluate(TWO_FRAMES)
        before = top_of(tab.page, "node030"), top_of(tab.page, "node035")

        def disturb() -> None:
            source.current = page_cases.page(disturbed).current

        served.call(disturb)
        expect(tab.page.locator("#announcer")).to_contain_text("2 new verdicts")
        tab.page.evaluate(TWO_FRAMES)
        assert (top_of(tab.page, "node030"), top_of(tab.page, "node035")) == before
        tab.page.evaluate("() => scrollTo(0, 0)")
        expect(tab.page.locator(".row").first).to_have_attribute("data-key", "node090")


def test_another_search_begins_with_its_first_row(browser: Browser) -> None:
    with serve_page(GeneratedFleet(300, 3000)) as served, open_tab(browser) as tab:
        tab.page.goto(served.address)
        expect(tab.page.locator(".row").first).to_be_visible()
        tab.page.evaluate("() => scrollTo(0, 9000)")
        tab.page.evaluate(TWO_FRAMES)
        tab.page.get_by_role("searchbox").fill("worker-0")
        expect(tab.page.locator('.row[aria-posinset="1"]')).to_be_in_viewport()


def test_the_focus_stays_on_a_vm_while_its_figures_change(browser: Browser) -> None:
    source = page_cases.two_nodes()
    with serve_page(source) as served, open_tab(browser) as tab:
        tab.page.goto(served.address)
        vm1 = tab.page.locator('.segment[aria-label^="tenant-a/vm1:"]')
        expect(vm1).to_be_visible()
        tab.page.keyboard.press("/")
        tab.page.keyboard.press("ArrowDown")
        tab.page.keyboard.press("ArrowRight")
        tab.page.keyboard.press("ArrowRight")
        expect(vm1).to_be_focused()
        held = {"tenant-a/vm2": 10 * MIB, "tenant-a/vm1": 15 * MIB}
        changed = page_cases.with_node(source, "node01", node(block(0, held=held), verdicts=[verdict("a/v", "a/w")]))

        def change() -> None:
            source.current = changed.current

        served.call(change)
        expect(vm1).to_have_accessible_name("tenant-a/vm1: 15Mi, 47% of cache block 0")
        expect(vm1).to_be_focused()
        expect(tab.page.locator(".tip")).to_contain_text("15Mi, 47% of cache block 0")
