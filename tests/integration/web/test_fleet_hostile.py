from itertools import pairwise

from playwright.sync_api import Browser, expect

from tests.web import page_cases
from tests.web.browser import open_tab
from tests.web.generated_fleet import ODD_NAMES, GeneratedFleet
from tests.web.page_cases import MIB, block, node, verdict, vm
from tests.web.served_page import serve_page


def test_names_of_tenants_are_text_wherever_they_show(browser: Browser) -> None:
    names = [f"{odd}/{odd}" for odd in ODD_NAMES]
    held = {name: (index + 2) * MIB for index, name in enumerate(names)}
    nodes = {
        odd: node(block(0, held=held, capacity=64 * MIB), ready="False", reason=odd, message=odd) for odd in ODD_NAMES
    }
    nodes["node01"] = node(block(0, held=held), verdicts=[verdict(name, name) for name in names[:3]])
    vms = {name: vm("node01", (0, 4 * MIB)) for name in names} | {f"a/{odd}": vm("", reason=odd) for odd in ODD_NAMES}
    with serve_page(page_cases.page(nodes, vms, remarks=ODD_NAMES)) as served, open_tab(browser, height=3000) as tab:
        dialogs: list[str] = []
        tab.page.on("dialog", lambda dialog: dialogs.append(dialog.message))
        tab.page.goto(served.address)
        expect(tab.page.locator(".row")).to_have_count(len(nodes))
        assert set(tab.page.locator(".row-name").all_inner_texts()) == set(nodes)
        tab.page.get_by_role("searchbox").fill("/")
        expect(tab.page.locator(".match").first).to_be_visible()
        tab.page.locator(".segment").first.hover()
        expect(tab.page.locator(".tip")).to_be_visible()
        expect(tab.page.locator("main :is(script, img, iframe, object)")).to_have_count(0)
        assert set(tab.page.locator(".notice").all_inner_texts()) == set(ODD_NAMES)
        assert tab.page.locator(".unplaced a").count() == len(ODD_NAMES)
        assert tab.problems == []
        assert dialogs == []
        assert tab.hosts == {served.address.split("/")[2]}


def test_a_link_leads_to_the_vm_of_its_name_whatever_that_is(browser: Browser) -> None:
    vms = {f"a/{odd}": vm("node01", (0, 4 * MIB)) for odd in ODD_NAMES}
    code = """async (names) => {
      const { parseHash, vmHash, nodeHash } = await import(new URL("router.js", document.baseURI));
      return names.map((name) => [parseHash(vmHash(name)).vm, parseHash(nodeHash(name)).node]);
    }"""
    with serve_page(page_cases.page({}, vms)) as served, open_tab(browser) as tab:
        tab.page.goto(served.address)
        names = [*vms, "host-domain", "a/b%2Fc"]
        assert tab.page.evaluate(code, names) == [[name, name] for name in names]


def test_scrolling_shows_every_row_once_and_in_order(browser: Browser) -> None:
    with serve_page(GeneratedFleet(300, 3000)) as served, open_tab(browser) as tab:
        tab.page.goto(served.address)
        expect(tab.page.locator(".row").first).to_be_visible()
        seen: list[tuple[int, str]] = []
        height = int(tab.page.evaluate("() => document.documentElement.scrollHeight"))
        for top in range(0, height, 500):
            tab.page.evaluate("(top) => { scrollTo(0, top); }", top)
            tab.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
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
        tab.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        tab.page.evaluate("() => { location.hash = '#/node/worker-0001'; }")
        expect(tab.page.locator(".node-view")).to_have_count(1)
        tab.page.go_back()
        expect(tab.page.locator(".row").first).to_be_attached()
        tab.page.wait_for_function("() => scrollY === 3000")
        expect(tab.page.get_by_role("searchbox")).to_have_value("worker")
