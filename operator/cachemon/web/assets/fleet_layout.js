/** How high rows are, so that their places are known without a look at the page. fleet.css has the same heights. */

/** @typedef {import("./fleet_model.js").Entry} Entry */

/** Heights in rem. */
const PADDING = 1;
const AIRY_PADDING = 1.75;
const LINE = 1.5;
const AIRY_BAR = 2.25;
const SMALL_LINE = 1.25;

/** Verdicts that a row shows; a last line counts the others. */
export const MOST_VERDICTS = 3;
/** VMs that a row names when a reader looks for them. */
export const MOST_MATCHES = 3;

/** From this width on, blocks stand beside the name of their node, in rem. */
const WIDE = 48;
/** From this width on, two rows stand side by side, unless there are few. */
const TWO_COLUMNS = 100;
const FEW = 8;

/**
 * `isWide`: the blocks stand beside the name. `isRoomy`: a verdict fits into one line. `isAiry`: bars are high.
 * @typedef {{width: number, rem: number, isWide: boolean, isRoomy: boolean, isAiry: boolean, columns: number}} Layout
 */

/**
 * @param {number} width of the list in pixels
 * @param {number} rem pixels of a rem
 * @param {number} rows that there are
 * @returns {Layout}
 */
export function layoutOf(width, rem, rows) {
  const columns = width >= TWO_COLUMNS * rem && rows > FEW ? 2 : 1;
  const isWide = width >= WIDE * rem;
  return { width, rem, isWide, isRoomy: isWide && columns === 1, isAiry: isWide && rows <= FEW, columns };
}

/**
 * How many cache blocks stand side by side.
 * @param {number} blocks
 * @param {Layout} layout
 */
export function blockColumns(blocks, { isRoomy }) {
  if (!isRoomy) return blocks > 8 ? 2 : 1;
  return blocks > 8 ? 4 : blocks > 4 ? 2 : 1;
}

/**
 * About how long the bar of a block is, in rem: whether a name fits.
 * @param {number} columns blocks side by side
 * @param {Layout} layout
 */
export function trackRems(columns, { width, rem, isWide, columns: rows }) {
  const row = width / rows / rem;
  const main = isWide ? row - (rows > 1 ? 24 : 27) : row - 2;
  return main / columns - (isWide && columns === 1 ? 10 : 8);
}

/**
 * Lines of a list that shows some, and counts the others in one more line.
 * @param {number} count
 * @param {number} most
 */
export function linesOf(count, most) {
  return count > most ? most + 1 : count;
}

/**
 * A verdict takes two lines where there is no room beside its level.
 * @param {number} verdicts
 * @param {Layout} layout
 */
function verdictLines(verdicts, { isRoomy }) {
  const shown = Math.min(verdicts, MOST_VERDICTS);
  return shown * (isRoomy ? 1 : 2) + (linesOf(verdicts, MOST_VERDICTS) - shown);
}

/**
 * What the agent says of a node whose figures do not hold; empty where there is nothing to say.
 * @param {Entry} entry
 * @param {boolean} hasProblem
 */
export function messageOf({ node }, hasProblem) {
  return hasProblem ? node.message : "";
}

/**
 * @param {Entry} entry
 * @param {number} matches VMs that the reader looks for
 * @param {boolean} hasProblem whether a line says why figures do not hold
 * @param {Layout} layout
 * @returns {number} pixels, the line below the row included
 */
export function rowHeight(entry, matches, hasProblem, layout) {
  const { blocks } = entry.node;
  const name = LINE + SMALL_LINE * (hasProblem ? 2 : 1);
  const bars = Math.max(1, Math.ceil(blocks.length / blockColumns(blocks.length, layout)));
  const message = messageOf(entry, hasProblem) ? 1 : 0;
  const main = bars * (layout.isAiry ? AIRY_BAR : LINE) + LINE * (message + verdictLines(entry.verdicts.length, layout) + linesOf(matches, MOST_MATCHES));
  const content = layout.isWide ? Math.max(name, main) : name + main;
  return Math.ceil(((layout.isAiry ? AIRY_PADDING : PADDING) + content) * layout.rem) + 1;
}
