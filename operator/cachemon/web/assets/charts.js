/**
 * Charts over time: a thin layer over uPlot, which gives axes, scales, lines, cursor and zoom.
 *
 * uPlot sets styles by the DOM's properties only, which a Content-Security-Policy without inline styles allows.
 *
 * @typedef {import("./chart_paint.js").Colours} Colours
 * @typedef {{label: string, color: string, dash?: number[], hidden?: boolean, width?: number}} Line
 * hidden: in the data for the cursor, but not drawn as a line
 * @typedef {{
 *   height: number,
 *   format: (value: number) => string,
 *   binary: boolean,
 *   top: () => number,
 *   room: (width: number) => number,
 *   colours: () => Colours,
 *   behind?: (plot: any) => void,
 *   infront?: (plot: any) => void,
 *   onRow: (row: number | null) => void,
 *   onZoom: (from: number, until: number) => void,
 *   onReset: () => void,
 * }} ChartOptions
 * top: the least value that the axis goes up to. room: CSS pixels on the right of the lines.
 * behind, infront: paint below and above the lines.
 */

import uPlot from "./vendor/uPlot/uPlot.esm.js";

/** Width of the axis on the left, in CSS pixels. */
export const AXIS_WIDTH = 72;
/** Pixels from which a drag is no click. */
const LEAST_DRAG = 6;
const FONT = "12px system-ui, sans-serif";
/** uPlot has no types for this build. */
const Plot = /** @type {any} */ (uPlot);
const BINARY_STEPS = Array.from({ length: 50 }, (_, power) => 2 ** power);

/** One chart. It is made anew only when its lines are others; new figures renew its data. */
export class Chart {
  /**
   * @param {HTMLElement} root
   * @param {ChartOptions} options
   */
  constructor(root, options) {
    this.root = root;
    this.options = options;
    /** @type {any} */
    this.plot = null;
    this.lines = "";
    /** @type {{min: number, max: number}} */
    this.window = { min: 0, max: 1 };
    this.observer = new ResizeObserver(() => this.#resize());
    this.observer.observe(root);
  }

  /**
   * Shows data.
   * @param {Line[]} lines
   * @param {(number | null | undefined)[][]} data times first, then a column for each line
   */
  setData(lines, data) {
    const named = JSON.stringify(lines);
    const clean = data.map((column, index) => (index ? column.map((value) => value ?? null) : column));
    if (this.plot && named === this.lines) {
      this.plot.batch(() => {
        this.plot.setData(clean, false);
        this.plot.setScale("x", this.window);
      });
      return;
    }
    this.lines = named;
    this.plot?.destroy();
    this.plot = new Plot(this.#plotOptions(lines), clean, this.root);
    this.plot.setScale("x", this.window);
  }

  /**
   * Shows a span of time.
   * @param {number} min seconds since the epoch
   * @param {number} max
   */
  setWindow(min, max) {
    if (this.window.min === min && this.window.max === max) return;
    this.window = { min, max };
    this.plot?.setScale("x", this.window);
  }

  /**
   * Puts the cursor on a row without a message about it; nothing happens where it is on that row already.
   * @param {number | null} row
   */
  setRow(row) {
    if (!this.plot) return;
    const { cursor } = this.plot;
    if (row === null ? cursor.left < 0 : cursor.left >= 0 && cursor.idx === row) return;
    const left = row === null ? -10 : this.plot.valToPos(this.plot.data[0][row], "x");
    this.plot.setCursor({ left, top: row === null ? -10 : this.plot.over.clientHeight / 2 }, false);
  }

  /** Draws again, with the colours of now. */
  redraw() {
    this.plot?.redraw(false, true);
  }

  close() {
    this.observer.disconnect();
    this.plot?.destroy();
    this.plot = null;
  }

  #resize() {
    const width = this.root.clientWidth;
    if (this.plot && width > 0 && width !== this.plot.width) this.plot.setSize({ width, height: this.options.height });
  }

  /** @param {Line[]} lines */
  #plotOptions(lines) {
    const { options } = this;
    return {
      width: Math.max(this.root.clientWidth, 120),
      height: options.height,
      legend: { show: false },
      padding: [8, (/** @type {any} */ plot) => options.room(plot.width), 0, 0],
      scales: {
        x: { time: true },
        y: {
          /** @type {(plot: any, least: number, most: number | null) => [number, number]} */
          range: (_plot, _least, most) => [0, Math.max(options.top(), most ?? 0, 1) * 1.06],
        },
      },
      axes: this.#axes(),
      series: [{}, ...lines.map((it) => lineSeries(it))],
      cursor: {
        y: false,
        /** @type {{show: (plot: any, index: number) => false | undefined}} */
        points: { show: (_plot, index) => (lines[index - 1].hidden ? false : undefined) },
        drag: { x: true, y: false, setScale: false, dist: LEAST_DRAG },
        bind: { dblclick: () => () => options.onReset() },
      },
      hooks: this.#hooks(),
    };
  }

