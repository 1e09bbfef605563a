/** Names of lines, to the right of their ends: who can't tell colours apart reads them. */

import { FONT, haloText, visibleRows } from "./chart_paint.js";

/** Charts narrower than this have no room for names: the table below says them. */
const LEAST_CHART_WIDTH = 560;
const MOST_ROOM = 120;
const LINE_HEIGHT = 15;
const GAP = 6;

/**
 * @param {number} width of the chart, in CSS pixels
 * @param {string[]} names
 * @returns {number} CSS pixels that the names take
 */
export function roomForNames(width, names) {
  const longest = Math.max(0, ...names.map((name) => name.length));
  return width < LEAST_CHART_WIDTH || !longest ? GAP : Math.min(MOST_ROOM, longest * 7 + 2 * GAP);
}

/**
 * Writes names beside the ends of lines, the highest first; a name that would cover another one is left out.
 * @param {any} plot
 * @param {string[]} names of the lines, in their order
 * @param {import("./chart_paint.js").Colours} colours
 */
export function paintLineNames(plot, names, colours) {
  if (plot.width < LEAST_CHART_WIDTH) return;
  const last = visibleRows(plot)[1];
  const { left, top, width, height } = plot.bbox;
  const ratio = window.devicePixelRatio || 1;
  const context = plot.ctx;
  context.save();
  context.font = `600 ${11 * ratio}px ${FONT}`;
  let free = top - LINE_HEIGHT * ratio;
  for (const { name, y } of endsOf(plot, names, last)) {
    if (y - free < LINE_HEIGHT * ratio || y > top + height) continue;
    free = y;
    const shown = fitted(context, name, (MOST_ROOM - 2 * GAP) * ratio);
    const half = context.measureText(shown).width / 2;
    haloText(context, shown, left + width + GAP * ratio + half, y, colours, ratio);
  }
  context.restore();
}

/**
 * @param {any} plot
 * @param {string[]} names
 * @param {number} last row
 */
function endsOf(plot, names, last) {
  return names
    .map((name, place) => ({ name, value: plot.data[place + 1]?.[last] }))
    .filter((end) => end.value != null)
    .map(({ name, value }) => ({ name, y: plot.valToPos(value, "y", true) }))
    .sort((a, b) => a.y - b.y);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {string} text
 * @param {number} room
 */
function fitted(context, text, room) {
  let shown = text;
  while (shown.length > 1 && context.measureText(shown).width > room) shown = `${shown.slice(0, -2)}…`;
  return shown;
}
