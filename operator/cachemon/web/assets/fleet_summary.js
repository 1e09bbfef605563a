/** All nodes in a few figures. */

import { element } from "./dom.js";
import { counted, formatBytes, formatCount, formatShare, NO_VALUE } from "./format.js";
import { LEVELS, levelWords } from "./verdicts.js";

/**
 * @typedef {ReturnType<typeof import("./fleet_model.js").fleetSums>} Sums
 */

export function fleetSummary() {
  const root = element("dl", { class: "summary" });
  return {
    root,
    /**
     * @param {Sums} sums
     * @param {number} unplaced VMs on no node
     * @param {number} vms all of them
     */
    update(sums, unplaced, vms) {
      const key = JSON.stringify([sums, unplaced, vms]);
      if (root.dataset.key === key) return;
      root.dataset.key = key;
      root.hidden = !sums.nodes && !vms;
      root.replaceChildren(
        tile("Nodes", formatCount(sums.nodes), sums.silent ? `${formatCount(sums.silent)} not ready` : ""),
        tile("VMs watched", formatCount(vms), asideOfVms(sums, unplaced)),
        cacheTile(sums),
        verdictTile(sums.levels),
      );
    },
  };
}

/**
 * @param {string} name
 * @param {string} value
 * @param {string} aside
 */
function tile(name, value, aside) {
  const figure = element("dd", { text: value });
  if (aside) figure.append(" ", element("span", { class: "aside", text: aside }));
  return element("div", {}, element("dt", { text: name }), figure);
}

/**
 * @param {Sums} sums
 * @param {number} unplaced
 */
function asideOfVms({ without }, unplaced) {
  const parts = [];
  if (without) parts.push(`${formatCount(without)} without figures`);
  if (unplaced) parts.push(`${formatCount(unplaced)} on no node`);
  return parts.join(", ");
}

/**
 * Where no node is known but by its VMs, what these hold.
 * @param {Sums} sums
 */
function cacheTile(sums) {
  if (sums.nodes && !sums.named) return tile("Cache held by VMs", formatBytes(sums.byVms), "");
  return tile("Cache held", sums.counted ? formatBytes(sums.held) : NO_VALUE, asideOfCache(sums));
}

/** @param {Sums} sums */
function asideOfCache({ blocks, counted: known, held, capacity }) {
  if (!known) return "no figure now";
  const of = `of ${formatBytes(capacity)}, ${formatShare(held / capacity)}`;
  return known < blocks ? `${of}, in ${formatCount(known)} of ${counted(blocks, "block")}` : of;
}

/** @param {number[]} levels counts in the order of LEVELS, and one of others */
function verdictTile(levels) {
  const badges = LEVELS.flatMap((level, place) =>
    levels[place] ? [element("span", { class: `badge level-${level}`, text: `${formatCount(levels[place])} ${levelWords(level).toLowerCase()}` })] : [],
  );
  const figure = element("dd", {}, ...(badges.length ? [element("span", { class: "levels" }, ...badges)] : ["none"]));
  return element("div", {}, element("dt", { text: "Verdicts" }), figure);
}
