"""The stack of a cache block, in the browser that runs it: its sums, its holes, and who has a layer."""

import random
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
