"""The pure parts of the charts, in the browser that runs them: rows, gaps, sums of a stack, and their bounds."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.unit.web.fixed_source import FixedSource
from tests.web.browser import Tab, open_tab
from tests.web.served_page import serve_page


@pytest.fixture(scope="module")
def tab(browser: Browser) -> Iterator[Tab]:
    with serve_page(FixedSource()) as page, open_tab(browser) as opened:
        opened.page.goto(page.address)
        yield opened


def run(tab: Tab, code: str, argument: Any = None) -> Any:
    """What a function body returns; `timeline`, `stack` and `snapshots` are the modules, `given` the argument."""
    modules = ("timeline", "stack", "snapshots", "small_chart", "charts")
    loads = "; ".join(f'const {name} = await import(new URL("{name}.js", document.baseURI))' for name in modules)
    return tab.page.evaluate(f"async (given) => {{ {loads}; {code} }}", argument)


BUILD = """
const rows = new timeline.Timeline(given.most ?? 5000);
for (const [time, figures, longest] of given.rows) {
  const cells = Object.entries(figures).map(([name, value]) => [name, { value, reason: "Why" }]);
  rows.append(time, new Map(cells), longest ?? undefined);
}
"""


def random_rows(seed: int) -> list[list[Any]]:
    """Rows of three VMs; the node's own figures agree with theirs, also where one is missing."""
    chosen = random.Random(seed)
    rows: list[list[Any]] = []
    for number in range(60):
        held = {vm: chosen.randrange(1, 9_000_000) for vm in ("a/x", "a/y", "b/z") if chosen.random() < 0.9}
        rest = chosen.randrange(1, 3_000_000)
        figures: dict[str, int | None] = {f"occupancy 0 {vm}": size for vm, size in held.items()}
        figures |= {"total 0 ": sum(held.values()) + rest, "unattributed 0 ": rest}
        if held and chosen.random() < 0.2:
            figures[f"occupancy 0 {chosen.choice(sorted(held))}"] = None
        rows.append([1000 + number * 10, figures])
    return rows


STACK = (
    BUILD
    + """
const layers = stack.chooseLayers(rows, 0, ["a/x", "a/y", "b/z"], { most: given.layers, before: given.before ?? [] });
const { layers: found, total, holes } = stack.stackOf(rows, 0, layers);
const shown = found.map(({ key, raw, base, top }) => ({ key, raw: raw.map((it) => it ?? null), base, top }));
return { total, holes, layers: shown };
"""
)


@pytest.mark.parametrize("layers", [3, 1])
@pytest.mark.parametrize("seed", range(5))
def test_layers_stand_on_each_other_and_reach_the_total(tab: Tab, seed: int, layers: int) -> None:
    rows = random_rows(seed)
    found = run(tab, STACK, {"rows": rows, "layers": layers})
    missing = {row for row, (_, figures) in enumerate(rows) if None in figures.values()}
    holes = {row for hole in found["holes"] for row in range(hole["from"], hole["until"] + 1)}
    assert missing
    assert holes == missing
    for row, (_, figures) in enumerate(rows):
        tops = [layer["top"][row] for layer in found["layers"]]
        if row in missing:
            assert set(tops) == {None}
            continue
        bases = [layer["base"][row] for layer in found["layers"]]
        assert bases == [0, *tops[:-1]]
        assert tops[-1] == figures["total 0 "] == found["total"][row]


def test_no_layer_falls_where_the_figure_of_another_is_missing(tab: Tab) -> None:
    rows = [
        [10, {"occupancy 0 a/x": 50, "occupancy 0 a/y": 30, "total 0 ": 100, "unattributed 0 ": 20}],
        [20, {"occupancy 0 a/x": None, "occupancy 0 a/y": 30, "total 0 ": 100, "unattributed 0 ": 20}],
        [30, {"occupancy 0 a/x": 50, "occupancy 0 a/y": 30, "total 0 ": 100, "unattributed 0 ": 20}],
    ]
    found = run(tab, STACK, {"rows": rows, "layers": 3})
    assert {layer["key"]: layer["top"] for layer in found["layers"]} == {
        "a/x": [50, None, 50],
        "a/y": [80, None, 80],
        "unattributed": [100, None, 100],
    }
    assert found["holes"] == [{"from": 1, "until": 1, "why": "no figure of a/x: Why"}]


def test_a_vm_that_the_node_does_not_count_either_leaves_no_hole(tab: Tab) -> None:
    rows = [
        [10, {"occupancy 0 a/x": 50, "occupancy 0 a/y": 30, "total 0 ": 100, "unattributed 0 ": 20}],
        [20, {"occupancy 0 a/x": None, "occupancy 0 a/y": 30, "total 0 ": 100, "unattributed 0 ": 70}],
    ]
    found = run(tab, STACK, {"rows": rows, "layers": 3})
    assert found["holes"] == []
    assert [layer["top"][1] for layer in found["layers"]] == [0, 30, 100]


