/**
 * A cache block as a bar: VMs in their colours, the unattributed part hatched, the free part empty.
 * The element of a VM stays the same while its figures change: so do the focus, and what the pointer is on.
 */

import { element, setAttribute, setText } from "./dom.js";
import { counted, formatBytes, formatShare } from "./format.js";
import { shortName } from "./fleet_model.js";
import { blockSentence, heldWords, othersOf, sumOf, unnamedOf, whyMissing } from "./fleet_words.js";
import { vmHash } from "./router.js";

/** Smaller parts of a block are one segment together. */
const SMALLEST_PART = 0.003;
/** A segment that is as long has room for a name, for a figure, for the words of other parts; in rem. */
const NAME_REMS = 2.6;
const FIGURE_REMS = 9;
const UNATTRIBUTED_REMS = 5.5;
const OTHER_VMS_REMS = 5;

/**
 * @typedef {import("./state.js").Block} Block
 * @typedef {import("./fleet_model.js").Entry} Entry
 *
 * `matches` is true for VMs that the reader looks for; `length` is that of the bar in rem, about.
 * @typedef {{palette: import("./palette.js").Palette, tip: import("./tip.js").Tip, length: number,
 *   matches: ((vm: string) => boolean) | null}} Drawing
 *
 * `vm` is empty for what is not one VM.
 * @typedef {{key: string, vm: string, classes: string, label: string, figure: string, bytes: number,
 *   lines: [string, string]}} Segment
 */

/** @type {WeakMap<HTMLElement, Map<string, HTMLElement>>} */
const segmentsOfTrack = new WeakMap();

/** @returns {HTMLElement} */
export function createBar() {
  return element(
    "div", { class: "block", role: "group" },
    element("span", { class: "block-id", "aria-hidden": "true" }),
    element("div", { class: "track" }),
    element("span", { class: "block-figure", "aria-hidden": "true" }),
  );
}

/**
 * @param {HTMLElement} bar of `createBar`
 * @param {Block} block
 * @param {Entry} entry
 * @param {Drawing} drawing
 */
export function updateBar(bar, block, entry, drawing) {
  const [id, track, figure] = /** @type {HTMLElement[]} */ ([...bar.children]);
  setAttribute(bar, "aria-label", blockSentence(block, entry));
  setText(id, String(block.id));
  track.classList.toggle("missing", block.occupancy === null);
  const isEmpty = block.occupancy === null && !block.holders.length;
  fillTrack(track, block, drawing, isEmpty ? whyMissing(block, entry) : "");
  fillFigure(figure, block);
}

/**
 * A bar for what has no block.
 * @param {string} why
 */
export function emptyBar(why) {
  const text = element("div", { class: "no-figure" }, element("span", { text: why }));
  return element("div", { class: "block" }, element("span"), element("div", { class: "track missing" }, text));
}

/**
 * What is held, of how much; `>` where only a part of it is known.
 * @param {HTMLElement} target
 * @param {Block} block
 */
function fillFigure(target, { occupancy, capacity, holders }) {
  const held = occupancy === null && holders.length ? `>${formatBytes(sumOf(holders))}` : formatBytes(occupancy);
  const of = capacity ? `/${formatBytes(capacity)}` : "";
  const share = occupancy !== null && capacity ? formatShare(occupancy / capacity) : "";
  const key = `${held}${of} ${share}`;
  if (target.textContent === key) return;
  target.replaceChildren(held, element("span", { class: "of", text: of }), " ", element("span", { class: "share", text: share }));
}

/**
 * @param {HTMLElement} track
 * @param {Block} block
 * @param {Drawing} drawing
 * @param {string} why there is nothing to draw; empty where there is
 */
