/** What the fleet says in words: sentences for screen readers, lines for tips. Pure. */

import { ageLabel, counted, formatAge, formatBytes, formatCount, formatShare, reasonInWords } from "./format.js";
import { ageOf, holdsNow } from "./fleet_model.js";
import { verdictSentence } from "./verdicts.js";

/**
 * @typedef {import("./fleet_model.js").Entry} Entry
 * @typedef {import("./state.js").Block} Block
 */

/**
 * Readings that are no number: cachemon/model/readings.py.
 * @type {Record<string, string>}
 */
const READINGS = {
  Unavailable: "the hardware holds no value now",
  Error: "the hardware answers with an error",
  Unassigned: "no counter is assigned",
  Offline: "the cache block is offline",
};

/**
 * Why the figures of a node do not hold now; empty when they do.
 * @param {Entry} entry
 * @param {number} now
 */
export function problemOf(entry, now) {
  if (holdsNow(entry, now)) return "";
  const { ready, reason } = entry.node;
  if (ready === "True") return "agent not reporting";
  return reason ? reasonInWords(reason) : ready === "False" ? "not ready" : "state unknown";
}

/**
 * Why a cache block has no figure, in words.
 * @param {Block} block
 * @param {Entry} entry
 */
export function whyMissing(block, entry) {
  if (!entry.isNamed) return "no figure of your VMs here";
  const reason = block.reason || (block.reading === "Valid" ? entry.node.reason : block.reading);
  if (!reason) return "no figure";
  return `no figure: ${READINGS[reason] ?? reasonInWords(reason)}`;
}

/**
 * Why a node has no cache block at all, in words.
 * @param {Entry} entry
 */
export function whyNone({ node, isNamed }) {
  if (!isNamed) return "no figure of your VMs yet";
  return node.ready !== "True" && node.reason ? `no figure: ${reasonInWords(node.reason)}` : "no cache block is known";
}

/**
 * `51Mi of 64Mi held`, for a screen reader.
 * @param {Block} block
 * @param {Entry} entry
 */
export function blockSentence(block, entry) {
  const name = `cache block ${block.id}`;
  if (block.occupancy === null && block.holders.length) return `${name}: your VMs hold ${formatBytes(sumOf(block.holders))}`;
  if (block.occupancy === null) return `${name}: ${whyMissing(block, entry)}`;
  const of = block.capacity ? ` of ${formatBytes(block.capacity)}` : "";
  const others = othersOf(block);
  const unattributed = others ? `, ${formatBytes(others)} of it unattributed` : "";
  return `${name}: ${formatBytes(block.occupancy)}${of} held${unattributed}`;
}

/**
 * Bytes that no monitored VM holds.
 * @param {Block} block
 */
export function othersOf(block) {
  if (block.unattributed !== null) return block.unattributed;
  if (block.occupancy === null) return 0;
  return Math.max(0, block.occupancy - sumOf(block.holders) - unnamedOf(block));
}

/**
 * Bytes of monitored VMs that have no name here: a node names the largest only.
 * @param {Block} block
 */
export function unnamedOf(block) {
  return Math.max(0, (block.monitored ?? 0) - sumOf(block.holders));
}

/** @param {[string, number][]} holders VMs and their bytes */
export function sumOf(holders) {
  return holders.reduce((sum, [, bytes]) => sum + bytes, 0);
}

/**
 * All that a row shows, for a screen reader.
 * @param {Entry} entry
 * @param {number} now
 */
export function rowSentence(entry, now) {
  const { node, verdicts } = entry;
  const parts = [];
  const problem = problemOf(entry, now);
  if (problem) parts.push(`Figures do not hold: ${problem}`);
  parts.push(...verdicts.map(verdictSentence));
  parts.push(...node.blocks.map((block) => upperFirst(blockSentence(block, entry))));
  parts.push(vmsWords(entry));
  if (node.interferenceRatio) parts.push(`Interference ${formatShare(node.interferenceRatio)}`);
  if (node.rmids) parts.push(`RMIDs ${node.rmids.ours + node.rmids.others} of ${node.rmids.total} in use`);
  const age = ageOf(entry, now);
  if (age !== null) parts.push(`Read ${formatAge(Math.max(0, age))} ago`);
  return `${parts.join(". ")}.`;
}

/** @param {Entry} entry */
function vmsWords({ vms, without }) {
  return counted(vms.length, "VM") + (without ? `, ${formatCount(without)} without figures` : "");
}

/**
 * What stands under the name of a node.
 * @param {Entry} entry
 */
export function metaWords(entry) {
  const ratio = entry.node.interferenceRatio;
  return vmsWords(entry) + (ratio ? `, interference ${formatShare(ratio)}` : "");
}

/** @param {string} text */
function upperFirst(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/**
 * `12Mi, 33% of cache block 0`.
 * @param {number} bytes
 * @param {Block} block
 */
export function heldWords(bytes, block) {
  const share = block.capacity ? `, ${formatShare(bytes / block.capacity)} of` : " in";
  return `${formatBytes(bytes)}${share} cache block ${block.id}`;
}

/**
 * The age of a row's figures, as in the tables.
 * @param {Entry} entry
 * @param {number} now
 */
export function ageWords(entry, now) {
  const age = ageOf(entry, now);
  return age === null ? "never reported" : `age ${ageLabel(age, entry.node.period)}`;
}
