/** Paints the layers of a stack, and names those with room for a name. */

import { FONT, haloText, inPlot, runsOf, visibleRows } from "./chart_paint.js";
import { stripes } from "./patterns.js";

/**
 * @typedef {import("./chart_paint.js").Colours} Colours
 * @typedef {{color: string, pattern: number, ink: string}} Fill pattern: 0 for none, else as of `stripes`
 */

const LEAST_LABEL_HEIGHT = 17;
/** Rows at which a name is tried. */
const LABEL_PLACES = 120;

/**
 * Paints the layers of a stack. A run between two gaps that has one row is a bar, so that it can be seen.
 * @param {any} plot
 * @param {import("./stack.js").Layer[]} layers
 * @param {(layer: import("./stack.js").Layer) => {fill: Fill, label: string}} look
 * @param {Colours} colours
 */
export function paintLayers(plot, layers, look, colours) {
  const [first, last] = visibleRows(plot);
  const axes = { times: plot.data[0], x: placer(plot, "x"), y: placer(plot, "y") };
  inPlot(plot, (context, ratio) => {
    for (const layer of layers) {
      const { fill } = look(layer);
      for (const run of runsOf(layer.top, first, last)) {
        const path = outline(axes, layer, run, ratio);
        context.fillStyle = fill.color;
        context.fill(path);
        if (fill.pattern) {
          context.fillStyle = stripes(context, fill.pattern, fill.ink, ratio);
          context.fill(path);
        }
        context.strokeStyle = colours.surface;
        context.lineWidth = ratio;
        context.stroke(path);
      }
    }
    for (const layer of layers)
      paintLabel(context, plot, axes, layer, look(layer).label, [first, last], colours, ratio);
  });
}

/**
 * Where values are on the canvas: both scales are linear.
 * @param {any} plot
 * @param {string} scale
 * @returns {(value: number) => number}
 */
function placer(plot, scale) {
  const { min, max } = plot.scales[scale];
  const start = plot.valToPos(min, scale, true);
  const step = (plot.valToPos(max, scale, true) - start) / (max - min);
  return (value) => start + (value - min) * step;
}

/**
 * @param {{times: number[], x: (value: number) => number, y: (value: number) => number}} axes
 * @param {import("./stack.js").Layer} layer
 * @param {[number, number]} run first and last row
 * @param {number} ratio
 */
function outline({ times, x, y }, layer, [from, until], ratio) {
  const [base, top] = [/** @type {number[]} */ (layer.base), /** @type {number[]} */ (layer.top)];
  const half = from === until ? 1.5 * ratio : 0;
  const path = new Path2D();
  path.moveTo(x(times[from]) - half, y(base[from]));
  path.lineTo(x(times[from]) - half, y(top[from]));
  for (let row = from; row <= until; row++) path.lineTo(x(times[row]) + half, y(top[row]));
  for (let row = until; row >= from; row--) path.lineTo(x(times[row]) + half, y(base[row]));
  path.closePath();
  return path;
}

/**
 * Names a layer where it is thickest, if there is room.
 * @param {CanvasRenderingContext2D} context
 * @param {any} plot
 * @param {{times: number[], x: (value: number) => number, y: (value: number) => number}} axes
 * @param {import("./stack.js").Layer} layer
 * @param {string} label
 * @param {[number, number]} rows
 * @param {Colours} colours
 * @param {number} ratio
 */
function paintLabel(context, plot, { times, x, y }, layer, label, [first, last], colours, ratio) {
  context.font = `600 ${12 * ratio}px ${FONT}`;
  const half = context.measureText(label).width / 2 + 4;
  const { left, width } = plot.bbox;
  const step = Math.max(1, Math.floor((last - first) / LABEL_PLACES));
  let best = { height: LEAST_LABEL_HEIGHT * ratio, x: 0, y: 0 };
  for (let row = first; row <= last; row += step) {
    const [top, base, at] = [layer.top[row], layer.base[row], x(times[row])];
    if (top == null || base == null || at - half < left || at + half > left + width) continue;
    const height = y(base) - y(top);
    if (height > best.height + ratio) best = { height, x: at, y: (y(top) + y(base)) / 2 };
  }
  if (best.x) haloText(context, label, best.x, best.y, colours, ratio);
}
