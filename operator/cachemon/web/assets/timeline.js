/**
 * Figures over time: rows of one time axis, columns of one figure each. Pure: no DOM, no clock.
 *
 * A cell is a number; `null` where a figure is missing (a gap, with a reason where one is known); `undefined` where
 * there was nothing to measure, as a VM was not there.
 *
 * @typedef {{value: number | null, reason?: string}} Figure
 * @typedef {(number | null | undefined)[]} Column
 */

/** Rows kept of one view, more than a chart has pixels. Older rows are thinned out, then dropped. */
export const MOST_ROWS = 2400;

/**
 * Builds the name of a column.
 * @param {string} what `occupancy`, `bandwidth`, `total` or `unattributed`
 * @param {number} block id of the cache block
 * @param {string} [name] VM or group
 */
export function columnName(what, block, name = "") {
  return `${what} ${block} ${name}`;
}

/** Rows of figures; each column has one cell for each time. */
export class Timeline {
  /** @param {number} [most] rows kept */
  constructor(most = MOST_ROWS) {
    this.most = most;
    /** @type {number[]} */
    this.times = [];
    /** @type {Map<string, Column>} */
    this.columns = new Map();
    /** @type {Map<string, Map<number, string>>} */
    this.reasons = new Map();
    /** Grows with each change: what is drawn from an older one is out of date. */
    this.version = 0;
  }

  /**
   * Puts history in front; rows that are later than it stay.
   * @param {number[]} times ascending
   * @param {Map<string, Column>} columns
   */
  load(times, columns) {
    const end = times.length ? times[times.length - 1] : -Infinity;
    const first = this.times.findIndex((time) => time > end);
    const kept = first < 0 ? this.times.length : first;
    const later = this.times.slice(kept);
    for (const name of new Set([...columns.keys(), ...this.columns.keys()])) {
      const before = columns.get(name) ?? new Array(times.length).fill(undefined);
      const after = this.columns.get(name)?.slice(kept) ?? new Array(later.length).fill(undefined);
      this.columns.set(name, [...before, ...after]);
    }
    this.times = [...times, ...later];
    this.#bound();
    this.version += 1;
  }

  /**
   * Adds a row, or renews the last one where the time is the same. A row that is older than the last is left out.
   * @param {number} time seconds since the epoch
   * @param {Map<string, Figure>} figures all that is there at that time
   * @param {number} [longest] seconds after which the row before no longer holds: a row of gaps comes between
   */
  append(time, figures, longest = Infinity) {
    const last = this.times[this.times.length - 1] ?? -Infinity;
    if (time < last) return;
    if (time > last) {
      if (time - last > longest && Number.isFinite(last)) this.#addGap((last + time) / 2);
      this.#addRow(time);
    }
    const row = this.times.length - 1;
    for (const [name, figure] of figures) this.#put(name, row, figure);
    for (const [name, column] of this.columns) if (!figures.has(name)) column[row] = undefined;
    this.#bound();
    this.version += 1;
  }

  /**
   * @param {string} name of a column
   * @returns {Column} its cells; all `undefined` where there is no such column
   */
  column(name) {
    return this.columns.get(name) ?? new Array(this.times.length).fill(undefined);
  }

  /**
   * @param {string} name of a column
   * @param {number} row
   * @returns {number | null | undefined}
   */
  cell(name, row) {
    return this.columns.get(name)?.[row];
  }

  /**
   * @param {string} name of a column
   * @param {number} row
   * @returns {string} why the cell has no number; empty where nothing is known
   */
  reason(name, row) {
    return this.reasons.get(name)?.get(this.times[row]) ?? "";
  }

  /** @param {number} time */
  #addRow(time) {
    this.times.push(time);
    for (const column of this.columns.values()) column.push(undefined);
  }

  /** @param {number} time */
  #addGap(time) {
    this.#addRow(time);
    const row = this.times.length - 1;
    for (const column of this.columns.values()) if (column[row - 1] !== undefined) column[row] = null;
  }

  /**
   * @param {string} name
   * @param {number} row
   * @param {Figure} figure
   */
  #put(name, row, figure) {
    let column = this.columns.get(name);
    if (!column) {
      column = new Array(this.times.length).fill(undefined);
      this.columns.set(name, column);
    }
    column[row] = figure.value;
    const time = this.times[row];
    if (figure.value === null && figure.reason) {
      if (!this.reasons.has(name)) this.reasons.set(name, new Map());
      this.reasons.get(name)?.set(time, figure.reason);
    } else {
      this.reasons.get(name)?.delete(time);
    }
  }

  /** Keeps at most `most` rows: thins out the older half, but keeps gaps; what is still too much goes, oldest first. */
  #bound() {
    if (this.times.length <= this.most) return;
    const half = this.times.length >> 1;
    const columns = [...this.columns.values()];
    this.#keep((row) => row >= half || row % 2 === 1 || columns.some((column) => column[row] === null));
    const excess = this.times.length - this.most;
    if (excess > 0) this.#keep((row) => row >= excess);
  }

  /** @param {(row: number) => boolean} wanted */
  #keep(wanted) {
    const rows = this.times.map((_, row) => row).filter(wanted);
    this.times = rows.map((row) => this.times[row]);
    const kept = new Set(this.times);
    for (const [name, column] of this.columns) {
      const cells = rows.map((row) => column[row]);
      if (cells.some((cell) => cell !== undefined)) this.columns.set(name, cells);
      else this.columns.delete(name);
    }
    for (const [name, reasons] of this.reasons) {
      for (const time of reasons.keys()) if (!kept.has(time)) reasons.delete(time);
      if (!reasons.size || !this.columns.has(name)) this.reasons.delete(name);
    }
  }
}

/** A marker and the last figure of a VM that leaves come in either order. */
const DISORDER_SECONDS = 5;

/**
 * Reads gaps of a VM's history: cells become `undefined` where the VM was not there.
 * It was there from its first number on, but not from a time when it left to its next number.
 * @param {number[]} times
 * @param {(number | null)[]} values
 * @param {{isHere: boolean, left: number[]}} stay whether it is there now; when it left
 * @returns {Column}
 */
export function absences(times, values, { isHere, left }) {
  let last = values.length - 1;
  while (last >= 0 && values[last] === null) last -= 1;
  let newest = -1;
  return values.map((value, row) => {
    if (value !== null) {
      newest = row;
      return value;
    }
    if (newest < 0 || (row > last && !isHere)) return undefined;
    const from = times[newest] - DISORDER_SECONDS;
    return left.some((time) => time >= from && time <= times[row]) ? undefined : null;
  });
}
