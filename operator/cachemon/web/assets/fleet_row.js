/** The row of a node. What costs much is drawn again only when its figures changed. */

import { createBar, emptyBar, updateBar } from "./cache_bar.js";
import { element, setAttribute, setText } from "./dom.js";
import { blockColumns, messageOf, MOST_MATCHES, MOST_VERDICTS, trackRems } from "./fleet_layout.js";
import { isOld, namespaceOf, shortName, withOwnFigures } from "./fleet_model.js";
import { ageWords, metaWords, rowSentence, whyNone } from "./fleet_words.js";
import { counted, formatBytes, NO_VALUE } from "./format.js";
import { nodeHash, vmHash } from "./router.js";
import { heldFor, levelWords, slowdown, takes, verdictSentence } from "./verdicts.js";

/**
 * @typedef {import("./fleet_model.js").Entry} Entry
 *
 * A row: `found` are the VMs to name because the reader looks for them, `problem` says why figures do not hold.
 * @typedef {{entry: Entry, found: string[], matches: ((vm: string) => boolean) | null, problem: string}} RowItem
 * @typedef {{palette: import("./palette.js").Palette, tip: import("./tip.js").Tip, now: number, searched: string,
 *   layout: import("./fleet_layout.js").Layout, vms: Map<string, import("./state.js").VmState>,
 *   memory: {active: string}}} RowDrawing
 */

/** @type {WeakMap<HTMLElement, {sources: unknown[], searched: string}>} */
const drawn = new WeakMap();
/** From this part on, RMIDs run short. */
const TIGHT_PART = 0.9;
let lastId = 0;

/**
 * @param {RowItem} item
 * @returns {HTMLElement}
 */
export function createRow({ entry }) {
  lastId += 1;
  const sentence = `row-${lastId}`;
  const name = element("a", {
    class: "row-name line", href: nodeHash(entry.name), tabindex: -1, title: entry.name, "aria-describedby": sentence,
  });
  name.append(element("bdi", { text: entry.name }));
  return element(
    "li",
    { class: "row" },
    element("div", { class: "row-id" }, name, element("div", { class: "row-problem line", hidden: true }), element("div", { class: "row-meta line" })),
    element("div", { class: "row-main" }, element("div", { class: "blocks" }), element("div", { class: "row-notes" })),
    element("div", { class: "row-side" }, element("div", { class: "row-rmids line" }), element("div", { class: "row-meta age" })),
    element("p", { id: sentence, hidden: true }),
  );
}

/**
 * @param {HTMLElement} row
 * @param {RowItem} item
 * @param {RowDrawing} drawing
 */
export function updateRow(row, item, drawing) {
  const { entry } = item;
  updateTexts(row, item, drawing);
  const before = drawn.get(row);
  const searched = `${drawing.searched} ${item.problem} ${item.found.length}`;
  const sources = [entry.node, ...entry.vms.map((vm) => drawing.vms.get(vm))];
  const isSame = before && before.searched === searched && isEqual(before.sources, sources);
  if (!isSame) {
    drawBlocks(part(row, ".blocks"), item, drawing);
    drawNotes(part(row, ".row-notes"), item, drawing);
    drawn.set(row, { sources, searched });
  }
  setText(part(row, "p"), rowSentence(entry, drawing.now));
  setAttribute(part(row, ".row-name"), "tabindex", entry.name === drawing.memory.active ? "0" : "-1");
}

/**
 * @param {unknown[]} one
 * @param {unknown[]} other
 */
function isEqual(one, other) {
  return one.length === other.length && one.every((it, place) => it === other[place]);
}

/**
 * @param {HTMLElement} row
 * @param {string} selector
 */
function part(row, selector) {
  return /** @type {HTMLElement} */ (row.querySelector(selector));
}

/**
 * @param {HTMLElement} row
 * @param {RowItem} item
 * @param {RowDrawing} drawing
 */
function updateTexts(row, { entry, problem }, { now }) {
  const problemLine = part(row, ".row-problem");
  problemLine.hidden = !problem;
  setText(problemLine, problem);
  if (problem) setAttribute(problemLine, "title", entry.node.message || problem);
  setText(part(row, ".row-id .row-meta"), metaWords(entry));
  showRmids(part(row, ".row-rmids"), entry);
  const age = part(row, ".age");
  const isShown = entry.isNamed && (isOld(entry, now) || entry.node.observed === null);
  setText(age, isShown ? ageWords(entry, now) : "");
  age.classList.toggle("old", isShown);
}

/**
 * @param {HTMLElement} target
 * @param {Entry} entry
 */
