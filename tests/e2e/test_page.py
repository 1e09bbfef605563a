"""`kubectl cachemon web` on a cluster with real VMs, in a real browser: every number on the page is the API's."""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Browser, Page

from cachemon.model.units import format_bytes
from lab.books import until_cache_is_held
from lab.cluster import Cluster
from lab.wait import until
from tests.integration.apiserver.web_process import web
from tests.web.browser import Tab, chromium, open_browser, open_tab

if TYPE_CHECKING:
    from tests.e2e.view import Start, View, Watch

NODES = "/apis/cachemon.dev/v1alpha1/cachemonitornodes"
Cells = dict[tuple[str, ...], tuple[str, ...]]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For this module alone: Playwright runs an event loop in this thread, where other tests want their own."""
    if chromium() is None:
        pytest.skip("there is no chromium: apt-get install chromium")
    with open_browser() as found:
        yield found


@pytest.fixture
def tab(browser: Browser) -> Iterator[Tab]:
    with open_tab(browser) as found:
        yield found
        assert found.problems == []


def exactly(value: int | None, unit: str) -> str:
    """The title of a figure: the page rounds it, and has it whole on the pointer."""
    return "" if value is None else f"{value:,} {unit}"


def figures(page: Page) -> Cells:
    """Titles of the figures in all tables of a view, by caption and row."""
    rows: list[list[str]] = page.locator("table.figures tbody tr").evaluate_all(
        """(rows) => rows.map((row) => [
          row.closest("table").caption.textContent, row.querySelector("th").textContent,
          ...[...row.querySelectorAll("td .cell-text")].map((cell) => cell.title)])"""
    )
    return {(row[0], row[1]): tuple(row[2:]) for row in rows}


def of_groups(status: dict[str, Any]) -> Cells:
    """The same of a CacheMonitorGroup: occupancy, traffic and local traffic of each group and block."""
    found: Cells = {}
    for group in status["groups"]:
        for block in group["cacheBlocks"]:
            rates = block["memoryBandwidth"]
            found[f"Groups in cache block {block['id']} now", group["name"]] = (
                exactly(block["occupancyBytes"], "bytes"),
                exactly(rates["totalBytesPerSecond"], "bytes per second"),
                exactly(rates["localBytesPerSecond"], "bytes per second"),
            )
    return found


def shown_groups(page: Page, names: set[str]) -> Cells:
    rows = {key: cells for key, cells in figures(page).items() if key[1] in names and len(cells) > 3}
    return {key: (cells[0], cells[2], cells[3]) for key, cells in rows.items()}


def of_node(node: dict[str, Any], vms: Collection[str]) -> Cells:
    """The same of a CacheMonitorNode: what VMs hold of each block, what nobody's VM holds, and all of it.

    Empty while no block has figures of VMs. A block does not name a VM that holds nothing of it, as one whose threads
    never ran there.
    """
    found: Cells = {}
    blocks = node["status"]["cacheBlocks"]
    if not any("heaviestVMIs" in block for block in blocks):
        return found  # states are written before the first figures
    for block in blocks:
        caption = f"Figures of cache block {block['id']} now"
        held = {f"{vm['namespace']}/{vm['name']}": vm["occupancyBytes"] for vm in block.get("heaviestVMIs", ())}
        for vm in {*vms, *held}:
            found[caption, vm] = (exactly(held.get(vm, 0), "bytes"),)
        found[caption, "unattributed"] = (exactly(block["unattributedBytes"], "bytes"),)
        found[caption, "in total"] = (exactly(block["occupancyBytes"], "bytes"),)
    return found


def shown_node(page: Page) -> Cells:
    return {key: cells[:1] for key, cells in figures(page).items()}


def node_of(cluster: Cluster, name: str) -> dict[str, Any]:
    found: dict[str, Any] = cluster.control_plane.request("GET", f"{NODES}/{name}")
    return found


def bars(page: Page, node: str) -> list[str]:
    return [text.strip() for text in page.locator(f'.row[data-key="{node}"] .block-figure').all_inner_texts()]


def of_bars(node: dict[str, Any]) -> list[str]:
    return [
        f"{format_bytes(block['occupancyBytes'])}/{format_bytes(block['capacityBytes'])} "
        f"{block['occupancyBytes'] / block['capacityBytes']:.0%}"
        for block in node["status"]["cacheBlocks"]
    ]


def test_every_number_on_the_page_is_the_apis(
    cluster: Cluster, start: "Start", watch: "Watch", view: "View", tab: Tab
) -> None:
    vmis = {
        "vm1": start("vm1", "node01", vcpus=4, busy_percent=(6, 4, 2, 1)),
        "vm2": start("vm2", "node01", vcpus=2, busy_percent=(8, 1)),
    }
    watch("vm1", [{"vcpus": "0-1"}, {"vcpus": "2-3"}])
    watch("vm2")
    control, namespace, page = cluster.nodes["node01"].emulator.control, vmis["vm1"].namespace, tab.page
    for name, vmi in vmis.items():
        view.until_ready(name)
        until_cache_is_held(control, vmi.machine.vcpu_tids.values())

    def is_the_same(shown: Any, known: Any) -> bool:
        """What the API has before and after, so that no report comes in between."""
        before = known()
        return bool(before) and (before, before) == (shown(), known())

    with web(cluster.control_plane, "-A") as client:
        control.freeze()
        try:
            page.goto(f"{client.address}#/vm/{namespace}/vm1")
            names = {"vcpus_0-1", "vcpus_2-3"}
            until(
                "the VM's figures",
                lambda: is_the_same(lambda: shown_groups(page, names), lambda: of_groups(view.status("vm1"))),
            )
            vms = {f"{namespace}/{name}" for name in vmis}
            page.goto(f"{client.address}#/node/node01")
            until(
                "the node's figures",
                lambda: is_the_same(lambda: shown_node(page), lambda: of_node(node_of(cluster, "node01"), vms)),
            )
            page.goto(f"{client.address}#/")
            until(
                "the bars",
                lambda: is_the_same(lambda: bars(page, "node01"), lambda: of_bars(node_of(cluster, "node01"))),
            )
        finally:
            control.thaw()


def test_the_page_shows_a_migration_while_it_happens(
    cluster: Cluster, start: "Start", watch: "Watch", view: "View", tab: Tab
) -> None:
    vmi = start("vm1", "node01")
    watch("vm1")
    view.until_ready("vm1", node="node01")
    with web(cluster.control_plane, "-n", vmi.namespace) as client:
        tab.page.goto(f"{client.address}#/vm/{vmi.namespace}/vm1")
        places = tab.page.locator(".place a bdi")
        until("the first place", lambda: places.all_inner_texts() == ["node01"])
        vmi.migrate("node02")
        until("both places", lambda: places.all_inner_texts() == ["node01", "node02"], seconds=60)
        moved = f"{vmi.namespace}/vm1 moved from node01 to node02"
        until("the mark", lambda: moved in tab.page.locator("main").inner_text())
        view.until_ready("vm1", node="node02")
        until("figures from there", lambda: "node02" in tab.page.locator("dl").first.inner_text())
