/** Hatches and stripes for a canvas: what is apart by colour is apart by a pattern as well. */

const STRIPE = 8;
const MOST_TILES = 64;
/** @type {Map<string, HTMLCanvasElement>} */
const tiles = new Map();

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} kind 1 level, 2 upright, 3 slanted lines; 4 slants the other way
 * @param {string} color
 * @param {number} ratio
 * @returns {CanvasPattern | string}
 */
export function stripes(context, kind, color, ratio) {
  const name = `${kind} ${color} ${ratio}`;
  const known = tiles.get(name) ?? drawTile(kind, color, ratio);
  if (tiles.size > MOST_TILES) tiles.clear();
  tiles.set(name, known);
  return context.createPattern(known, "repeat") ?? "transparent";
}

/**
 * @param {number} kind
 * @param {string} color
 * @param {number} ratio
 */
function drawTile(kind, color, ratio) {
  const tile = document.createElement("canvas");
  const size = Math.round(STRIPE * ratio);
  tile.width = tile.height = size;
  const pen = tile.getContext("2d");
  if (!pen) return tile;
  pen.strokeStyle = color;
  pen.lineWidth = ratio;
  if (kind === 1) line(pen, 0, size / 2, size, size / 2);
  if (kind === 2) line(pen, size / 2, 0, size / 2, size);
  for (const shift of [-size, 0, size]) {
    if (kind === 3) line(pen, shift, size, shift + size, 0);
    if (kind === 4) line(pen, shift, 0, shift + size, size);
  }
  return tile;
}

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {number} x0
 * @param {number} y0
 * @param {number} x1
 * @param {number} y1
 */
export function line(pen, x0, y0, x1, y1) {
  pen.beginPath();
  pen.moveTo(x0, y0);
  pen.lineTo(x1, y1);
  pen.stroke();
}
