from playwright.sync_api import Browser, expect

from tests.web.browser import open_tab
from tests.web.generated_fleet import GeneratedFleet
from tests.web.served_page import serve_page


def test_the_page_opens_without_an_error_and_asks_nobody_but_its_server(browser: Browser) -> None:
    with serve_page(GeneratedFleet(30, 300)) as served, open_tab(browser) as tab:
        tab.page.goto(served.address)
        expect(tab.page.locator(".row").first).to_be_visible()
        assert tab.problems == []
        assert tab.hosts == {served.address.split("/")[2]}