def test_figures_of_unequal_age_never_lift_the_stack_over_the_total(tab: Tab) -> None:
    rows = [
        [10, {"occupancy 0 a/x": 50, "total 0 ": 100, "unattributed 0 ": 50}],
        [12, {"occupancy 0 a/x": 80, "total 0 ": 100, "unattributed 0 ": 50}],
    ]
    found = run(tab, STACK, {"rows": rows, "layers": 3})
    assert [layer["top"] for layer in found["layers"]] == [[50, 80], [100, 100]]


def test_before_any_vm_has_a_figure_nothing_is_called_unattributed(tab: Tab) -> None:
    rows = [[10, {"total 0 ": 100}], [20, {"occupancy 0 a/x": 50, "total 0 ": 100}]]
    found = run(tab, STACK, {"rows": rows, "layers": 3})
    assert [layer["raw"] for layer in found["layers"]] == [[None, 50], [None, 50]]
    assert found["holes"] == [{"from": 0, "until": 0, "why": "no VM has a figure"}]
    assert found["total"] == [100, 100]


def test_what_the_node_counts_and_nobody_shows_is_a_layer_of_others(tab: Tab) -> None:
    rows = [[10, {"occupancy 0 a/x": 50, "total 0 ": 100, "unattributed 0 ": 20, "unseen 0 ": 30}]]
    found = run(tab, STACK, {"rows": rows, "layers": 3})
    assert [(layer["key"], layer["raw"]) for layer in found["layers"]] == [
        ("a/x", [50]),
        ("others", [30]),
        ("unattributed", [20]),
    ]


SNAPSHOT = """
const state = { nodes: new Map([["n", given.node]]), vms: new Map(Object.entries(given.vms)) };
return Object.fromEntries(snapshots.nodeSnapshot(state, "n").figures);
"""


def test_a_vm_that_waits_for_rmids_is_not_missing_and_a_stale_one_is(tab: Tab) -> None:
    blocks = [{"id": 0, "occupancy": None, "capacity": 100, "bandwidth": None}]
    vm = {"node": "n", "observed": 1, "period": 60, "reason": "AgentNotReporting", "blocks": blocks}
    block = {"id": 0, "occupancy": 90, "monitored": 60, "unattributed": 30, "reason": "", "holders": [["a/held", 60]]}
    vms = {
        "a/waits": {**vm, "groups": [{"state": "Waiting"}]},
        "a/stale": {**vm, "groups": [{"state": "Monitored"}]},
        "a/held": {**vm, "groups": [{"state": "Monitored"}]},
    }
    node = {"observed": 1, "period": 60, "reason": "", "blocks": [block]}
    found = run(tab, SNAPSHOT, {"node": node, "vms": vms})
    assert {name: figure["value"] for name, figure in found.items() if name.startswith("occ")} == {
        "occupancy 0 a/held": 60,
        "occupancy 0 a/stale": None,
    }


def test_vms_that_may_not_be_seen_are_counted_as_others(tab: Tab) -> None:
    block = {
        "id": 0,
        "occupancy": 90,
        "monitored": 75,
        "unattributed": 15,
        "reason": "",
        "holders": [["b/x", 40], ["b/y", 20]],
    }
    node = {"observed": 1, "period": 60, "reason": "", "blocks": [block]}
    vm = {"node": "n", "observed": 1, "period": 60, "reason": "", "blocks": [], "groups": []}
    shown = run(tab, SNAPSHOT, {"node": node, "vms": {"b/x": vm, "b/y": vm}})
    hidden = run(tab, SNAPSHOT, {"node": node, "vms": {"b/x": vm}})
    assert (shown["unseen 0 "]["value"], hidden["unseen 0 "]["value"]) == (0, 15)


def test_a_layer_keeps_its_place_when_another_vm_holds_more(tab: Tab) -> None:
    rows = [
        [
            10,
            {
                "occupancy 0 a/x": 50,
                "occupancy 0 a/y": 70,
                "occupancy 0 b/z": 60,
                "total 0 ": 180,
                "unattributed 0 ": 0,
            },
        ]
    ]
    order = {
        before: [
            layer["key"] for layer in run(tab, STACK, {"rows": rows, "layers": 2, "before": before.split()})["layers"]
        ]
        for before in ("", "b/z a/y", "a/x b/z")
    }
    assert order == {
        "": ["a/y", "b/z", "others", "unattributed"],
        "b/z a/y": ["b/z", "a/y", "others", "unattributed"],
        "a/x b/z": ["b/z", "a/y", "others", "unattributed"],
    }


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
