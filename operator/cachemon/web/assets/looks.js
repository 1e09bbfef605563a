/** How VMs and what is no VM look in charts and beside them: colour, pattern, dash, name. */

import { OTHERS, UNATTRIBUTED } from "./stack.js";

/** Dashes of lines by the pattern of a VM: plain, dashed, dotted. */
const DASHES = [undefined, [7, 3], [2, 3]];

/**
 * @typedef {import("./palette.js").Palette} Palette
 * @typedef {import("./chart_paint.js").Colours} Colours
 */

/**
 * @param {Palette} palette
 * @returns {Colours} of a chart, in the theme that shows now
 */
export function chartColours(palette) {
  return {
    text: palette.variable("--text"),
    muted: palette.variable("--text-soft"),
    surface: palette.variable("--surface"),
    line: palette.variable("--line"),
    hatch: palette.variable("--hatch"),
    alert: palette.variable("--confirmed"),
  };
}

/**
 * @param {Palette} palette
 * @param {import("./stack.js").Layer} layer
 * @param {string} othersLabel
 * @returns {{fill: import("./layer_paint.js").Fill, label: string}}
 */
export function layerLook(palette, layer, othersLabel) {
  if (layer.key === UNATTRIBUTED) {
    const fill = { color: palette.variable("--hatch-ground"), pattern: 3, ink: palette.variable("--hatch") };
    return { fill, label: UNATTRIBUTED };
  }
  if (layer.key === OTHERS)
    return { fill: { color: palette.variable("--line-strong"), pattern: 0, ink: "" }, label: othersLabel };
  const { pattern } = palette.of(layer.vm);
  const fill = { color: palette.resolved(layer.vm), pattern, ink: palette.resolved(layer.vm, "ink") };
  return { fill, label: shortName(layer.vm) };
}

/**
 * @param {Palette} palette
 * @param {string} vm
 * @returns {import("./charts.js").Line}
 */
export function vmLine(palette, vm) {
  return { label: vm, color: lineColour(palette, vm), dash: DASHES[palette.of(vm).pattern] };
}

/**
 * The colour of a VM's line: its own, and some of the text's, so that thin lines show on every ground.
 * @param {Palette} palette
 * @param {string} vm
 */
export function lineColour(palette, vm) {
  const [own, text] = [palette.resolved(vm), palette.variable("--text")].map((it) =>
    (it.match(/[\d.]+/g) ?? []).map(Number),
  );
  return `rgb(${own
    .slice(0, 3)
    .map((part, place) => Math.round(part * 0.75 + (text[place] ?? 0) * 0.25))
    .join(", ")})`;
}

/**
 * @param {string} vm `NAMESPACE/NAME`
 * @returns {string} the name alone
 */
export function shortName(vm) {
  return vm.slice(vm.indexOf("/") + 1);
}

/** Dashes of the lines of a VM's groups, one after the other. */
export const GROUP_DASHES = [
  [7, 3],
  [2, 3],
  [9, 3, 2, 3],
  [4, 2],
  [1, 2],
  [12, 4],
  [6, 2, 1, 2, 1, 2],
  [3, 5],
];
