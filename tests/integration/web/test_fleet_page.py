import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect

from cachemon.web.page_source import PageSource
from tests.unit.web.fixed_source import FixedSource
from tests.web import page_cases
from tests.web.browser import Tab, open_tab, wait_until_drawn
from tests.web.page_cases import MIB, NOW, block, node, verdict, vm
from tests.web.served_page import serve_page

NAMES = ".row-name"
"""The nodes in the order in which rows show."""


@contextmanager
def shown(browser: Browser, source: PageSource, *, width: int = 1280, dark: bool = False) -> Iterator[Tab]:
    """A tab that shows the fleet of a source."""
    with serve_page(source) as served, open_tab(browser, width=width, dark=dark) as tab:
        tab.page.goto(served.address)
        wait_until_drawn(tab.page)
        yield tab
        assert tab.problems == []
        assert tab.hosts == {served.address.split("/")[2]}


def row(name: str) -> str:
    """The selector of a node's row."""
    return f'.row[data-key="{name}"]'


def texts(page: Page, name: str, selector: str) -> list[str]:
    found: list[str] = page.locator(f"{row(name)} {selector}").all_inner_texts()
    return [text.strip() for text in found]


def test_a_bar_has_the_vms_the_unattributed_part_and_the_free_part_by_their_size(browser: Browser) -> None:
    with shown(browser, page_cases.two_nodes()) as tab:
        bar = tab.page.locator(f"{row('node01')} .track")
        parts = bar.locator(".segment").evaluate_all(
            "(all) => all.map((it) => it.offsetWidth / it.parentElement.offsetWidth)"
        )
        assert parts == pytest.approx([20 / 32, 5 / 32, 6 / 32], abs=0.01)
        assert bar.locator(".segment").all_inner_texts()[:2] == ["vm2\n20Mi", "vm1"]
        assert texts(tab.page, "node01", ".block-figure") == ["31Mi/32Mi 97%"]
        assert texts(tab.page, "node01", ".row-rmids") == ["RMIDs 7/64"]
        assert texts(tab.page, "node01", ".row-meta")[0] == "2 VMs"


def test_vms_that_the_node_does_not_name_have_their_part_of_the_bar(browser: Browser) -> None:
    source = page_cases.two_nodes()
    busy = source.current["nodes"]["node01"]
    named = busy["blocks"][0]
    more = MIB // 2
    busy["blocks"] = [
        {**named, "occupancy": (named["occupancy"] or 0) + more, "monitored": (named["monitored"] or 0) + more}
    ]
    with shown(browser, source) as tab:
        parts = tab.page.locator(f"{row('node01')} .track .segment").evaluate_all(
            "(all) => all.map((it) => it.offsetWidth / it.parentElement.offsetWidth)"
        )
        assert sum(parts) == pytest.approx(31.5 / 32, abs=0.02)
        assert texts(tab.page, "node01", ".block-figure")[0].startswith("32Mi/32Mi")


def test_vms_that_the_node_does_not_name_show_by_their_own_figures_as_far_as_the_node_counts_them(
    browser: Browser,
) -> None:
    whole = block(0, held={"a/x": 8 * MIB}, others=4 * MIB)
    vms = {"a/x": 7, "a/y": 5, "a/newer": 4, "a/z": 2}
    source = page_cases.page(
        {"node01": node({**whole, "occupancy": 20 * MIB, "monitored": 16 * MIB})},
        {name: vm("node01", (0, size * MIB)) for name, size in vms.items()},
    )
    with shown(browser, source) as tab:
        parts = tab.page.locator(".track .segment").evaluate_all(
            "(all) => all.map((it) => [it.getAttribute('aria-label') ?? it.innerText, it.offsetWidth])"
        )
        assert [name.split(":")[0] for name, _ in parts] == ["a/x", "a/y", "a/z", "", ""]
        assert [width / parts[2][1] for _, width in parts] == pytest.approx([4, 2.5, 1, 0.5, 2], rel=0.1)


