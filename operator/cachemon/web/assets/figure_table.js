/**
 * Tables of exact figures. Rows and links stay the same elements while the figures change: the focus stays.
 *
 * @typedef {{text: string, title?: string, href?: string, swatch?: string,
 *   sample?: {dash: number[] | undefined, paint: string}, isLate?: boolean}} Cell
 * @typedef {{key: string, cells: Cell[], isSum?: boolean}} Row
 */

import { element, setAttribute, setText } from "./dom.js";
import { formatBytes, formatCount, formatRate, formatShare, NO_VALUE } from "./format.js";
import { vmHash } from "./router.js";
import { lineSample } from "./small_chart.js";
import { ageWords, whyMissing } from "./time_words.js";

/** A table with a head, whose rows are known by a key. */
export class FigureTable {
  /**
   * @param {string} caption for screen readers
   * @param {string[]} heads of the columns; the first column names the row
   */
  constructor(caption, heads) {
    this.body = element("tbody");
    const head = element(
      "tr",
      {},
      ...heads.map((text, index) => element("th", { scope: "col", text, class: index ? "figure" : undefined })),
    );
    this.table = element(
      "table",
      { class: "figures" },
      element("caption", { class: "visually-hidden", text: caption }),
      element("thead", {}, head),
      this.body,
    );
    this.root = element("div", { class: "figures-frame" }, this.table);
    /** @type {Map<string, HTMLElement>} */
    this.rows = new Map();
  }

  /** @param {Row[]} rows in the order to show */
  show(rows) {
    const wanted = new Set(rows.map((row) => row.key));
    for (const [key, row] of this.rows) {
      if (wanted.has(key)) continue;
      row.remove();
      this.rows.delete(key);
    }
    const isHeld = this.body.contains(document.activeElement) || this.body.matches(":hover");
    rows.forEach((row, place) => {
      const known = this.rows.get(row.key);
      const shown = known ?? this.#addRow(row);
      const mayMove = !known || !isHeld; // a row that moves loses the focus, and the pointer its link
      if (mayMove && this.body.children[place] !== shown)
        this.body.insertBefore(shown, this.body.children[place] ?? null);
      row.cells.forEach((cell, index) => fillCell(shown.children[index], cell));
    });
  }

  /** @param {Row} row */
  #addRow(row) {
    const cells = row.cells.map((cell, index) => newCell(cell, index === 0));
    const shown = element("tr", { class: row.isSum ? "sum" : undefined }, ...cells);
    this.rows.set(row.key, shown);
    return shown;
  }
}

/**
 * @param {Cell} cell
 * @param {boolean} isHead
 */
function newCell(cell, isHead) {
  const made = isHead ? element("th", { scope: "row" }) : element("td", { class: "figure" });
  if (cell.swatch !== undefined) made.append(element("span", { "aria-hidden": "true" }));
  if (cell.sample) made.append(lineSample(cell.sample.dash, cell.sample.paint));
  made.append(element(cell.href ? "a" : "span", { class: "cell-text" }));
  return made;
}

/**
 * @param {Element} shown
 * @param {Cell} cell
 */
function fillCell(shown, cell) {
  const text = shown.querySelector(".cell-text");
  if (!text) return;
  setText(text, cell.text);
  if (cell.href) setAttribute(text, "href", cell.href);
  if (cell.title) setAttribute(text, "title", cell.title);
  if (cell.swatch !== undefined)
    setAttribute(/** @type {Element} */ (shown.firstElementChild), "class", `chip ${cell.swatch || "no-chip"}`);
  shown.classList.toggle("late", Boolean(cell.isLate));
}

/**
 * @param {number | null | undefined} bytes
 * @returns {Cell}
 */
export function bytesCell(bytes) {
  return { text: formatBytes(bytes), title: bytes == null ? "no figure" : `${formatCount(bytes)} bytes` };
}

/**
 * @param {number | null | undefined} rate
 * @returns {Cell}
 */
export function rateCell(rate) {
  if (rate == null) return { text: NO_VALUE, title: "no figure" };
  return { text: `${formatRate(rate)}B/s`, title: `${formatCount(rate)} bytes per second` };
}

/**
 * @param {number | null | undefined} part
 * @param {number | null | undefined} whole
 * @returns {Cell}
 */
export function shareCell(part, whole) {
  return { text: part == null || !whole ? NO_VALUE : formatShare(part / whole) };
}

/**
 * The rows of a node's cache block: its VMs, the largest first, then what nobody accounts for, and the sum.
 * @param {import("./main.js").App} app
 * @param {import("./state.js").Block} block
 * @param {string} node
 * @returns {Row[]}
 */
export function rowsOfBlock(app, block, node) {
  const { state, palette } = app;
  const held = new Map(block.holders);
  const here = [...state.vms].filter(
    ([name, vm]) =>
      vm.node === node && (held.has(name) || vm.blocks.some((it) => it.id === block.id) || !vm.blocks.length),
  );
  const names = [...new Set([...held.keys(), ...here.map(([name]) => name)])];
  const rows = names.map((name) => {
    const vm = state.vms.get(name);
    const its = vm?.blocks.find((it) => it.id === block.id);
    const bytes = its?.occupancy ?? held.get(name);
    const age = vm
      ? ageWords({ ...vm, reason: whyMissing(vm) }, app.now())
      : { text: "not shown to you", isLate: true };
    return {
      key: name,
      bytes: bytes ?? -1,
      cells: [
        { text: name, title: name, href: vm ? vmHash(name) : undefined, swatch: palette.of(name).className },
        bytesCell(bytes),
        shareCell(bytes, block.capacity),
        rateCell(its?.bandwidth),
        { ...age, title: vm?.message },
      ],
    };
  });
  rows.sort((a, b) => b.bytes - a.bytes || (a.key < b.key ? -1 : 1));
  return [...rows, ...sumsOfBlock(app, block, node)];
}

/**
 * @param {import("./main.js").App} app
 * @param {import("./state.js").Block} block
 * @param {string} node
 * @returns {Row[]}
 */
function sumsOfBlock(app, block, node) {
  const machine = app.state.nodes.get(node);
  const age = machine ? ageWords({ ...machine, reason: block.reason }, app.now()) : { text: NO_VALUE };
  const row = (
    /** @type {string} */ text,
    /** @type {number | null} */ bytes,
    /** @type {string | undefined} */ swatch,
  ) => ({
    key: ` ${text}`,
    isSum: true,
    cells: [{ text, swatch }, bytesCell(bytes), shareCell(bytes, block.capacity), { text: "" }, age],
  });
  return [row("unattributed", block.unattributed, "unattributed"), row("in total", block.occupancy, undefined)];
}