  #axes() {
    const { options } = this;
    const stroke = () => options.colours().muted;
    const grid = { stroke: () => options.colours().line, width: 1 };
    const values = { stroke, grid, ticks: { ...grid, size: 4 }, font: FONT };
    return [
      {
        ...values,
        space: 70,
        size: 32,
        /** @type {(plot: any, splits: number[], axis: number, space: number, step: number) => string[]} */
        values: (_plot, splits, _axis, _space, step) => splits.map((at) => clockTime(at, step < 60)),
      },
      {
        ...values,
        size: AXIS_WIDTH,
        space: 34,
        ...(options.binary ? { incrs: BINARY_STEPS } : {}),
        /** @type {(plot: any, splits: number[]) => string[]} */
        values: (_plot, splits) => splits.map((value) => options.format(value)),
      },
    ];
  }

  /** @param {any} plot whose selection is the span to show */
  #zoomTo(plot) {
    const { left, width } = plot.select;
    if (width < LEAST_DRAG) return;
    const [from, until] = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.options.onZoom(from, until);
  }

  #hooks() {
    const { options } = this;
    return {
      drawAxes: options.behind ? [options.behind] : [],
      draw: options.infront ? [options.infront] : [],
      /** @type {((plot: any) => void)[]} */
      setCursor: [({ cursor }) => options.onRow(cursor.left < 0 ? null : (cursor.idx ?? null))],
      /** @type {((plot: any) => void)[]} */
      setSelect: [(plot) => this.#zoomTo(plot)],
    };
  }
}

/** @param {Line} line */
function lineSeries(line) {
  const none = { show: false };
  if (line.hidden) return { label: line.label, paths: () => null, points: none };
  return {
    label: line.label,
    stroke: line.color,
    width: line.width ?? 2,
    dash: line.dash,
    spanGaps: false,
    points: { show: false, size: 5, filter: alonePoints },
  };
}

/**
 * Rows whose neighbours on both sides are gaps: no line shows them, so a point does.
 * @param {any} plot
 * @param {number} index
 * @returns {number[] | null}
 */
function alonePoints(plot, index) {
  const values = plot.data[index];
  const rows = [];
  for (let row = 0; row < values.length; row++) {
    if (values[row] !== null && (values[row - 1] ?? null) === null && (values[row + 1] ?? null) === null)
      rows.push(row);
  }
  return rows.length ? rows : null;
}

/**
 * Time of day, by the clock of who looks.
 * @param {number} time seconds since the epoch
 * @param {boolean} [hasSeconds]
 */
export function clockTime(time, hasSeconds = true) {
  const date = new Date(time * 1000);
  const parts = [date.getHours(), date.getMinutes(), ...(hasSeconds ? [date.getSeconds()] : [])];
  return parts.map((part) => String(part).padStart(2, "0")).join(":");
}