def test_every_bar_has_its_figures_as_names(browser: Browser) -> None:
    with shown(browser, page_cases.two_nodes()) as tab:
        bar = tab.page.get_by_role("group", name="cache block 0: 31Mi of 32Mi held, 6.0Mi of it unattributed")
        expect(bar).to_have_count(1)
        expect(bar.get_by_role("link")).to_have_count(2)
        expect(bar.get_by_role("link", name="tenant-a/vm2: 20Mi, 62% of cache block 0")).to_be_visible()


def test_a_verdict_names_both_vms_how_sure_it_is_and_what_it_costs(browser: Browser) -> None:
    with shown(browser, page_cases.two_nodes()) as tab:
        line = tab.page.locator(f"{row('node01')} .verdict")
        assert " ".join(line.inner_text().split()) == "Confirmed tenant-a/vm2 takes cache of tenant-a/vm1 +31% for 7m"
        expect(line).to_have_attribute("href", "#/vm/tenant-a/vm1")
        assert line.get_attribute("aria-label") == (
            "Confirmed: tenant-a/vm2 takes cache of tenant-a/vm1, which takes 31 % more cycles, on node01"
        )


def test_a_row_shows_the_worst_three_verdicts_and_counts_the_others(browser: Browser) -> None:
    found = [verdict(f"a/victim{index}", "a/x", level) for index, level in enumerate(("Likely", "TakingCache") * 3)]
    ended = verdict("a/old", "a/x", outcome="Ended")
    source = page_cases.page(
        {"node01": node(block(0, held={"a/x": MIB}), verdicts=[ended, *found, verdict("a/v", "")])}
    )
    with shown(browser, source) as tab:
        assert texts(tab.page, "node01", ".badge") == ["Confirmed", "Likely", "Likely"]
        assert texts(tab.page, "node01", ".more") == ["and 4 more verdicts"]
        assert "something unmonitored takes cache of" in texts(tab.page, "node01", ".verdict")[0].replace("\n", " ")


def test_the_worst_nodes_come_first(browser: Browser) -> None:
    calm = block(0, held={"a/x": 3 * MIB})
    full = block(0, held={"a/x": 31 * MIB})
    levels = {"taking": "TakingCache", "likely": "Likely", "confirmed": "Confirmed"}
    nodes = {name: node(calm, verdicts=[verdict("a/v", "a/x", level, on=name)]) for name, level in levels.items()}
    nodes |= {"node10": node(calm), "node9": node(calm), "full": node(full)}
    nodes |= {"silent": node(block(0, missing="AgentNotReporting"), ready="Unknown", age=900)}
    with shown(browser, page_cases.page(nodes)) as tab:
        expect(tab.page.locator(NAMES)).to_have_text(
            ["confirmed", "likely", "taking", "silent", "full", "node9", "node10"]
        )


def test_a_missing_figure_is_hatched_and_has_its_reason_in_words(browser: Browser) -> None:
    with shown(browser, page_cases.unhealthy()) as tab:
        assert texts(tab.page, "silent", ".no-figure") == ["no figure: agent not reporting"]
        assert texts(tab.page, "unready", ".no-figure") == ["no figure: resctrl not mounted"]
        assert texts(tab.page, "unready", ".row-message") == ["mount it"]
        assert texts(tab.page, "unread", ".no-figure") == ["no figure: the hardware holds no value now"]
        assert texts(tab.page, "unread", ".block-figure") == ["-/32Mi", "9.0Mi/32Mi 28%"]
        hatched = tab.page.locator(".track.missing")
        expect(hatched).to_have_count(3)
        for background in hatched.evaluate_all("(all) => all.map((it) => getComputedStyle(it).backgroundImage)"):
            assert "repeating-linear-gradient" in background
        words = tab.page.locator(".track.missing .no-figure span")
        widths = words.evaluate_all("(all) => all.map((it) => it.offsetWidth / it.closest('.track').offsetWidth)")
        assert max(widths) < 0.5  # the hatching shows beside the words


