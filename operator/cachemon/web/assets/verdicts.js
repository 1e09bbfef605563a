/** Verdicts on interference: order and words. Pure. */

import { formatAge } from "./format.js";

/** Surest first. */
export const LEVELS = ["Confirmed", "Likely", "TakingCache"];
/** @type {Record<string, string>} */
const LEVEL_WORDS = { Confirmed: "Confirmed", Likely: "Likely", TakingCache: "Taking cache" };
/** @type {Record<string, string>} */
const RESOURCE_WORDS = { Cache: "cache", MemoryBandwidth: "memory bandwidth" };

/**
 * @typedef {import("./state.js").Verdict} Verdict
 */

/**
 * Place in LEVELS; one more for a level that this page does not know.
 * @param {string} level
 */
export function levelRank(level) {
  const place = LEVELS.indexOf(level);
  return place < 0 ? LEVELS.length : place;
}

/** @param {string} level */
export function levelWords(level) {
  return LEVEL_WORDS[level] ?? level;
}

/** @param {Verdict} verdict */
export function isOpen(verdict) {
  return !verdict.outcome;
}

/**
 * Which verdict it is; another level makes it news again.
 * @param {Verdict} verdict
 */
export function verdictKey(verdict) {
  return JSON.stringify([verdict.node, verdict.block, verdict.victim, verdict.suspect, verdict.since, verdict.level]);
}

/**
 * @param {Verdict} one
 * @param {Verdict} other
 */
export function compareVerdicts(one, other) {
  return (
    levelRank(one.level) - levelRank(other.level) ||
    (other.slowdownPercent ?? 0) - (one.slowdownPercent ?? 0) ||
    (one.since ?? 0) - (other.since ?? 0) ||
    (one.victim < other.victim ? -1 : Number(one.victim > other.victim))
  );
}

/**
 * The open verdicts, worst first. Those of VMs count where nodes may not be read.
 * @param {import("./state.js").State} state
 */
export function openVerdicts(state) {
  const found = new Map();
  for (const owner of [...state.nodes.values(), ...state.vms.values()]) {
    for (const verdict of owner.verdicts ?? []) {
      if (isOpen(verdict)) found.set(verdictKey(verdict), verdict);
    }
  }
  return [...found.values()].sort(compareVerdicts);
}

/**
 * `tenant-a/vm2 takes cache of tenant-a/vm1`.
 * @param {Verdict} verdict
 */
export function verdictWords(verdict) {
  const suspect = verdict.suspect || verdict.neighbour || "something unmonitored";
  return `${suspect} ${takes(verdict)} of ${verdict.victim}`;
}

/** @param {Verdict} verdict */
export function takes(verdict) {
  return `takes ${RESOURCE_WORDS[verdict.resource] ?? verdict.resource}`;
}

/**
 * `+31%`, with the meaning as a title; empty where nothing measures it.
 * @param {Verdict} verdict
 */
export function slowdown(verdict) {
  return verdict.slowdownPercent == null ? "" : `+${verdict.slowdownPercent}%`;
}

/**
 * How long it holds: `7m`; empty where that is not known.
 * @param {Verdict} verdict
 * @param {number} now
 */
export function heldFor(verdict, now) {
  return verdict.since == null ? "" : formatAge(Math.max(0, now - verdict.since));
}

/**
 * All that is known of it, for a screen reader, without a full stop.
 * @param {Verdict} verdict
 */
export function verdictSentence(verdict) {
  const more = verdict.slowdownPercent == null ? "" : `, which takes ${verdict.slowdownPercent} % more cycles`;
  return `${levelWords(verdict.level)}: ${verdictWords(verdict)}${more}, on ${verdict.node}`;
}
