/** The rows of the fleet: what each node has, which come first, and which a reader looks for. Pure. */

import { sumOf, unnamedOf } from "./fleet_words.js";
import { isOlder, staleAfter } from "./format.js";
import { compareVerdicts, isOpen, LEVELS, levelRank } from "./verdicts.js";

/**
 * @typedef {import("./state.js").NodeState} NodeState
 * @typedef {import("./state.js").State} State
 *
 * A row. `isNamed` is false where only VMs name the node: nodes may not be read, or its agent never reported.
 * `vms` are sorted by name; `without` counts those without a figure. `verdicts` are the open ones, worst first.
 * @typedef {{name: string, node: NodeState, isNamed: boolean, vms: string[], without: number,
 *   verdicts: import("./state.js").Verdict[]}} Entry
 *
 * What a reader looks for. `query` is found in names of nodes and VMs; `namespace` is empty for all.
 * @typedef {{query: string, namespace: string, withVerdicts: boolean, notReady: boolean}} Wanted
 */

/** Rows keep their place while their cache fills by less than this part. */
const FULLNESS_STEP = 0.1;

const collator = new Intl.Collator("en", { numeric: true });

/** @param {string} vm `NAMESPACE/NAME` */
export function namespaceOf(vm) {
  return vm.includes("/") ? vm.slice(0, vm.indexOf("/")) : "";
}

/** @param {string} vm */
export function shortName(vm) {
  return vm.slice(vm.indexOf("/") + 1);
}

/**
 * A row for each node, in no order, and the VMs that run on none.
 * @param {Pick<State, "nodes" | "vms">} state
 * @returns {{entries: Entry[], unplaced: string[]}}
 */
export function fleetEntries(state) {
  /** @type {Map<string, string[]>} */
  const byNode = new Map([...state.nodes.keys()].map((name) => [name, []]));
  for (const [vm, { node }] of state.vms) {
    const vms = byNode.get(node);
    if (vms) vms.push(vm);
    else byNode.set(node, [vm]);
  }
  const unplaced = byNode.get("") ?? [];
  byNode.delete("");
  const entries = [...byNode].map(([name, vms]) => entryOf(state, name, vms));
  return { entries, unplaced: unplaced.sort(collator.compare) };
}

/**
 * @param {Pick<State, "nodes" | "vms">} state
 * @param {string} name
 * @param {string[]} vms
 * @returns {Entry}
 */
function entryOf(state, name, vms) {
  const named = state.nodes.get(name);
  const node = named ?? nodeOfVms(state, vms);
  let without = 0;
  for (const vm of vms) {
    if (state.vms.get(vm)?.occupancy == null) without += 1;
  }
  const verdicts = node.verdicts.filter(isOpen);
  if (verdicts.length > 1) verdicts.sort(compareVerdicts);
  return { name, node, isNamed: Boolean(named), vms, without, verdicts };
}

/**
 * What the VMs of a node say of it, where nobody else does.
 * @param {Pick<State, "vms">} state
 * @param {string[]} vms
 * @returns {NodeState}
 */
function nodeOfVms(state, vms) {
  /** @type {Map<number, import("./state.js").Block>} */
  const blocks = new Map();
  const verdicts = [];
  for (const vm of vms) {
    const known = state.vms.get(vm);
    verdicts.push(...(known?.verdicts ?? []));
    for (const { id, capacity, occupancy } of known?.blocks ?? []) {
      const block = blocks.get(id) ?? {
        id, capacity, occupancy: null, monitored: null, unattributed: null, reading: "Valid", reason: "", holders: [],
      };
      block.capacity ??= capacity;
      if (occupancy !== null) block.holders.push([vm, occupancy]);
      blocks.set(id, block);
    }
  }
  for (const block of blocks.values()) block.holders.sort((one, other) => other[1] - one[1]);
  return {
    ready: "", reason: "", message: "", observed: null, period: 60, agent: "", rmids: null, interferenceRatio: null,
    blocks: [...blocks.values()].sort((one, other) => one.id - other.id), verdicts,
  };
}

/**
 * A block with VMs that its node does not name, by their own figures. The node counts them in `monitored`; what is
 * more than that, as figures of VMs may be newer, stays unnamed.
 * @param {import("./state.js").Block} block
 * @param {Entry} entry
 * @param {State["vms"]} vms
 * @returns {import("./state.js").Block}
 */
export function withOwnFigures(block, entry, vms) {
  let room = block.occupancy === null ? 0 : unnamedOf(block);
  if (!room) return block;
  const named = new Set(block.holders.map(([vm]) => vm));
  const own = entry.vms
    .filter((vm) => !named.has(vm))
    .map((vm) => /** @type {[string, number]} */ ([vm, ownFigure(vms.get(vm), block.id)]))
    .sort((one, other) => other[1] - one[1]);
  const fitting = own.filter(([, bytes]) => {
    const fits = bytes > 0 && bytes <= room;
    if (fits) room -= bytes;
    return fits;
  });
  return { ...block, holders: [...block.holders, ...fitting].sort((one, other) => other[1] - one[1]) };
}