def test_a_row_has_its_age_only_where_it_is_older_than_the_others(browser: Browser) -> None:
    with shown(browser, page_cases.unhealthy()) as tab:
        assert texts(tab.page, "calm", ".age") == [""]
        assert texts(tab.page, "silent", ".age") == ["age 30m(old)"]
        assert re.fullmatch(r"age 1\d\ds|age 2m", texts(tab.page, "older", ".age")[0])


def test_rmids_that_run_short_stand_out(browser: Browser) -> None:
    with shown(browser, page_cases.unhealthy()) as tab:
        expect(tab.page.locator(".row-rmids.tight")).to_have_text("RMIDs 62/64")


def test_a_cache_of_unknown_size_has_no_share(browser: Browser) -> None:
    with shown(browser, page_cases.unhealthy()) as tab:
        assert texts(tab.page, "unsized", ".block-figure") == ["8.0Mi"]


def test_sums_say_how_much_of_the_fleet_they_are_about(browser: Browser) -> None:
    with shown(browser, page_cases.unhealthy()) as tab:
        summary = [" ".join(text.split()) for text in tab.page.locator(".summary div").all_inner_texts()]
        assert summary[0] == "Nodes 6 2 not ready"
        assert summary[2] == "Cache held 20Mi of 96Mi, 21%, in 3 of 6 blocks"
        assert summary[3] == "Verdicts none"


def test_a_tenant_sees_nodes_as_far_as_vms_name_them_and_why(browser: Browser) -> None:
    with shown(browser, page_cases.as_tenant(), width=390) as tab:
        expect(tab.page.locator(".notice")).to_contain_text("you may not read CacheMonitorNodes")
        expect(tab.page.locator(NAMES)).to_have_text(["node01", "node02"])
        assert texts(tab.page, "node01", ".block-figure") == [">5.0Mi/32Mi"]
        assert texts(tab.page, "node02", ".no-figure") == ["no figure of your VMs here"]
        line = " ".join(tab.page.locator(".verdict .parties").inner_text().split())
        assert line == "another VM of this node takes cache of tenant-a/vm1"
        expect(tab.page.locator(".unplaced")).to_contain_text("tenant-a/stopped VMI not running")


@pytest.mark.parametrize(
    ("kind", "namespace", "command"),
    [
        ("kubevirt", "", "kubectl cachemon cpu-resource VM -n NAMESPACE --create --vcpulist all"),
        ("kubevirt", "tenant-a", "kubectl cachemon cpu-resource VM -n tenant-a --create --vcpulist all"),
        ("host", "", "cachemon host cpu-resource DOMAIN --create --vcpulist all --live --config"),
    ],
)
def test_a_page_without_rows_says_what_to_type_next(
    browser: Browser, kind: str, namespace: str, command: str
) -> None:
    source = page_cases.page(source=page_cases.source_state(kind=kind, namespace=namespace))
    with shown(browser, source) as tab:
        expect(tab.page.locator(".empty pre").first).to_have_text(command)
        expect(tab.page.locator(".tools")).to_be_hidden()


def test_search_finds_nodes_and_vms_and_names_the_vms(browser: Browser) -> None:
    with shown(browser, page_cases.two_nodes()) as tab:
        search = tab.page.get_by_role("searchbox")
        search.fill("VM4")
        expect(tab.page.locator(".row")).to_have_count(1)
        assert texts(tab.page, "node02", ".match") == ["tenant-a/vm4\nholds 2.0Mi"]
        expect(tab.page.locator(".segment.dimmed")).to_have_count(2)
        expect(tab.page.locator(".shown")).to_have_text("1 of 2 nodes")
        search.fill("node01")
        expect(tab.page.locator(NAMES)).to_have_text(["node01"])
        expect(tab.page.locator(".segment.dimmed")).to_have_count(0)
        search.fill("nothing")
        expect(tab.page.get_by_role("heading", name="No node matches")).to_be_visible()


