"""Rows and gaps of the charts, in the browser that runs them, and their bounds."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.unit.web.fixed_source import FixedSource
from tests.web.browser import Tab, open_tab
from tests.web.page_modules import BUILD, run
from tests.web.served_page import serve_page


@pytest.fixture(scope="module")
def tab(browser: Browser) -> Iterator[Tab]:
    with serve_page(FixedSource()) as page, open_tab(browser) as opened:
        opened.page.goto(page.address)
        yield opened


def test_a_pause_longer_than_figures_hold_is_a_gap(tab: Tab) -> None:
    rows = [[10, {"a": 1}, 32], [20, {"a": 2}, 32], [60, {"a": 3}, 32], [90, {"a": 4}, 32]]
    times, cells = run(tab, BUILD + "return [rows.times, rows.column('a')]", {"rows": rows})
    assert (times, cells) == ([10, 20, 40, 60, 90], [1, 2, None, 3, 4])


def test_rows_that_come_too_late_change_nothing(tab: Tab) -> None:
    rows = [[10, {"a": 1}], [20, {"a": 2}], [15, {"a": 9}], [20, {"a": 3}]]
    assert run(tab, BUILD + "return [rows.times, rows.column('a')]", {"rows": rows}) == [[10, 20], [1, 3]]


def test_the_number_of_rows_has_a_bound_and_gaps_survive_it(tab: Tab) -> None:
    rows = [[time, {"a": None if time in (7, 40) else time}] for time in range(100)]
    times, cells, reasons = run(
        tab, BUILD + "return [rows.times, rows.column('a'), rows.reasons.get('a').size]", {"rows": rows, "most": 50}
    )
    assert len(times) <= 50
    assert times[-1] == 99
    kept = dict(zip(times, cells, strict=True))
    assert kept[40] is None
    assert reasons == sum(cell is None for cell in cells)


def test_history_goes_in_front_of_what_came_meanwhile(tab: Tab) -> None:
    code = (
        BUILD
        + """
    rows.load([1, 2, 3], new Map([["a", [1, null, 3]], ["b", [7, 8, 9]]]));
    return [rows.times, rows.column("a"), rows.column("b").map((it) => it === undefined ? "none" : it)];
    """
    )
    found = run(tab, code, {"rows": [[2, {"a": 99}], [3, {"a": 99}], [4, {"a": 4}]]})
    assert found == [[1, 2, 3, 4], [1, None, 3, 4], [7, 8, 9, "none"]]


@pytest.mark.parametrize(
    ("is_here", "left", "expected"),
    [
        (True, [], ["away", 1, None, 2, None]),
        (False, [], ["away", 1, None, 2, "away"]),
        (True, [25], ["away", 1, "away", 2, None]),
        (True, [45], ["away", 1, None, 2, "away"]),
        (True, [5], ["away", 1, None, 2, None]),
    ],
)
def test_a_vm_that_left_has_no_gap(tab: Tab, *, is_here: bool, left: list[int], expected: list[Any]) -> None:
    code = "return timeline.absences(...given).map((it) => it === undefined ? 'away' : it)"
    found = run(tab, code, [[10, 20, 30, 40, 50], [None, 1, None, 2, None], {"isHere": is_here, "left": left}])
    assert found == expected


def test_markers_that_are_known_leave_the_list_as_it_is(tab: Tab) -> None:
    code = """
    const [first, second] = [10, 5].map((time) => ({ time, kind: "started", vm: "a/x", text: "a/x is on n" }));
    const known = snapshots.mergeMarkers([], [first]);
    const more = snapshots.mergeMarkers(known, [{ ...first }, second]);
    return [snapshots.mergeMarkers(known, [{ ...first }]) === known, more.map((it) => it.time)];
    """
    assert run(tab, code) == [True, [5, 10]]


def test_a_gap_breaks_the_line_of_a_small_chart(tab: Tab) -> None:
    code = """
    const shape = small_chart.smallChart([{ name: "x", part: "victim", paint: "vm-0", values: given }],
      { label: "Cache", format: String, minutes: given.length, marked: null });
    return [...shape.querySelectorAll("polyline")].map((it) => it.getAttribute("points").split(" ").length);
    """
    assert run(tab, code, [1, 2, None, 3, None, 4, 5, 6]) == [2, 2, 3]  # a lone value is a dot: two equal points


def test_a_gap_draws_no_line(tab: Tab) -> None:
    code = """
    const root = document.createElement("div");
    root.style.width = "600px";
    document.body.append(root);
    const color = "rgb(200, 0, 0)";
    const chart = new charts.Chart(root, { height: 200, format: String, binary: false, top: () => 10, room: () => 0,
      colours: () => ({ text: "#000", muted: "#000", surface: "#fff", line: "#eee", hatch: "#ccc", alert: "#f00" }),
      onRow() {}, onZoom() {}, onReset() {} });
    chart.setWindow(0, 100);
    const times = Array.from({ length: 101 }, (_, time) => time);
    const values = times.map((time) => (time > 40 && time < 60 && time !== 50 ? null : 5));
    chart.setData([{ label: "x", color }], [times, values]);
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    const { plot } = chart;
    const isRed = (time) => {
      const [x, y] = [plot.valToPos(time, "x", true), plot.valToPos(5, "y", true)].map(Math.round);
      const { data } = plot.ctx.getImageData(x, y - 2, 1, 5);
      return data.some((value, at) => at % 4 === 0 && value > 150 && data[at + 1] < 80 && data[at + 3] > 150);
    };
    const found = { values: plot.data[1].slice(39, 62), red: [20, 38, 44, 46, 50, 54, 57, 62, 80].map(isRed) };
    chart.close();
    root.remove();
    return found;
    """
    found = run(tab, code)
    assert found["values"] == [5, 5, *[None] * 9, 5, *[None] * 9, 5, 5]
    assert found["red"] == [True, True, False, False, True, False, False, True, True]  # the lone value is a dot


def test_the_page_keeps_its_size_over_thousands_of_updates(tab: Tab) -> None:
    code = """
    const { nodeView } = await import(new URL("node_view.js", document.baseURI));
    const { Palette } = await import(new URL("palette.js", document.baseURI));
    const state = { now: 1000, source: {}, remarks: [], nodes: new Map(), vms: new Map() };
    const app = { state, palette: new Palette(), route: { view: "node", node: "n", vm: "" }, memory: new Map(),
      now: () => state.now, navigate() {},
      fetchJson: async () => ({ times: [], series: [], blocks: [], markers: [], parts: [] }) };
    const root = document.createElement("div");
    document.body.append(root);
    const step = (round) => {
      state.now = 1000 + 2 * round;
      const of = { ready: "True", reason: "", message: "", observed: state.now, period: 2 };
      const holders = [];
      for (let at = 0; at < 3; at++) {
        const occupancy = 1000000 + ((round * 7919 + at * 104729) % 100000);
        const blocks = [{ id: 0, occupancy, capacity: 36e6, bandwidth: occupancy * 3 }];
        const bandwidth = occupancy * 3;
        state.vms.set(`t/vm${at}`, { ...of, node: "n", occupancy, bandwidth, blocks, groups: [], places: [] });
        holders.push([`t/vm${at}`, occupancy]);
      }
      const held = holders.reduce((sum, [, bytes]) => sum + bytes, 0);
      const sums = { capacity: 36e6, occupancy: held + 5, unattributed: 5 };
      const block = { id: 0, ...sums, reading: "Valid", reason: "", holders };
      const empty = { agent: "1", rmids: null, interferenceRatio: null, verdicts: [] };
      state.nodes.set("n", { ...of, ...empty, blocks: [block] });
      app.palette.learn(state);
      view.render();
    };
    const view = nodeView(root, app);
    view.history.timeline.most = 200;
    const sizes = [];
    for (let round = 0; round < given; round++) {
      step(round);
      if (round === 50 || round === given - 1) sizes.push(root.querySelectorAll("*").length);
      if (round % 500 === 0) await new Promise((resolve) => requestAnimationFrame(resolve));
    }
    const rows = view.history.timeline.times.length;
    view.close();
    root.remove();
    return { sizes, rows };
    """
    found = run(tab, code, 2000)
    assert found["sizes"][0] == found["sizes"][1]
    assert found["rows"] <= 200
