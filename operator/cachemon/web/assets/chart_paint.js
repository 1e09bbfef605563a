/**
 * Paints on the canvas of a chart what uPlot has no part for.
 *
 * @typedef {{text: string, muted: string, surface: string, line: string, hatch: string, alert: string}} Colours
 */

import { line, stripes } from "./patterns.js";

export const FONT = "system-ui, sans-serif";

/**
 * Runs a painter with the canvas clipped to the plotting area; styles are as before afterwards.
 * @param {any} plot
 * @param {(context: CanvasRenderingContext2D, ratio: number) => void} paint
 */
export function inPlot(plot, paint) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  paint(ctx, window.devicePixelRatio || 1);
  ctx.restore();
}

/** @param {any} plot @returns {[number, number]} the rows that are in sight, and one more on each side */
export function visibleRows(plot) {
  const times = plot.data[0];
  const { min, max } = plot.scales.x;
  let first = 0;
  while (first < times.length - 1 && times[first + 1] < min) first += 1;
  let last = times.length - 1;
  while (last > first && times[last - 1] > max) last -= 1;
  return [first, last];
}

/**
 * Splits a column at its gaps.
 * @param {(number | null | undefined)[]} values
 * @param {number} first
 * @param {number} last
 * @returns {[number, number][]} first and last row of each run
 */
export function runsOf(values, first, last) {
  /** @type {[number, number][]} */
  const runs = [];
  let start = -1;
  for (let row = first; row <= last + 1; row++) {
    const isThere = row <= last && values[row] != null;
    if (isThere && start < 0) start = row;
    if (!isThere && start >= 0) {
      runs.push([start, row - 1]);
      start = -1;
    }
  }
  return runs;
}

/**
 * Writes a text that can be read on every ground.
 * @param {CanvasRenderingContext2D} context
 * @param {string} text
 * @param {number} x
 * @param {number} y
 * @param {Colours} colours
 * @param {number} ratio
 */
export function haloText(context, text, x, y, colours, ratio) {
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineJoin = "round";
  context.lineWidth = 3.5 * ratio;
  context.strokeStyle = colours.surface;
  context.strokeText(text, x, y);
  context.fillStyle = colours.text;
  context.fillText(text, x, y);
}

/**
 * Hatches what is not known, from the last good row to the next, with the words why where there is room.
 * @param {any} plot
 * @param {import("./stack.js").Hole[]} holes
 * @param {Colours} colours
 */
export function paintHoles(plot, holes, colours) {
  const times = plot.data[0];
  const { top, height } = plot.bbox;
  inPlot(plot, (context, ratio) => {
    for (const hole of holes) {
      const from = plot.valToPos(times[Math.max(0, hole.from - 1)], "x", true);
      const until = plot.valToPos(times[Math.min(times.length - 1, hole.until + 1)], "x", true);
      const width = Math.max(until - from, 2 * ratio);
      context.fillStyle = stripes(context, 4, colours.hatch, ratio);
      context.fillRect(from, top, width, height);
      context.font = `${11 * ratio}px ${FONT}`;
      if (context.measureText(hole.why).width < width - 8 * ratio) {
        haloText(context, hole.why, from + width / 2, top + height / 2, colours, ratio);
      }
    }
  });
}

/**
 * Draws the line of the capacity and names it.
 * @param {any} plot
 * @param {number} capacity
 * @param {string} label
 * @param {Colours} colours
 */
export function paintCapacity(plot, capacity, label, colours) {
  const y = Math.round(plot.valToPos(capacity, "y", true));
  const { left, width } = plot.bbox;
  inPlot(plot, (context, ratio) => {
    context.strokeStyle = colours.text;
    context.lineWidth = 1.5 * ratio;
    context.setLineDash([8 * ratio, 4 * ratio]);
    line(context, left, y, left + width, y);
    context.font = `600 ${11 * ratio}px ${FONT}`;
    const half = context.measureText(label).width / 2;
    haloText(context, label, left + width - half - 6 * ratio, y + 9 * ratio, colours, ratio);
  });
}
