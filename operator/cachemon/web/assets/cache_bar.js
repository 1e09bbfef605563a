/** A cache block as a bar: VMs in their colours, the unattributed part hatched, the free part empty. */

import { element } from "./dom.js";
import { formatBytes, formatShare } from "./format.js";
import { shortName } from "./fleet_model.js";
import { blockSentence, heldWords, othersOf, sumOf, unnamedOf, whyMissing } from "./fleet_words.js";
import { vmHash } from "./router.js";

/** Smaller parts of a block are one segment together. */
const SMALLEST_PART = 0.003;
/** A segment that is as long has room for a name, and for the word of the unattributed part; in rem. */
const NAME_REMS = 2.6;
const FIGURE_REMS = 9;
const UNATTRIBUTED_REMS = 5.5;

/**
 * @typedef {import("./state.js").Block} Block
 * @typedef {import("./fleet_model.js").Entry} Entry
 *
 * `matches` is true for VMs that the reader looks for; `length` is that of the bar in rem, about.
 * @typedef {{palette: import("./palette.js").Palette, tip: import("./tip.js").Tip, length: number,
 *   matches: ((vm: string) => boolean) | null}} Drawing
 */

/**
 * @param {Block} block
 * @param {Entry} entry
 * @param {Drawing} drawing
 * @returns {HTMLElement}
 */
export function cacheBar(block, entry, drawing) {
  const track = element("div", { class: "track" });
  if (block.occupancy === null) track.classList.add("missing");
  track.append(...segmentsOf(block, drawing));
  if (block.occupancy === null && !block.holders.length) {
    track.append(element("div", { class: "why" }, element("span", { text: whyMissing(block, entry) })));
  }
  return element(
    "div",
    { class: "block", role: "group", "aria-label": blockSentence(block, entry) },
    element("span", { class: "block-id", text: block.id, "aria-hidden": "true" }),
    track,
    figureOf(block),
  );
}

/**
 * What is held, of how much; `>` where only a part of it is known.
 * @param {Block} block
 */
function figureOf({ occupancy, capacity, holders }) {
  const figure = element("span", { class: "block-figure", "aria-hidden": "true" });
  figure.append(occupancy === null && holders.length ? `>${formatBytes(sumOf(holders))}` : formatBytes(occupancy));
  if (capacity) figure.append(element("span", { class: "of", text: `/${formatBytes(capacity)}` }));
  const share = occupancy !== null && capacity ? formatShare(occupancy / capacity) : "";
  figure.append(" ", element("span", { class: "share", text: share }));
  return figure;
}

/**
 * @param {Block} block
 * @param {Drawing} drawing
 */
function segmentsOf(block, drawing) {
  const others = othersOf(block);
  const unnamed = unnamedOf(block);
  const all = sumOf(block.holders) + unnamed + others;
  const whole = Math.max(block.capacity ?? 0, block.occupancy ?? 0, all);
  if (!whole) return [];
  const small = block.holders.filter(([, bytes]) => bytes / whole < SMALLEST_PART);
  const segments = block.holders
    .filter(([, bytes]) => bytes / whole >= SMALLEST_PART)
    .map(([vm, bytes]) => vmSegment(vm, bytes, whole, block, drawing));
  const rest = sumOf(small) + unnamed;
  const called = unnamed ? "Other VMs" : `${small.length} small VMs`;
  if (rest) segments.push(plainSegment("rest", "", rest, whole, [called, heldWords(rest, block)], drawing));
  if (others) {
    const lines = /** @type {[string, string]} */ (["Unattributed", `${heldWords(others, block)}: the host, and VMs that nobody watches`]);
    segments.push(plainSegment("others", (drawing.length * others) / whole > UNATTRIBUTED_REMS ? "unattributed" : "", others, whole, lines, drawing));
  }
  return segments;
}

/**
 * @param {string} vm
 * @param {number} bytes
 * @param {number} whole
 * @param {Block} block
 * @param {Drawing} drawing
 */
function vmSegment(vm, bytes, whole, block, { palette, tip, matches, length }) {
  const words = heldWords(bytes, block);
  const classes = ["segment", palette.of(vm).className];
  const isNamed = (length * bytes) / whole >= NAME_REMS;
  if (!isNamed) classes.push("thin");
  if (matches && !matches(vm)) classes.push("dimmed");
  const segment = element(
    "a",
    { class: classes.join(" "), href: vmHash(vm), tabindex: -1, "aria-label": `${vm}: ${words}` },
    ...(isNamed ? [element("bdi", { text: shortName(vm) })] : []),
    ...(length * bytes >= whole * FIGURE_REMS ? [element("span", { class: "bytes", text: formatBytes(bytes) })] : []),
  );
  segment.style.width = `${(100 * bytes) / whole}%`;
  tip.describe(segment, () => [vm, words]);
  return segment;
}

/**
 * @param {string} kind
 * @param {string} label
 * @param {number} bytes
 * @param {number} whole
 * @param {[string, ...string[]]} lines
 * @param {Drawing} drawing
 */
function plainSegment(kind, label, bytes, whole, lines, { tip }) {
  const segment = element("div", { class: `segment ${kind}${label ? "" : " thin"}` });
  if (label) segment.append(element("span", { text: label }));
  segment.style.width = `${(100 * bytes) / whole}%`;
  tip.describe(segment, () => lines);
  return segment;
}
