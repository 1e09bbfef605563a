/**
 * Rows of a timeline: from the state of now, and from history. Pure.
 *
 * @typedef {import("./state.js").State} State
 * @typedef {import("./timeline.js").Figure} Figure
 * @typedef {import("./timeline.js").Column} Column
 * @typedef {import("./timeline.js").Timeline} Timeline
 * @typedef {import("./marker_paint.js").Marker} Marker
 * @typedef {{times: number[], series: {vm: string, node: string, group: string, block: number,
 *   occupancy: (number | null)[], bandwidth: (number | null)[]}[], blocks: {id: number, capacity: number | null, occupancy: (number | null)[],
 *   unattributed?: (number | null)[]}[], markers: Marker[],
 *   parts?: {from: number, until: number, origin: string}[], remarks?: string[]}} History
 * @typedef {{id: number, reading: string, occupancy: number | null, capacity: number | null,
 *   bandwidth: number | null, localBandwidth: number | null}} GroupBlock
 * @typedef {{object: string, name: string, vcpus: string, state: string, reason: string, message: string,
 *   blocks: GroupBlock[]}} Group
 * @typedef {{figures: Map<string, Figure>, observed: number, period: number, sources: unknown[]}} Snapshot
 * sources: the objects of the state that it is made of; the same objects give the same snapshot.
 */

import { staleAfter } from "./format.js";
import { absences, columnName } from "./timeline.js";

/**
 * The figures of a node that hold now. A VM's own figures come first, as everywhere on the page; what the node says
 * of it stands in for those that are missing. A VM that waits for RMIDs is not counted: its bytes are unattributed.
 * @param {State} state
 * @param {string} name
 * @returns {Snapshot}
 */
export function nodeSnapshot(state, name) {
  const node = state.nodes.get(name);
  const vms = [...state.vms].filter(([, vm]) => vm.node === name);
  /** @type {Map<string, Figure>} */
  const figures = new Map();
  for (const block of node?.blocks ?? []) {
    const reason = block.reason || (node?.reason ?? "");
    figures.set(columnName("total", block.id), { value: block.occupancy, reason });
    figures.set(columnName("unattributed", block.id), { value: block.unattributed, reason });
    figures.set(columnName("unseen", block.id), { value: unseenOf(block, state) });
    for (const [vm, bytes] of block.holders) figures.set(columnName("occupancy", block.id, vm), { value: bytes });
  }
  for (const [vm, { blocks, reason }] of vms.filter(([, it]) => isCounted(it))) {
    for (const block of blocks) {
      const column = columnName("occupancy", block.id, vm);
      figures.set(column, { value: block.occupancy ?? figures.get(column)?.value ?? null, reason });
      figures.set(columnName("bandwidth", block.id, vm), { value: block.bandwidth, reason });
    }
  }
  const parts = [...(node ? [node] : []), ...vms.map(([, vm]) => vm)];
  return { figures, ...timesOf(parts), sources: parts };
}

/**
 * What VMs hold that nobody here may see: the node names the largest, and counts all.
 * @param {import("./state.js").Block} block
 * @param {State} state
 */
function unseenOf({ holders, monitored }, state) {
  if (holders.every(([vm]) => state.vms.has(vm))) return 0;
  return Math.max(0, (monitored ?? 0) - holders.reduce((sum, [, bytes]) => sum + bytes, 0));
}

/** @param {import("./state.js").VmState} vm */
function isCounted({ groups }) {
  return !groups.length || /** @type {Group[]} */ (groups).some((group) => group.state !== "Waiting");
}

/**
 * The figures of a VM that hold now: the whole VM and each group.
 * @param {State} state
 * @param {string} name
 * @returns {Snapshot}
 */
export function vmSnapshot(state, name) {
  const vm = state.vms.get(name);
  /** @type {Map<string, Figure>} */
  const figures = new Map();
  if (!vm) return { figures, observed: -Infinity, period: 60, sources: [] };
  for (const block of vm.blocks) putBoth(figures, block, name, vm.reason);
  for (const group of /** @type {Group[]} */ (vm.groups)) {
    for (const block of group.blocks) putBoth(figures, block, groupName(group), group.reason || vm.reason);
  }
  return { figures, ...timesOf([vm]), sources: [vm] };
}

/**
 * @param {{object: string, name: string}} group
 * @returns {string} its name in history
 */
export function groupName(group) {
  return `${group.object}/${group.name}`;
}