def test_filters_leave_nodes_with_verdicts_those_not_ready_or_those_of_a_namespace(browser: Browser) -> None:
    with shown(browser, page_cases.two_nodes()) as tab:
        button = tab.page.get_by_role("button", name="With verdicts 1")
        button.click()
        expect(tab.page.locator(NAMES)).to_have_text(["node01"])
        expect(button).to_have_attribute("aria-pressed", "true")
        button.click()
        tab.page.get_by_role("button", name="Not ready 0").click()
        expect(tab.page.locator(".row")).to_have_count(0)
        tab.page.get_by_role("button", name="Not ready 0").click()
        tab.page.get_by_role("combobox", name="Namespace").select_option("tenant-b")
        expect(tab.page.locator(NAMES)).to_have_text(["node02"])


def test_the_page_follows_the_server_and_says_only_what_is_new(browser: Browser) -> None:
    source = page_cases.two_nodes(disturbed=False)
    with serve_page(source) as served, open_tab(browser) as tab:
        tab.page.goto(served.address)
        expect(tab.page.locator(".row")).to_have_count(2)

        def change(state: FixedSource) -> None:
            source.current = state.current

        fuller = page_cases.with_node(source, "node02", node(block(0, held={"tenant-b/vm3": 30 * MIB})))
        served.call(lambda: change(fuller))
        expect(tab.page.locator(f"{row('node02')} .block-figure")).to_contain_text(["30Mi"])
        assert tab.page.locator("#announcer").inner_text() == ""
        served.call(lambda: change(page_cases.two_nodes()))
        expect(tab.page.locator("#announcer")).to_have_text(
            "New verdict: Confirmed: tenant-a/vm2 takes cache of tenant-a/vm1, which takes 31 % more cycles, "
            "on node01."
        )
        assert tab.problems == []


def test_a_vm_keeps_its_colour_when_it_moves(browser: Browser) -> None:
    source = page_cases.two_nodes()
    with serve_page(source) as served, open_tab(browser) as tab:
        tab.page.goto(served.address)
        segment = tab.page.locator('.segment[aria-label^="tenant-a/vm1:"]')
        colour = segment.get_attribute("class")
        nodes = {
            "node01": node(block(0, held={"tenant-a/vm2": 20 * MIB})),
            "node02": node(block(0, held={"tenant-b/vm3": 9 * MIB, "tenant-a/vm1": 4 * MIB})),
        }
        moved = page_cases.page(nodes, {"tenant-a/vm1": vm("node02", (0, 4 * MIB))})

        def move() -> None:
            source.current = moved.current

        served.call(move)
        expect(tab.page.locator(f"{row('node02')} .segment[aria-label^='tenant-a/vm1:']")).to_have_count(1)
        assert segment.get_attribute("class") == colour


def test_a_server_that_is_gone_is_said_and_the_figures_stay(browser: Browser) -> None:
    with open_tab(browser) as tab:
        with serve_page(page_cases.two_nodes()) as served:
            tab.page.goto(served.address)
            expect(tab.page.locator(".row")).to_have_count(2)
        expect(tab.page.locator(".notice.problem")).to_contain_text("Start it again with kubectl cachemon web.")
        expect(tab.page.locator("#connection")).to_contain_text("no answer for")
        expect(tab.page.locator("#announcer")).to_have_text(
            "The server does not answer. The figures are from before."
        )
        expect(tab.page.locator(".row")).to_have_count(2)


def test_a_problem_of_the_source_stands_above_the_figures(browser: Browser) -> None:
    problem = "the API server refuses: see `kubectl auth whoami`"
    with shown(browser, page_cases.page(source=page_cases.source_state(problem=problem))) as tab:
        expect(tab.page.locator(".notice.problem")).to_contain_text("The figures are from before: the API server")
        expect(tab.page.locator(".notice.problem code")).to_have_text("kubectl auth whoami")


def test_figures_whose_agent_falls_silent_meanwhile_are_called_so(browser: Browser) -> None:
    nodes = {"node01": node(block(0, held={"a/x": MIB}), age=0)}
    with shown(browser, page_cases.page(nodes, now=NOW + 1000)) as tab:
        assert texts(tab.page, "node01", ".row-problem") == ["agent not reporting"]
