/** Every node with its cache blocks, worst first. */

import { element } from "./dom.js";
import { showEmpty } from "./fleet_empty.js";
import { listenToKeys } from "./fleet_keys.js";
import { layoutOf, rowHeight } from "./fleet_layout.js";
import { fleetEntries, fleetSums, vmMatcher, wantedEntries, worstFirst } from "./fleet_model.js";
import { createRow, updateRow } from "./fleet_row.js";
import { fleetSummary } from "./fleet_summary.js";
import { fleetTools } from "./fleet_tools.js";
import { showUnplaced } from "./fleet_unplaced.js";
import { problemOf } from "./fleet_words.js";
import { Tip } from "./tip.js";
import { VirtualList } from "./virtual_list.js";

/** Figures turn stale as time passes: how often rows are ranked again while nothing changes. */
const RANK_SECONDS = 5;
const HELP =
  "Arrow keys up and down move between nodes, left and right between the VMs of a node. Enter opens. A slash searches.";

/**
 * @typedef {import("./main.js").App} App
 * @typedef {import("./fleet_row.js").RowItem} RowItem
 * @typedef {{wanted: import("./fleet_model.js").Wanted, scroll: number, active: string}} Memory
 * What the fleet finds again when the reader comes back; `active` is the node that Tab reaches.
 */

/** @returns {Memory} */
function firstMemory() {
  return { wanted: { query: "", namespace: "", withVerdicts: false, notReady: false }, scroll: 0, active: "" };
}

/**
 * @param {HTMLElement} root
 * @param {App} app
 * @returns {import("./main.js").View}
 */
export function fleetView(root, app) {
  /** @type {Memory} */
  const memory = app.memory.get("fleet") ?? firstMemory();
  app.memory.set("fleet", memory);
  const parts = pageOf(root, app, memory, () => render());
  let rendered = "";
  let isFirst = true;

  const render = () => {
    const now = app.now();
    const key = JSON.stringify([app.state.revision, memory.wanted, root.clientWidth, rootFontPixels(), Math.floor(now / RANK_SECONDS)]);
    parts.drawing.now = now;
    if (key === rendered) parts.list.draw();
    else drawAll(app, memory, parts, root.clientWidth);
    rendered = key;
    if (isFirst) scrollTo({ top: memory.scroll, behavior: "instant" });
    isFirst = false;
  };
  const onResize = () => requestAnimationFrame(render);
  addEventListener("resize", onResize);
  return {
    render,
    close() {
      memory.scroll = scrollY;
      removeEventListener("resize", onResize);
      for (const close of parts.closers) close();
    },
  };
}

/**
 * @param {HTMLElement} root
 * @param {App} app
 * @param {Memory} memory
 * @param {() => void} render
 */
function pageOf(root, app, memory, render) {
  const rows = element("ul", { class: "rows", role: "list", "aria-label": "Nodes, worst first", "aria-describedby": "fleet-help" });
  const summary = fleetSummary();
  const tools = fleetTools(memory.wanted, app, () => {
    list.toStart();
    render();
  });
  const empty = element("div", { class: "empty", hidden: true });
  const unplaced = element("section", { class: "unplaced", hidden: true });
  root.append(
    element("h1", { class: "visually-hidden", text: "Fleet" }), element("p", { id: "fleet-help", hidden: true, text: HELP }),
    summary.root, tools.root, empty, rows, unplaced,
  );
  const tip = new Tip(root);
  const drawing = {
    palette: app.palette, tip, now: 0,
    layout: layoutOf(0, 16, 0), searched: "", vms: app.state.vms, memory,
  };
  /** @type {VirtualList<RowItem>} */
  const list = new VirtualList(rows, {
    keyOf: (item) => item.entry.name,
    heightOf: (item) => rowHeight(item.entry, item.found.length, Boolean(item.problem), drawing.layout),
    create: createRow,
    update: (row, item) => updateRow(row, item, drawing),
  });
  const stopKeys = listenToKeys(rows, list, tools.search, memory, app);
  const closers = [() => list.close(), () => tip.close(), stopKeys];
  return { rows, summary, tools, empty, unplaced, drawing, list, closers };
}

/**
 * @param {App} app
 * @param {Memory} memory
 * @param {ReturnType<typeof pageOf>} parts
 * @param {number} width of the view in pixels
 */
function drawAll(app, memory, parts, width) {
  const { drawing, list } = parts;
  const { entries, unplaced } = fleetEntries(app.state);
  const matches = vmMatcher(memory.wanted);
  const shown = wantedEntries(worstFirst(entries, drawing.now), memory.wanted, drawing.now);
  const layout = layoutOf(width, rootFontPixels(), entries.length);
  drawing.layout = layout;
  drawing.searched = JSON.stringify([memory.wanted.query, memory.wanted.namespace, layout]);
  const items = shown.map((entry) => itemOf(entry, memory.wanted, matches, drawing.now));
  if (!shown.some(({ name }) => name === memory.active)) memory.active = shown[0]?.name ?? "";
  const sums = fleetSums(entries, drawing.now);
  parts.summary.update(sums, unplaced.length, app.state.vms.size);
  parts.tools.update(app.state, entries, shown, sums.silent);
  showUnplaced(parts.unplaced, unplaced, app, matches);
  showEmpty(parts.empty, app.state, entries.length + unplaced.length, shown.length);
  parts.rows.className = `rows${layout.isWide ? "" : " narrow"}${layout.isRoomy ? "" : " tight"}${layout.isAiry ? " airy" : ""}`;
  list.keep = memory.active;
  list.show(items, layout.columns);
}

/**
 * @param {import("./fleet_model.js").Entry} entry
 * @param {import("./fleet_model.js").Wanted} wanted
 * @param {((vm: string) => boolean) | null} matches
 * @param {number} now
 * @returns {RowItem}
 */
function itemOf(entry, wanted, matches, now) {
  const found = matches ? entry.vms.filter(matches) : [];
  const isNamed = wanted.query.trim() !== "";
  return { entry, found: isNamed ? found : [], matches: found.length ? matches : null, problem: problemOf(entry, now) };
}

function rootFontPixels() {
  return parseFloat(getComputedStyle(document.documentElement).fontSize);
}
