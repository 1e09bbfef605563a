from playwright.sync_api import Browser, expect

from tests.web import page_cases
from tests.web.browser import open_tab
from tests.web.generated_fleet import ODD_NAMES
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