/**
 * @param {import("./state.js").VmState | undefined} vm
 * @param {number} id of a block
 */
function ownFigure(vm, id) {
  return vm?.blocks.find((block) => block.id === id)?.occupancy ?? 0;
}

/**
 * Age of a node's figures in seconds; null where there are none.
 * @param {Entry} entry
 * @param {number} now
 */
export function ageOf(entry, now) {
  return entry.node.observed === null ? null : now - entry.node.observed;
}

/**
 * Whether the figures of a node hold now: its agent reports, and can monitor.
 * @param {Entry} entry
 * @param {number} now
 */
export function holdsNow(entry, now) {
  const age = ageOf(entry, now);
  return !entry.isNamed || (entry.node.ready === "True" && age !== null && age <= staleAfter(entry.node.period));
}

/**
 * Whether the figures of a node are older than those of others.
 * @param {Entry} entry
 * @param {number} now
 */
export function isOld(entry, now) {
  const age = ageOf(entry, now);
  return age !== null && (age < -5 || isOlder(age, entry.node.period));
}

/**
 * The fullest block of a node, 0 to 1; 0 where there is no figure.
 * @param {Entry} entry
 */
export function fullness({ node }) {
  let most = 0;
  for (const { capacity, occupancy } of node.blocks) {
    if (capacity && occupancy !== null) most = Math.max(most, occupancy / capacity);
  }
  return most;
}

/**
 * Worst first: verdicts by level and slowdown, then nodes without figures, then the fullest, then by name.
 * @param {Entry[]} entries
 * @param {number} now
 */
export function worstFirst(entries, now) {
  const ranked = entries.map((entry) => {
    const worst = entry.verdicts[0];
    return {
      entry,
      level: worst ? levelRank(worst.level) : LEVELS.length + 1,
      slowdown: worst?.slowdownPercent ?? 0,
      holds: holdsNow(entry, now) ? 1 : 0,
      full: Math.round(fullness(entry) / FULLNESS_STEP),
    };
  });
  ranked.sort(
    (one, other) =>
      one.level - other.level ||
      other.slowdown - one.slowdown ||
      one.holds - other.holds ||
      other.full - one.full ||
      collator.compare(one.entry.name, other.entry.name),
  );
  return ranked.map(({ entry }) => entry);
}

/**
 * Which VMs a reader looks for; null when no name and no namespace was given.
 * @param {Wanted} wanted
 * @returns {((vm: string) => boolean) | null}
 */
export function vmMatcher({ query, namespace }) {
  const text = query.trim().toLowerCase();
  if (!text && !namespace) return null;
  return (vm) => (!namespace || namespaceOf(vm) === namespace) && (!text || vm.toLowerCase().includes(text));
}

/**
 * The rows that a reader looks for, in the order they had.
 * @param {Entry[]} entries
 * @param {Wanted} wanted
 * @param {number} now
 */
export function wantedEntries(entries, wanted, now) {
  const text = wanted.query.trim().toLowerCase();
  const matches = vmMatcher(wanted);
  return entries.filter((entry) => {
    if (wanted.withVerdicts && !entry.verdicts.length) return false;
    if (wanted.notReady && holdsNow(entry, now)) return false;
    if (!matches) return true;
    if (text && !wanted.namespace && entry.name.toLowerCase().includes(text)) return true;
    if (wanted.namespace && text && entry.name.toLowerCase().includes(text)) {
      return entry.vms.some((vm) => namespaceOf(vm) === wanted.namespace);
    }
    return entry.vms.some(matches);
  });
}

/**
 * Sums over all rows. A block counts for `held` and `capacity` only if it has both figures.
 * @param {Entry[]} entries
 * @param {number} now
 */
export function fleetSums(entries, now) {
  const sums = { nodes: entries.length, silent: 0, vms: 0, without: 0, blocks: 0, counted: 0, held: 0, capacity: 0, named: 0, byVms: 0 };
  const levels = [...LEVELS, "another"].map(() => 0);
  for (const entry of entries) {
    sums.vms += entry.vms.length;
    sums.without += entry.without;
    if (!holdsNow(entry, now)) sums.silent += 1;
    for (const { level } of entry.verdicts) levels[levelRank(level)] += 1;
    if (entry.isNamed) sums.named += 1;
    for (const block of entry.node.blocks) {
      const { capacity, occupancy } = block;
      sums.blocks += 1;
      sums.byVms += sumOf(block.holders) + unnamedOf(block);
      if (capacity === null || occupancy === null) continue;
      sums.counted += 1;
      sums.held += occupancy;
      sums.capacity += capacity;
    }
  }
  return { ...sums, levels };
}