function fillTrack(track, block, drawing, why) {
  const known = segmentsOfTrack.get(track) ?? new Map();
  const whole = wholeOf(block);
  const wanted = whole ? segmentsOf(block, whole, drawing) : [];
  /** @type {Map<string, HTMLElement>} */
  const shown = new Map();
  for (const segment of wanted) {
    const target = known.get(segment.key) ?? element(segment.vm ? "a" : "div", segment.vm ? { href: vmHash(segment.vm), tabindex: -1 } : {});
    updateSegment(target, segment, whole, drawing);
    shown.set(segment.key, target);
  }
  segmentsOfTrack.set(track, shown);
  const children = [...shown.values()];
  if (why) children.push(element("div", { class: "no-figure" }, element("span", { text: why })));
  if (!why && isSame(children, track.children)) return;
  const focused = document.activeElement;
  track.replaceChildren(...children);
  if (focused instanceof HTMLElement && track.contains(focused)) focused.focus({ preventScroll: true });
}

/**
 * @param {HTMLElement[]} wanted
 * @param {HTMLCollection} there
 */
function isSame(wanted, there) {
  return wanted.length === there.length && wanted.every((one, place) => there[place] === one);
}

/**
 * Bytes of the whole bar; more than the capacity where figures of several moments add up to more.
 * @param {Block} block
 */
function wholeOf(block) {
  return Math.max(block.capacity ?? 0, block.occupancy ?? 0, sumOf(block.holders) + unnamedOf(block) + othersOf(block));
}

/**
 * @param {Block} block
 * @param {number} whole
 * @param {Drawing} drawing
 * @returns {Segment[]}
 */
function segmentsOf(block, whole, drawing) {
  const isLarge = (/** @type {[string, number]} */ [, bytes]) => bytes >= whole * SMALLEST_PART;
  const segments = block.holders.filter(isLarge).map(([vm, bytes]) => vmSegment(vm, bytes, whole, block, drawing));
  const small = block.holders.filter((holder) => !isLarge(holder));
  const unnamed = unnamedOf(block);
  const rest = sumOf(small) + unnamed;
  if (rest) {
    const called = unnamed ? "Other VMs" : counted(small.length, "small VM");
    const label = drawing.length * rest > whole * OTHER_VMS_REMS ? "other VMs" : "";
    segments.push({
      key: " rest", vm: "", classes: `segment rest${label ? "" : " thin"}`, label, figure: "", bytes: rest,
      lines: [called, heldWords(rest, block)],
    });
  }
  const others = othersOf(block);
  if (others) {
    const label = drawing.length * others > whole * UNATTRIBUTED_REMS ? "unattributed" : "";
    segments.push({
      key: " others", vm: "", classes: `segment others${label ? "" : " thin"}`, label, figure: "", bytes: others,
      lines: ["Unattributed", `${heldWords(others, block)}: the host, and VMs that nobody watches`],
    });
  }
  return segments;
}

/**
 * @param {string} vm
 * @param {number} bytes
 * @param {number} whole
 * @param {Block} block
 * @param {Drawing} drawing
 * @returns {Segment}
 */
function vmSegment(vm, bytes, whole, block, { palette, matches, length }) {
  const isNamed = length * bytes >= whole * NAME_REMS;
  const dimmed = matches && !matches(vm) ? " dimmed" : "";
  return {
    key: vm,
    vm,
    classes: `segment ${palette.of(vm).className}${isNamed ? "" : " thin"}${dimmed}`,
    label: isNamed ? shortName(vm) : "",
    figure: length * bytes >= whole * FIGURE_REMS ? formatBytes(bytes) : "",
    bytes,
    lines: [vm, heldWords(bytes, block)],
  };
}

/**
 * @param {HTMLElement} target
 * @param {Segment} segment
 * @param {number} whole
 * @param {Drawing} drawing
 */
function updateSegment(target, { vm, classes, label, figure, bytes, lines }, whole, { tip }) {
  setAttribute(target, "class", classes);
  target.style.width = `${(100 * bytes) / whole}%`;
  if (vm) setAttribute(target, "aria-label", `${lines[0]}: ${lines[1]}`);
  if (target.dataset.text !== `${label} ${figure}`) {
    target.dataset.text = `${label} ${figure}`;
    const name = label ? [element(vm ? "bdi" : "span", { text: label })] : [];
    target.replaceChildren(...name, ...(figure ? [element("span", { class: "bytes", text: figure })] : []));
  }
  tip.describe(target, () => lines);
}
