/** Draws markers on a chart: what happened at a time. */

import { FONT, inPlot } from "./chart_paint.js";
import { line } from "./patterns.js";

/**
 * @typedef {import("./chart_paint.js").Colours} Colours
 * @typedef {{time: number, kind: string, vm: string, text: string}} Marker
 */

/** Sign of a marker by its kind: a shape as well as a text, never a colour alone. */
export const SIGNS = new Map([
  ["started", "▲"],
  ["stopped", "■"],
  ["migrated", "⇄"],
  ["verdict", "!"],
  ["verdict ended", "✓"],
]);

/**
 * Draws a vertical line for each marker, with its sign on top.
 * @param {any} plot
 * @param {Marker[]} markers
 * @param {Colours} colours
 * @param {number} chosen index of the marker that is chosen in the list; -1 for none
 */
export function paintMarkers(plot, markers, colours, chosen) {
  const { top, height } = plot.bbox;
  inPlot(plot, (context, ratio) => {
    markers.forEach((marker, index) => {
      const x = Math.round(plot.valToPos(marker.time, "x", true));
      const color = marker.kind === "verdict" ? colours.alert : colours.text;
      context.setLineDash(index === chosen ? [] : [4 * ratio, 3 * ratio]);
      context.lineWidth = (index === chosen ? 2.5 : 1.25) * ratio;
      context.strokeStyle = color;
      line(context, x, top + 15 * ratio, x, top + height);
      context.setLineDash([]);
      paintSign(context, SIGNS.get(marker.kind) ?? "•", [x, top], color, colours.surface, ratio);
    });
  });
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {string} sign
 * @param {[number, number]} place the middle of its upper edge
 * @param {string} color
 * @param {string} ink
 * @param {number} ratio
 */
function paintSign(context, sign, [x, top], color, ink, ratio) {
  context.beginPath();
  context.arc(x, top + 8 * ratio, 7.5 * ratio, 0, 2 * Math.PI);
  context.fillStyle = color;
  context.fill();
  context.font = `700 ${10 * ratio}px ${FONT}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillStyle = ink;
  context.fillText(sign, x, top + 8.5 * ratio);
}