/**
 * @param {Map<string, Figure>} figures
 * @param {{id: number, occupancy: number | null, bandwidth: number | null}} block
 * @param {string} name
 * @param {string} reason
 */
function putBoth(figures, block, name, reason) {
  figures.set(columnName("occupancy", block.id, name), { value: block.occupancy, reason });
  figures.set(columnName("bandwidth", block.id, name), { value: block.bandwidth, reason });
}

/** @param {{observed: number | null, period: number}[]} parts */
function timesOf(parts) {
  const observed = Math.max(-Infinity, ...parts.map((part) => part.observed ?? -Infinity));
  return { observed, period: Math.max(0, ...parts.map((part) => part.period)) || 60 };
}

/**
 * Adds a snapshot to a timeline. A figure that is renewed stands at its own time, one that no longer holds at that of
 * the state: nobody knows since when it does not hold.
 * @param {Timeline} timeline
 * @param {Snapshot} snapshot
 * @param {number} now
 */
export function extend(timeline, snapshot, now) {
  const row = timeline.times.length - 1;
  const last = timeline.times[row] ?? -Infinity;
  const hasLost = [...timeline.columns].some(
    ([name, column]) => typeof column[row] === "number" && typeof snapshot.figures.get(name)?.value !== "number",
  );
  const time = snapshot.observed > last ? snapshot.observed : hasLost || row < 0 ? Math.max(last, now) : last;
  timeline.append(time, snapshot.figures, staleAfter(snapshot.period));
}

/** Kinds of markers after which a VM is not on a node. */
export const LEAVES_NODE = ["stopped", "migrated"];
/** Kinds of markers after which a VM is nowhere; a migration goes on elsewhere. */
export const LEAVES_ALL = ["stopped"];

/**
 * Puts a history in front of what a timeline has.
 * @param {Timeline} timeline
 * @param {History} history
 * @param {string[]} leaves kinds of markers after which a VM is gone
 * @param {(vm: string) => boolean} isHere whether a VM is still there
 */
export function loadHistory(timeline, history, leaves, isHere) {
  /** @type {Map<string, Column>} */
  const columns = new Map();
  for (const block of history.blocks) {
    columns.set(columnName("total", block.id), [...block.occupancy]);
    if (block.unattributed) columns.set(columnName("unattributed", block.id), [...block.unattributed]);
  }
  const series = [...history.series].sort((a, b) => firstOf(a) - firstOf(b));
  for (const vm of new Set(series.map((one) => one.vm))) {
    const left = history.markers.filter((it) => it.vm === vm && leaves.includes(it.kind)).map((it) => it.time);
    for (const [name, values] of wholeColumns(series.filter((one) => one.vm === vm))) {
      columns.set(name, absences(history.times, values, { isHere: isHere(vm), left }));
    }
  }
  timeline.load(history.times, columns);
}

/**
 * Joins what a VM had on one node after the other: it goes on in one column.
 * @param {History["series"]} series of one VM, in the order in which they begin
 * @returns {Map<string, (number | null)[]>}
 */
function wholeColumns(series) {
  /** @type {Map<string, (number | null)[]>} */
  const found = new Map();
  for (const one of series) {
    for (const what of /** @type {const} */ (["occupancy", "bandwidth"])) {
      const name = columnName(what, one.block, one.group || one.vm);
      const before = found.get(name);
      found.set(name, before ? one[what].map((value, row) => value ?? before[row]) : one[what]);
    }
  }
  return found;
}

/**
 * @param {{occupancy: (number | null)[]}} one
 * @returns {number} its first row with a figure
 */
function firstOf({ occupancy }) {
  const first = occupancy.findIndex((value) => value !== null);
  return first < 0 ? occupancy.length : first;
}

/**
 * Adds markers that are not there yet, in the order of time; the same list where there is nothing new.
 * @param {Marker[]} known
 * @param {Marker[]} fresh
 * @returns {Marker[]}
 */
export function mergeMarkers(known, fresh) {
  const nameOf = (/** @type {Marker} */ it) => JSON.stringify([it.time, it.kind, it.vm, it.text]);
  const merged = new Map([...known, ...fresh].map((it) => [nameOf(it), it]));
  if (merged.size === known.length) return known;
  return [...merged.values()].sort((a, b) => a.time - b.time).slice(-MOST_MARKERS);
}

/** Markers kept of one view. */
export const MOST_MARKERS = 200;
