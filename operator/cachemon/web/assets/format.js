/**
 * Figures for people, exactly as the tables of the command line print them: cachemon/model/units.py and age.py.
 * A test compares both on many values.
 */

/** What stands where there is no number. */
export const NO_VALUE = "-";

/** Times in the API have whole seconds, and a write takes its time. */
const ALLOWANCE_SECONDS = 2;
const STALE_AFTER_PERIODS = 3;
/** Clocks that are kept by NTP differ by less. */
const AHEAD_SECONDS = 5;

/**
 * Round as Python's format does: a tie goes to the even digit, where toFixed takes the larger one.
 * @param {number} amount not below zero
 * @param {0 | 1} digits
 * @returns {string}
 */
function fixed(amount, digits) {
  const scale = digits ? 10 : 1;
  const isTie = Number.isInteger(amount * 4) && (amount * scale) % 1 === 0.5;
  if (!isTie) return amount.toFixed(digits);
  const below = Math.floor(amount * scale);
  return ((below % 2 ? below + 1 : below) / scale).toFixed(digits);
}

/**
 * @param {number} value
 * @param {number} base
 * @param {number} step amount from which the next unit is used
 * @param {string[]} units
 */
function scaled(value, base, step, units) {
  let amount = value;
  let unit = units[0];
  for (const larger of units.slice(1)) {
    if (amount < (unit ? step : base)) break;
    amount /= base;
    unit = larger;
  }
  return (unit && amount < 9.95 ? fixed(amount, 1) : fixed(amount, 0)) + unit;
}

/**
 * Bytes in binary units: 53796864 -> `51Mi`.
 * @param {number | null | undefined} value
 */
export function formatBytes(value) {
  return value == null ? NO_VALUE : scaled(value, 1024, 1024, ["", "Ki", "Mi", "Gi", "Ti"]);
}

/**
 * Bytes per second in decimal units, the `/s` left out: 1200000000 -> `1200M`.
 * @param {number | null | undefined} bytesPerSecond
 */
export function formatRate(bytesPerSecond) {
  return bytesPerSecond == null ? NO_VALUE : scaled(bytesPerSecond, 1000, 10_000, ["", "k", "M", "G", "T"]);
}

/**
 * A time span as kubectl prints it: `12s`, `7m`, `26h`, `3d`.
 * @param {number} seconds
 */
export function formatAge(seconds) {
  /** @type {[number, string, number][]} */
  const sizes = [[1, "s", 120], [60, "m", 120 * 60], [3600, "h", 48 * 3600]];
  for (const [size, unit, limit] of sizes) {
    if (seconds < limit) return `${Math.floor(seconds / size)}${unit}`;
  }
  return `${Math.floor(seconds / 86400)}d`;
}

/**
 * Age in seconds from which figures are stale.
 * @param {number} periodSeconds
 */
export function staleAfter(periodSeconds) {
  return STALE_AFTER_PERIODS * periodSeconds + ALLOWANCE_SECONDS;
}

/**
 * Whether figures are older than those of neighbours that are renewed in time.
 * @param {number} seconds
 * @param {number} periodSeconds
 */
export function isOlder(seconds, periodSeconds) {
  return seconds > periodSeconds + ALLOWANCE_SECONDS;
}

/**
 * Age of figures: `12s`, `13m(old)`, `5m(ahead)`.
 * @param {number} seconds below zero when their time is in the future
 * @param {number} periodSeconds how often they are to be renewed
 */
export function ageLabel(seconds, periodSeconds) {
  const isAhead = seconds < -AHEAD_SECONDS;
  const mark = seconds > staleAfter(periodSeconds) ? "(old)" : isAhead ? "(ahead)" : "";
  return formatAge(isAhead ? -seconds : Math.max(0, seconds)) + mark;
}

/**
 * A part of a whole in percent, `31%`.
 * @param {number} part 0 to 1
 */
export function formatShare(part) {
  return `${fixed(Math.max(0, part) * 100, 0)}%`;
}

/**
 * Whole number with commas: 1000 -> `1,000`.
 * @param {number} count
 */
export function formatCount(count) {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}

/**
 * A count with its noun: `1 node`, `1,000 nodes`.
 * @param {number} count
 * @param {string} noun
 * @param {string} [plural]
 */
export function counted(count, noun, plural = `${noun}s`) {
  return `${formatCount(count)} ${count === 1 ? noun : plural}`;
}

/**
 * A reason of the API in words: `OutOfRMIDs` -> `out of RMIDs`, `AgentNotReporting` -> `agent not reporting`.
 * @param {string} reason
 */
export function reasonInWords(reason) {
  const parts = reason.match(/[A-Z]{2,}s?(?![a-z])|[A-Z]?[a-z]+|[A-Z]|\d+/g) ?? [reason];
  const words = parts.map((part) => (/^[A-Z]{2,}s?$/.test(part) ? part : part.toLowerCase()));
  return words.join(" ").replaceAll("VCPU", "vCPU");
}
