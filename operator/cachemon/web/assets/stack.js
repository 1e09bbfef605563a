/**
 * The stack of a cache block: VMs, other VMs, and what nobody accounts for, over time. Pure.
 *
 * Where the figure of one VM is missing, the layers above it would fall and look as if those VMs lost cache. The whole
 * stack is left out at such a time: a hole, with the words why. The node's own total goes on where it is known.
 * There is no hole where total - unattributed equals the figures that are known: the node did not count that VM then,
 * and its bytes are in the unattributed layer.
 *
 * Reports of VMs and of their node are not of the same moment. The unattributed layer is what is left of the node's
 * total, so the stack reaches the total and no further, unless the VMs alone hold more than the older total says.
 *
 * @typedef {import("./timeline.js").Timeline} Timeline
 * @typedef {import("./timeline.js").Column} Column
 * @typedef {{key: string, vm: string, raw: Column, base: Column, top: Column}} Layer
 * @typedef {{from: number, until: number, why: string}} Hole rows, both included
 * @typedef {{times: number[], layers: Layer[], total: Column, holes: Hole[]}} Stack
 */

import { columnName } from "./timeline.js";

export const OTHERS = "others";
export const UNATTRIBUTED = "unattributed";
/** Part of the total by which figures that agree may differ. */
const SAME = 0.005;

/**
 * Builds the stack of a block.
 * @param {Timeline} timeline
 * @param {number} block
 * @param {{shown: string[], others: string[]}} vms with a layer each, the lowest first; those in one layer together
 * @returns {Stack}
 */
export function stackOf(timeline, block, vms) {
  const read = (/** @type {string} */ what, /** @type {string} */ name) =>
    timeline.column(columnName(what, block, name));
  const names = [...vms.shown, ...vms.others];
  const columns = names.map((vm) => read("occupancy", vm));
  const [total, unattributed, unseen] = ["total", "unattributed", "unseen"].map((what) => read(what, ""));
  const layers = [...vms.shown.map((vm) => layer(vm, vm)), layer(OTHERS, ""), layer(UNATTRIBUTED, "")];
  const whys = timeline.times.map((_, row) => {
    const counts = rowOf(columns, row, {
      total: total[row],
      unattributed: unattributed[row],
      unseen: unseen[row] ?? 0,
    });
    const why = whyHole(timeline, block, names, counts, row);
    if (why) for (const it of layers) push(it, null, 0);
    else pile(layers, columns, vms.shown.length, row, counts);
    return why;
  });
  const used = layers.filter((it) => it.key !== OTHERS || it.raw.some((value) => value));
  return { times: timeline.times, layers: used, total: total.map((value) => value ?? null), holes: holesOf(whys) };
}

/** @param {string} key @param {string} vm @returns {Layer} */
function layer(key, vm) {
  return { key, vm, raw: [], base: [], top: [] };
}

/**
 * @param {Column[]} columns of the VMs
 * @param {number} row
 * @param {{total: number | null | undefined, unattributed: number | null | undefined, unseen: number}} node
 */
function rowOf(columns, row, { total, unattributed, unseen }) {
  let sum = unseen;
  let known = 0;
  let missing = -1;
  let missed = 0;
  columns.forEach((column, place) => {
    const value = column[row];
    if (typeof value === "number") {
      sum += value;
      known += 1;
    } else if (value === null) {
      if (missing < 0) missing = place;
      missed += 1;
    }
  });
  const isWhole = total != null && unattributed != null && Math.abs(total - unattributed - sum) <= SAME * total;
  return {
    missing: isWhole ? -1 : missing,
    missed,
    isEmpty: !known && total == null,
    isUnread: !known && columns.length > 0 && unattributed == null,
    unattributed: total == null ? null : Math.max(0, total - sum),
    unseen,
  };
}

/**
 * Adds a row to each layer.
 * @param {Layer[]} layers
 * @param {Column[]} columns of the VMs with a layer each, then of those in one layer together
 * @param {number} shown how many have a layer each
 * @param {number} row
 * @param {ReturnType<typeof rowOf>} counts
 */
function pile(layers, columns, shown, row, counts) {
  let others = counts.unseen;
  for (let place = shown; place < columns.length; place++) others += columns[place][row] ?? 0;
  let height = 0;
  layers.forEach((it, place) => {
    const value = place < shown ? (columns[place][row] ?? undefined) : it.key === OTHERS ? others : counts.unattributed;
    push(it, value, height);
    height += value ?? 0;
  });
}

/**
 * @param {Layer} it
 * @param {number | null | undefined} value null for a gap, undefined where the VM was not there
 * @param {number} base
 */
function push(it, value, base) {
  it.raw.push(value);
  it.base.push(value === null ? null : base);
  it.top.push(value === null ? null : base + (value ?? 0));
}

/**
 * @param {Timeline} timeline
 * @param {number} block
 * @param {string[]} names
 * @param {ReturnType<typeof rowOf>} counts
 * @param {number} row
 * @returns {string} why the stack is left out; empty where it is not
 */
function whyHole(timeline, block, names, counts, row) {
  if (counts.isEmpty) return timeline.reason(columnName("total", block), row) || "nothing was measured";
  if (counts.missing < 0) return counts.isUnread ? "no VM has a figure" : "";
  const vm = names[counts.missing];
  const more = counts.missed > 1 ? ` and ${counts.missed - 1} more` : "";
  const reason = timeline.reason(columnName("occupancy", block, vm), row);
  return `no figure of ${vm}${more}${reason ? `: ${reason}` : ""}`;
}

/** @param {string[]} whys of each row; empty where there is no hole @returns {Hole[]} */
function holesOf(whys) {
  /** @type {Hole[]} */
  const holes = [];
  whys.forEach((why, row) => {
    const last = holes[holes.length - 1];
    if (!why) return;
    if (last && last.until === row - 1 && last.why === why) last.until = row;
    else holes.push({ from: row, until: row, why });
  });
  return holes;
}

/**
 * Selects the VMs with a layer of their own: those that hold most at any time. A layer keeps its place for as long as
 * it is shown; a new one comes on top.
 * @param {Timeline} timeline
 * @param {number} block
 * @param {string[]} names
 * @param {{most: number, before: string[]}} choice how many layers; those that are shown now, the lowest first
 * @returns {{shown: string[], others: string[]}}
 */
export function chooseLayers(timeline, block, names, { most, before }) {
  const peaks = names.map((vm) => {
    let peak = -1;
    for (const value of timeline.column(columnName("occupancy", block, vm)))
      if (value != null && value > peak) peak = value;
    return { vm, peak };
  });
  const seen = peaks
    .filter((it) => it.peak >= 0)
    .sort((a, b) => b.peak - a.peak || (a.vm < b.vm ? -1 : 1))
    .map((it) => it.vm);
  const wanted = new Set(seen.slice(0, most));
  const kept = before.filter((vm) => wanted.has(vm));
  const fresh = [...wanted].filter((vm) => !kept.includes(vm));
  return { shown: [...kept, ...fresh], others: seen.slice(most) };
}
