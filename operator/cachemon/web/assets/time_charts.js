/**
 * Charts that share one axis of time: range buttons, zoom, and a cursor for mouse and keyboard that goes through all.
 *
 * @typedef {import("./marker_paint.js").Marker} Marker
 * @typedef {{setWindow(min: number, max: number): void, showRow(row: number | null, time: number | null): void,
 *   redraw(): void}} Member a panel
 */

import { element, setAttribute } from "./dom.js";
import { clockTime } from "./charts.js";

/** @type {[string, number][]} */
const RANGES = [
  ["15 min", 900],
  ["1 h", 3600],
  ["All", Infinity],
];
const LEAST_SECONDS = 120;
const LEAST_ZOOM_SECONDS = 5;
const FAR_ROWS = 10;

/** The common time of some panels. */
export class TimeCharts {
  /**
   * @param {HTMLElement} toolbar gets the buttons
   * @param {Map<string, any>} memory keeps the range that the reader chose
   */
  constructor(toolbar, memory) {
    /** @type {Set<Member>} */
    this.members = new Set();
    /** @type {number[]} */
    this.times = [];
    this.now = 0;
    this.memory = memory;
    this.range = memory.get("range") ?? RANGES[1][1];
    /** @type {{min: number, max: number} | null} */
    this.zoom = null;
    /** @type {number | null} */
    this.row = null;
    this.chosen = -1;
    this.toolbar = toolbar;
    this.#makeButtons();
  }

  /**
   * Takes the times of new data and shows the span that the reader chose.
   * @param {number[]} times
   * @param {number} now seconds since the epoch
   */
  update(times, now) {
    this.times = times;
    this.now = Math.max(now, times[times.length - 1] ?? 0);
    if (this.row !== null && this.row >= times.length) this.setRow(null);
    this.#showWindow();
  }

  /** @returns {{min: number, max: number}} the span that is shown */
  window() {
    if (this.zoom) return this.zoom;
    const first = this.times[0] ?? this.now;
    const min = Math.max(this.now - this.range, Math.min(first, this.now - LEAST_SECONDS));
    return { min, max: this.now };
  }

  /**
   * Puts the cursor of all panels on a row.
   * @param {number | null} row
   */
  setRow(row) {
    this.row = row;
    const time = row === null ? null : this.times[row];
    for (const member of this.members) member.showRow(row, time);
  }

  /**
   * Shows a span of time in all panels, until `reset`.
   * @param {number} min
   * @param {number} max
   */
  setZoom(min, max) {
    if (max - min < LEAST_ZOOM_SECONDS) return;
    this.zoom = { min, max };
    this.#showWindow();
  }

  redraw() {
    for (const member of this.members) member.redraw();
  }

  reset() {
    this.zoom = null;
    this.#showWindow();
  }

  /**
   * Puts the cursor next to a marker and emphasizes it.
   * @param {Marker} marker
   * @param {number} index in the list of markers; -1 for none
   */
  choose(marker, index) {
    this.chosen = index;
    const { min, max } = this.window();
    if (index >= 0 && (marker.time < min || marker.time > max)) this.#moveTo(marker.time, max - min);
    this.setRow(index < 0 ? null : nearestRow(this.times, marker.time));
    this.redraw();
  }

  /**
   * Moves the cursor or the zoom by a key.
   * @param {KeyboardEvent} event
   * @returns {boolean} whether the key has a meaning here
   */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    if (event.key === "Escape") this.setRow(null);
    else if (event.key === "0") this.reset();
    else if (event.key === "+" || event.key === "=") this.#zoomBy(0.5);
    else if (event.key === "-") this.#zoomBy(2);
    else return this.#moveByKey(event.key);
    return true;
  }

  /** @param {string} key */
  #moveByKey(key) {
    const { min, max } = this.window();
    const first = this.times.findIndex((time) => time >= min);
    const last = this.times.findLastIndex((time) => time <= max);
    if (first < 0 || last < first) return false;
    const row = this.row ?? last + 1;
    /** @type {Record<string, number>} */
    const rows = {
      ArrowLeft: row - 1,
      ArrowRight: row + 1,
      ArrowDown: row - 1,
      ArrowUp: row + 1,
      PageDown: row - FAR_ROWS,
      PageUp: row + FAR_ROWS,
      Home: first,
      End: last,
    };
    if (!(key in rows)) return false;
    this.setRow(Math.min(last, Math.max(first, rows[key])));
    return true;
  }

  /** @param {number} factor of the span */
  #zoomBy(factor) {
    const { min, max } = this.window();
    const middle = this.row === null ? (min + max) / 2 : this.times[this.row];
    const from = middle - (middle - min) * factor;
    const until = middle + (max - middle) * factor;
    if (from <= this.times[0] && until >= this.now) this.reset();
    else this.setZoom(from, until);
  }

  /**
   * @param {number} time
   * @param {number} seconds
   */
  #moveTo(time, seconds) {
    this.setZoom(time - seconds / 2, time + seconds / 2);
  }

  #showWindow() {
    const { min, max } = this.window();
    for (const member of this.members) member.setWindow(min, max);
    this.#showButtons();
  }

  #makeButtons() {
    const group = element("div", { class: "ranges", role: "group", "aria-label": "Time range" });
    for (const [label, seconds] of RANGES) {
      const button = element("button", {
        type: "button",
        class: "button",
        text: label,
        "data-seconds": String(seconds),
      });
      button.addEventListener("click", () => {
        this.range = seconds;
        this.memory.set("range", seconds);
        this.reset();
      });
      group.append(button);
    }
    const reset = element("button", { type: "button", class: "button reset-zoom", text: "Reset zoom" });
    reset.addEventListener("click", () => this.reset());
    const hint =
      "Drag to zoom, double-click to reset. In a chart: arrow keys move through time, + and - zoom, 0 resets.";
    this.toolbar.append(
      group,
      reset,
      element("span", { class: "shown-span" }),
      element("span", { class: "time-hint", text: hint }),
    );
  }

  #showButtons() {
    for (const button of this.toolbar.querySelectorAll("[data-seconds]")) {
      const isOn = !this.zoom && button.getAttribute("data-seconds") === String(this.range);
      setAttribute(button, "aria-pressed", String(isOn));
    }
    const reset = /** @type {HTMLElement} */ (this.toolbar.querySelector(".reset-zoom"));
    reset.hidden = !this.zoom;
    const { min, max } = this.window();
    const span = /** @type {HTMLElement} */ (this.toolbar.querySelector(".shown-span"));
    span.textContent = `${clockTime(min)} to ${clockTime(max)}`;
  }
}

/**
 * @param {number[]} times ascending
 * @param {number} time
 * @returns {number | null} the row at or next to a time; null where there are none
 */
export function nearestRow(times, time) {
  if (!times.length) return null;
  const after = times.findIndex((it) => it >= time);
  if (after < 0) return times.length - 1;
  if (after === 0) return 0;
  return time - times[after - 1] < times[after] - time ? after - 1 : after;
}
