"""Modules of the page that know no document, each called in Chromium."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.web import page_cases
from tests.web.browser import Tab, open_tab
from tests.web.served_page import serve_page


@pytest.fixture(scope="module")
def tab(browser: Browser) -> Iterator[Tab]:
    with serve_page(page_cases.page()) as page, open_tab(browser) as opened:
        opened.page.goto(page.address)
        yield opened


def run(tab: Tab, module: str, body: str, argument: object = None) -> Any:
    """Run some code with the module as `it`."""
    code = f"async (given) => {{ const it = await import(new URL('{module}', document.baseURI)); {body} }}"
    return tab.page.evaluate(code, argument)


def test_changes_replace_entries_and_remove_those_that_are_null(tab: Tab) -> None:
    body = """
      const state = it.emptyState();
      const source = {title: "lab"};
      const nodes = {a: {ready: "True"}, b: {}};
      it.merge(state, {sequence: 1, whole: true, now: 1, source, remarks: [], nodes, vms: {}});
      const kept = state.nodes.get("a");
      const isNew = [
        it.merge(state, {sequence: 1, whole: false, now: 2, source: {...source}, remarks: [], nodes: {}, vms: {}}),
        it.merge(state, {sequence: 2, whole: false, now: 3, source, remarks: ["x"], nodes: {}, vms: {}}),
        it.merge(state, {sequence: 3, whole: false, now: 4, source, remarks: ["x"], nodes: {b: null}, vms: {v: {}}}),
      ];
      const isSame = state.nodes.get("a") === kept;
      return [isNew, [...state.nodes.keys()], isSame, [...state.vms.keys()], state.now, state.revision];
    """
    assert run(tab, "state.js", body) == [[False, True, True], ["a"], True, ["v"], 4, 3]


def test_a_whole_answer_replaces_all(tab: Tab) -> None:
    body = """
      const state = it.emptyState();
      it.merge(state, {sequence: 9, whole: true, now: 1, nodes: {a: {}}, vms: {v: {}}});
      it.merge(state, {sequence: 1, whole: true, now: 2, nodes: {b: {}}, vms: {}});
      return [[...state.nodes.keys()], [...state.vms.keys()], state.sequence];
    """
    assert run(tab, "state.js", body) == [["b"], [], 1]


def test_an_entry_may_have_the_name_of_a_property_of_every_object(tab: Tab) -> None:
    body = """
      const state = it.emptyState();
      it.merge(state, JSON.parse(given));
      return [[...state.nodes.keys()], ({}).ready];
    """
    text = '{"sequence": 1, "whole": true, "now": 1, "nodes": {"__proto__": {"ready": "True"}, "constructor": {}}}'
    assert run(tab, "state.js", body, text) == [["__proto__", "constructor"], None]


def test_the_vms_of_a_node_differ_while_there_are_enough_colours_and_patterns(tab: Tab) -> None:
    body = """
      const palette = new it.Palette();
      const vms = new Map(Array.from({length: 27}, (_, index) => [`a/vm${index}`, {node: "node01"}]));
      palette.learn({nodes: new Map(), vms});
      return [...vms.keys()].map((vm) => palette.of(vm).className);
    """
    found = run(tab, "palette.js", body)
    assert len(set(found)) == 27
    assert len({name for name in found if name.endswith("pattern-0")}) == 9


def test_a_colour_stays_when_vms_come_and_the_order_of_their_names_chooses(tab: Tab) -> None:
    body = """
      const vms = (names) => new Map(names.map((name) => [name, {node: "node01"}]));
      const [one, other] = [new it.Palette(), new it.Palette()];
      const names = Array.from({length: 12}, (_, index) => `a/vm${index}`);
      one.learn({nodes: new Map(), vms: vms(names)});
      other.learn({nodes: new Map(), vms: vms([...names].reverse())});
      const before = names.map((name) => one.of(name).slot);
      one.learn({nodes: new Map(), vms: vms(["a/aaa", ...names])});
      return [before, names.map((name) => one.of(name).slot), names.map((name) => other.of(name).slot)];
    """
    before, after, reversed_ = run(tab, "palette.js", body)
    assert before == after == reversed_


def test_a_canvas_gets_colours_of_the_theme(tab: Tab) -> None:
    body = """
      const palette = new it.Palette();
      const light = palette.variable("--text");
      document.documentElement.setAttribute("data-theme", "dark");
      palette.themeChanged();
      const dark = palette.variable("--text");
      document.documentElement.removeAttribute("data-theme");
      return [light, dark, palette.resolved("a/vm1")];
    """
    light, dark, fill = run(tab, "palette.js", body)
    assert light != dark
    assert fill.startswith("rgb(")


def test_addresses_that_make_no_sense_lead_to_the_fleet(tab: Tab) -> None:
    body = "return given.map((hash) => it.parseHash(hash).view);"
    assert run(tab, "router.js", body, ["", "#", "#/", "#/node/", "#/else/x", "#/node/%E0%A4%A"]) == [
        *["fleet"] * 5,
        "node",
    ]


def test_every_module_is_asked_for_at_once(tab: Tab) -> None:
    """The page lists them: else each would wait for the one that imports it."""
    expect(tab.page.locator(".scope")).to_be_visible()
    loaded = tab.page.evaluate(
        "() => performance.getEntriesByType('resource').map((it) => it.name).filter((it) => it.endsWith('.js'))"
    )
    listed = tab.page.locator("link[rel=modulepreload]").evaluate_all("(all) => all.map((it) => it.href)")
    assert {*listed, f"{tab.page.evaluate('() => document.baseURI')}main.js"} == set(loaded)
