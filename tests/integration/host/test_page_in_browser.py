"""The page of a host in a real Chromium: what a person reads is what `domstats` prints."""

import re
from pathlib import Path

import pytest

pytest.importorskip("libvirt", reason="libvirt-python is not installed; make setup-host installs it")

from playwright.sync_api import expect

from lab.libvirt.guest_domain import GuestDomain
from lab.wait import until
from tests.integration.host.scene import Scene, metadata
from tests.integration.host.served_host import host_page, printed_occupancy, shown
from tests.web.browser import chromium, open_browser, open_tab

NAME = "db-eu.1"
SEEN_BYTES = 256 * 1024
"""A bar of 32 MiB shows nothing of a VM that holds less than a pixel of it."""
GROUPS = 'id="web" vcpus="0"', 'id="all" vcpus="all"'


@pytest.mark.skipif(chromium() is None, reason="there is no chromium: apt-get install chromium")
def test_cache_blocks_domains_and_groups_have_the_numbers_of_domstats(scene: Scene, tmp_path: Path) -> None:
    scene.start(GuestDomain(NAME, metadata=metadata(*GROUPS)))
    scene.until_monitored(NAME, "all")
    until("caches to fill", lambda: any(it.occupancy > SEEN_BYTES for it, _ in scene.compare().values()))
    with (
        scene.still() as (report, _),
        host_page(scene, tmp_path) as address,
        open_browser() as browser,  # last: Playwright runs an event loop in this thread, where `still` wants its own
        open_tab(browser) as tab,
    ):
        held = printed_occupancy(scene, NAME)
        tab.page.goto(address)
        for block in report.blocks:
            assert block.occupancy_bytes is not None
            text = (
                f"cache block {block.id}: {shown(block.occupancy_bytes)} of {shown(block.capacity_bytes or 0)} held"
            )
            expect(tab.page.get_by_label(text)).to_be_visible()
        for (group, _), amount in held.items():
            if group == "all" and amount > SEEN_BYTES:
                name = re.compile(f"^{re.escape(NAME)}: {re.escape(shown(amount))}")
                expect(tab.page.get_by_role("link", name=name).first).to_be_visible()
        tab.page.get_by_role("link", name=re.compile(f"^{re.escape(NAME)}: ")).first.click()
        expect(tab.page.get_by_role("heading", name=NAME)).to_be_visible()
        for (group, id_), amount in held.items():
            card = tab.page.locator("section, article").filter(has_text=re.compile(rf"Cache block {id_}: "))
            row = card.get_by_role("row").filter(has_text=re.compile(rf"^{group}"))
            expect(row.first).to_contain_text(shown(amount))
        assert tab.problems == []
        assert tab.hosts == {address.split("/")[2]}
