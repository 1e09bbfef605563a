/** Times and gaps in words. Pure. */

import { clockTime } from "./charts.js";
import { ageLabel, formatAge, isOlder, reasonInWords } from "./format.js";

/**
 * @param {number} time seconds since the epoch
 * @param {number} now
 * @returns {string} `12:03:41, 7m ago`
 */
export function momentWords(time, now) {
  return `${clockTime(time)}, ${formatAge(Math.max(0, now - time))} ago`;
}

/**
 * @param {number | null} from
 * @param {number | null} until null while it goes on
 * @param {number} now
 * @returns {string} `since 12:03:41, for 7m`
 */
export function spanWords(from, until, now) {
  if (from === null) return until === null ? "" : `until ${clockTime(until)}`;
  const length = formatAge(Math.max(0, (until ?? now) - from));
  return until === null
    ? `since ${clockTime(from)}, for ${length}`
    : `${clockTime(from)} to ${clockTime(until)}, ${length}`;
}

/**
 * Why figures are missing; empty where they are not. A VM has a reason also when all is well.
 * @param {{ready: string, occupancy: number | null, reason: string}} vm
 */
export function whyMissing({ ready, occupancy, reason }) {
  return ready === "True" && occupancy !== null ? "" : reason;
}

/**
 * How old figures are, and why they are missing or late.
 * @param {{observed: number | null, period: number, reason: string}} of
 * @param {number} now
 * @returns {{text: string, isLate: boolean}}
 */
export function ageWords({ observed, period, reason }, now) {
  const why = reason ? reasonInWords(reason) : "";
  if (observed === null) return { text: why || "no figures yet", isLate: true };
  const seconds = now - observed;
  const age = ageLabel(seconds, period);
  return { text: why ? `${why}, ${age}` : age, isLate: Boolean(why) || isOlder(seconds, period) };
}

/** @type {Record<string, string>} */
const ORIGINS = { prometheus: "Prometheus", agent: "the host's agent" };

/**
 * Where the history from before the page is from.
 * @param {{until: number, origin: string}[]} parts
 * @returns {string[]} a sentence each
 */
export function originWords(parts) {
  return parts
    .filter(({ origin }) => origin in ORIGINS)
    .map(({ until, origin }) => `Until ${clockTime(until)} the history is that of ${ORIGINS[origin]}.`);
}

/**
 * Rows in which no line has a figure.
 * @param {(number | null)[][]} data times first, then a column for each line
 * @returns {import("./stack.js").Hole[]}
 */
export function holesOfLines([times, ...columns]) {
  /** @type {import("./stack.js").Hole[]} */
  const holes = [];
  if (!columns.length) return holes;
  const first = Math.min(...columns.map((column) => startOf(column)));
  for (let row = first; row < times.length; row++) {
    if (columns.some((column) => column[row] !== null)) continue;
    const last = holes[holes.length - 1];
    if (last && last.until === row - 1) last.until = row;
    else holes.push({ from: row, until: row, why: "nothing was measured" });
  }
  return holes;
}

/** @param {(number | null)[]} column */
function startOf(column) {
  const first = column.findIndex((value) => value !== null);
  return first < 0 ? column.length : first;
}
