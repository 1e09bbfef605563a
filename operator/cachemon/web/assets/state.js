/** What the server has sent so far, merged from its changes. cachemon/web/page_state.py defines the JSON. */

/**
 * @typedef {{node: string, block: number | null, victim: string, suspect: string, neighbour: string, level: string,
 *   resource: string, outcome: string, since: number | null, until: number | null, slowdownPercent: number | null,
 *   sharePercent: number | null, bytesLost: number | null, evidence: string, series: object | null}} Verdict
 * @typedef {{id: number, capacity: number | null, occupancy: number | null, monitored: number | null,
 *   unattributed: number | null, reading: string, reason: string, holders: [string, number][]}} Block
 * @typedef {{ready: string, reason: string, message: string, observed: number | null, period: number, agent: string,
 *   rmids: {ours: number, others: number, total: number} | null, interferenceRatio: number | null, blocks: Block[],
 *   verdicts: Verdict[]}} NodeState
 * @typedef {{id: number, occupancy: number | null, capacity: number | null, bandwidth: number | null}} VmBlock
 * @typedef {{node: string, ready: string, reason: string, message: string, observed: number | null, period: number,
 *   occupancy: number | null, atLeast: boolean, bandwidth: number | null, blocks: VmBlock[], groups: object[],
 *   undisturbed: {status: string, reason: string, message: string} | null, places: object[],
 *   verdicts?: Verdict[]}} VmState
 * @typedef {{kind: string, title: string, namespace: string, version: string, since: number, prometheus: boolean,
 *   live: {offered: boolean, until: number | null, reason: string}, problem: string}} Source
 * @typedef {{sequence: number | null, revision: number, now: number, source: Source | null, nodes: Map<string, NodeState>,
 *   vms: Map<string, VmState>, remarks: string[]}} State
 * @typedef {{sequence: number, whole: boolean, now: number, source?: Source, remarks?: string[],
 *   nodes?: Record<string, NodeState | null>, vms?: Record<string, VmState | null>}} Change
 */

/** @returns {State} */
export function emptyState() {
  return { sequence: null, revision: 0, now: 0, source: null, nodes: new Map(), vms: new Map(), remarks: [] };
}

/**
 * Merge an answer of the server. An object that did not change stays the same object; `revision` counts changes.
 * @param {State} state
 * @param {Change} change
 * @returns {boolean} whether there is anything new but the time
 */
export function merge(state, change) {
  if (change.whole) {
    state.nodes.clear();
    state.vms.clear();
  }
  state.sequence = change.sequence;
  state.now = change.now;
  const frame = JSON.stringify([state.source, state.remarks]);
  state.source = change.source ?? state.source;
  state.remarks = change.remarks ?? state.remarks;
  const nodes = mergeEntries(state.nodes, change.nodes);
  const vms = mergeEntries(state.vms, change.vms);
  const isNew = change.whole || nodes || vms || frame !== JSON.stringify([state.source, state.remarks]);
  if (isNew) state.revision += 1;
  return isNew;
}

/**
 * @template T
 * @param {Map<string, T>} known
 * @param {Record<string, T | null>} [changes] null removes an entry
 */
function mergeEntries(known, changes = {}) {
  const entries = Object.entries(changes);
  for (const [name, value] of entries) {
    if (value === null) known.delete(name);
    else known.set(name, value);
  }
  return entries.length > 0;
}
