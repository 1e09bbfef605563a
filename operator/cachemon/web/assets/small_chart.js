/**
 * A small chart of two VMs, one value a minute, as SVG: its colours are classes, so it needs no new drawing when the
 * theme changes. A gap breaks the line; a value between two gaps is a dot.
 *
 * @typedef {{name: string, part: string, paint: string, values: (number | null)[]}} SmallLine
 *   paint: class names of the VM's colour
 */

import { runsOf } from "./chart_paint.js";

const WIDTH = 300;
const HEIGHT = 64;
const EDGE = 4;
const SVG = "http://www.w3.org/2000/svg";
/** The suspect's line is dashed: colours alone do not suffice. */
export const SUSPECT_DASH = [6, 4];

/**
 * @param {SmallLine[]} lines
 * @param {{label: string, format: (value: number) => string, minutes: number, marked: number | null}} about
 *   marked: the minute from which the verdict holds, counted from the first; null where it is not in the chart
 * @returns {SVGElement}
 */
export function smallChart(lines, about) {
  const peak = Math.max(1, ...lines.flatMap((line) => line.values.filter((value) => value !== null)));
  const shape = draw("svg", {
    class: "small-chart",
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    role: "img",
    "aria-label": `${about.label}: ${lines.map((line) => lineWords(line, about.format)).join("; ")}`,
    preserveAspectRatio: "none",
  });
  shape.append(draw("line", { class: "axis", x1: 0, x2: WIDTH, y1: HEIGHT - EDGE, y2: HEIGHT - EDGE }));
  if (about.marked !== null) {
    const x = xOf(about.marked, about.minutes);
    shape.append(draw("line", { class: "since", x1: x, x2: x, y1: 0, y2: HEIGHT }));
  }
  for (const line of lines) {
    const offset = about.minutes - line.values.length;
    for (const [from, until] of runsOf(line.values, 0, line.values.length - 1)) {
      shape.append(run(line, [from, until], offset, { minutes: about.minutes, peak }));
    }
  }
  return shape;
}

/**
 * @param {SmallLine} line
 * @param {[number, number]} rows
 * @param {number} offset
 * @param {{minutes: number, peak: number}} scale
 */
function run(line, [from, until], offset, { minutes, peak }) {
  const points = [];
  for (let row = from; row <= until; row++) {
    const value = line.values[row] ?? 0;
    const y = HEIGHT - EDGE - (value / peak) * (HEIGHT - 2 * EDGE);
    points.push([xOf(row + offset, minutes), Math.round(y * 10) / 10]);
  }
  const name = `run ${line.part} ${line.paint}`;
  if (points.length === 1) points.push([points[0][0] + 0.01, points[0][1]]);
  return draw("polyline", {
    class: name,
    points: points.map((point) => point.join(",")).join(" "),
    "stroke-dasharray": line.part === "suspect" ? SUSPECT_DASH.join(" ") : "none",
  });
}

/**
 * @param {number} minute
 * @param {number} minutes
 */
function xOf(minute, minutes) {
  return Math.round((EDGE + (minute / Math.max(1, minutes - 1)) * (WIDTH - 2 * EDGE)) * 10) / 10;
}

/**
 * @param {SmallLine} line
 * @param {(value: number) => string} format
 */
export function lineWords(line, format) {
  const known = line.values.filter((value) => value !== null);
  const gaps = line.values.length - known.length;
  if (!known.length) return `${line.name}, ${line.part}: no figures`;
  const last = line.values[line.values.length - 1];
  const gapWords = gaps ? `, ${gaps} of ${line.values.length} minutes without a figure` : "";
  const words = [
    `first ${format(known[0])}`,
    `peak ${format(Math.max(...known))}`,
    `last ${last === null ? "none" : format(last)}`,
  ];
  return `${line.name}, ${line.part}: ${words.join(", ")}${gapWords}`;
}

/**
 * A piece of a line, for a legend.
 * @param {number[] | undefined} dash undefined for a whole line
 * @param {string} paint class name that has the colour; empty for that of text
 * @returns {SVGElement}
 */
export function lineSample(dash, paint) {
  const shape = draw("svg", { class: `line-sample ${paint}`, viewBox: "0 0 24 8", "aria-hidden": "true" });
  shape.append(draw("line", { x1: 0, x2: 24, y1: 4, y2: 4, "stroke-dasharray": dash ? dash.join(" ") : "none" }));
  return shape;
}

/**
 * @param {string} tag
 * @param {Record<string, string | number>} attributes
 * @returns {SVGElement}
 */
function draw(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  return made;
}