function showRmids(target, { node: { rmids }, isNamed }) {
  const used = rmids ? rmids.ours + rmids.others : 0;
  const text = rmids ? `${used}/${rmids.total}` : isNamed ? NO_VALUE : "";
  if (target.dataset.key === text) return;
  target.dataset.key = text;
  target.replaceChildren(...(text ? [element("span", { text: "RMIDs " }), text] : []));
  target.classList.toggle("tight", rmids !== null && used >= TIGHT_PART * rmids.total);
}

/**
 * @param {HTMLElement} target
 * @param {RowItem} item
 * @param {RowDrawing} drawing
 */
function drawBlocks(target, { entry, matches }, drawing) {
  const { blocks } = entry.node;
  const columns = blockColumns(blocks.length, drawing.layout);
  setAttribute(target, "class", `blocks columns-${columns}`);
  target.style.setProperty("--columns", String(columns));
  const ids = blocks.length ? blocks.map(({ id }) => id).join() : `none: ${whyNone(entry)}`;
  if (target.dataset.ids !== ids) {
    target.dataset.ids = ids;
    target.replaceChildren(...(blocks.length ? blocks.map(createBar) : [emptyBar(whyNone(entry))]));
  }
  const barDrawing = { ...drawing, matches, length: trackRems(columns, drawing.layout) };
  blocks.forEach((block, place) => {
    const bar = /** @type {HTMLElement} */ (target.children[place]);
    updateBar(bar, withOwnFigures(block, entry, drawing.vms), entry, barDrawing);
  });
}

/**
 * @param {HTMLElement} target
 * @param {RowItem} item
 * @param {RowDrawing} drawing
 */
function drawNotes(target, { entry, found, problem }, drawing) {
  const message = messageOf(entry, Boolean(problem));
  const lines = message ? [element("div", { class: "row-message", text: message, title: message })] : [];
  lines.push(...entry.verdicts.slice(0, MOST_VERDICTS).map((verdict) => verdictLine(verdict, drawing)));
  if (entry.verdicts.length > MOST_VERDICTS) lines.push(moreLine(entry.verdicts.length - MOST_VERDICTS, "verdict"));
  lines.push(...found.slice(0, MOST_MATCHES).map((vm) => matchLine(vm, drawing)));
  if (found.length > MOST_MATCHES) lines.push(moreLine(found.length - MOST_MATCHES, "VM"));
  const focused = document.activeElement;
  const address = focused && target.contains(focused) ? focused.getAttribute("href") : null;
  target.replaceChildren(...lines);
  lines.find((line) => address && line.getAttribute("href") === address)?.focus({ preventScroll: true });
}

/**
 * @param {number} count
 * @param {string} noun
 */
function moreLine(count, noun) {
  return element("div", { class: "more", text: `and ${counted(count, `more ${noun}`)}` });
}

/**
 * @param {import("./state.js").Verdict} verdict
 * @param {RowDrawing} drawing
 */
function verdictLine(verdict, { palette, now, tip }) {
  const held = heldFor(verdict, now);
  const line = element(
    "a",
    { class: `verdict level-${verdict.level}`, href: vmHash(verdict.victim), tabindex: -1, "aria-label": verdictSentence(verdict) },
    element("span", { class: `badge level-${verdict.level}`, text: levelWords(verdict.level) }),
    element(
      "span", { class: "parties" },
      ...vmName(verdict.suspect, verdict.neighbour || "something unmonitored", palette),
      element("span", { class: "words", text: `${takes(verdict)} of` }),
      ...vmName(verdict.victim, "", palette),
    ),
    element(
      "span", { class: "measures" },
      element("span", { class: "measure", text: slowdown(verdict) }),
      element("span", { class: "words", text: held && `for ${held}` }),
    ),
  );
  tip.describe(line, () => [verdictSentence(verdict), verdict.evidence]);
  return line;
}

/**
 * @param {string} vm
 * @param {string} instead where it has no name
 * @param {import("./palette.js").Palette} palette
 */
function vmName(vm, instead, palette) {
  if (!vm) return [element("span", { class: "vm-name", text: instead })];
  const namespace = namespaceOf(vm);
  const name = element("bdi", { class: "vm-name", title: vm });
  if (namespace) name.append(element("span", { class: "namespace", text: `${namespace}/` }));
  name.append(shortName(vm));
  return [element("i", { class: `chip ${palette.of(vm).className}` }), name];
}

/**
 * @param {string} vm
 * @param {RowDrawing} drawing
 */
function matchLine(vm, { palette, vms }) {
  const known = vms.get(vm);
  const words = known?.occupancy == null ? "no figure" : `holds ${known.atLeast ? ">" : ""}${formatBytes(known.occupancy)}`;
  return element(
    "a",
    { class: "match", href: vmHash(vm), tabindex: -1 },
    ...vmName(vm, "", palette),
    element("span", { class: "words", text: words }),
  );
}
