/** The fleet by keyboard: arrows move, Enter opens, a slash searches. */

import { onlyFound } from "./fleet_tools.js";

const PAGE_ROWS = 10;

/**
 * @typedef {import("./virtual_list.js").VirtualList<import("./fleet_row.js").RowItem>} List
 */

/**
 * @param {HTMLElement} rows
 * @param {List} list
 * @param {HTMLInputElement} search
 * @param {import("./fleet_view.js").Memory} memory
 * @param {import("./main.js").App} app
 * @returns {() => void} ends it
 */
export function listenToKeys(rows, list, search, memory, app) {
  const closing = new AbortController();
  rows.addEventListener("keydown", (event) => {
    if (!hasModifier(event) && moveFrom(event.key, rows, list)) event.preventDefault();
  });
  rows.addEventListener("focusin", (event) => {
    const row = event.target instanceof Element ? event.target.closest("[data-key]") : null;
    if (!(row instanceof HTMLElement)) return;
    memory.active = row.dataset.key ?? "";
    list.keep = memory.active;
    markActive(rows, memory.active);
  });
  search.addEventListener("keydown", (event) => {
    if (searchKey(event.key, search, list, memory, app)) event.preventDefault();
  });
  const onKey = (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "/" || hasModifier(event) || isTyping(event.target)) return;
    event.preventDefault();
    search.focus();
    search.select();
  };
  document.addEventListener("keydown", onKey, { signal: closing.signal });
  return () => closing.abort();
}

/**
 * Tab reaches one row only: that of the active node.
 * @param {HTMLElement} rows
 * @param {string} active
 */
function markActive(rows, active) {
  for (const name of rows.querySelectorAll(".row-name")) {
    const row = name.closest("[data-key]");
    name.setAttribute("tabindex", row instanceof HTMLElement && row.dataset.key === active ? "0" : "-1");
  }
}

/** @param {KeyboardEvent} event */
function hasModifier(event) {
  return event.ctrlKey || event.metaKey || event.altKey;
}

/** @param {EventTarget | null} target */
function isTyping(target) {
  return target instanceof HTMLElement && target.matches("input, select, textarea");
}

/**
 * @param {string} key
 * @param {HTMLElement} rows
 * @param {List} list
 * @returns {boolean} whether the key means something
 */
function moveFrom(key, rows, list) {
  const row = document.activeElement?.closest("[data-key]");
  if (!(row instanceof HTMLElement) || !rows.contains(row)) return false;
  if (key === "ArrowLeft" || key === "ArrowRight") return moveWithin(row, key === "ArrowRight" ? 1 : -1);
  const place = list.placeOf(row.dataset.key ?? "") ?? 0;
  const last = list.items.length - 1;
  /** @type {Record<string, number>} */
  const targets = { ArrowDown: place + 1, ArrowUp: place - 1, PageDown: place + PAGE_ROWS, PageUp: place - PAGE_ROWS, Home: 0, End: last };
  if (!(key in targets)) return false;
  focusRow(list, Math.min(Math.max(0, targets[key]), last));
  return true;
}

/**
 * @param {HTMLElement} row
 * @param {1 | -1} step
 */
function moveWithin(row, step) {
  const links = [...row.querySelectorAll("a")];
  const next = links[links.findIndex((link) => link === document.activeElement) + step];
  next?.focus();
  return true;
}

/**
 * @param {List} list
 * @param {number} place
 */
function focusRow(list, place) {
  list.reveal(place)?.querySelector("a")?.focus({ preventScroll: true });
}

/**
 * @param {string} key
 * @param {HTMLInputElement} search
 * @param {List} list
 * @param {import("./fleet_view.js").Memory} memory
 * @param {import("./main.js").App} app
 * @returns {boolean} whether the key means something
 */
function searchKey(key, search, list, memory, app) {
  if (key === "Escape" && search.value) {
    search.value = "";
    search.dispatchEvent(new Event("input"));
    return true;
  }
  const address = key === "Enter" ? onlyFound(memory.wanted, app.state.vms) : "";
  if (address) app.navigate(address);
  else if ((key === "Enter" || key === "ArrowDown") && list.items.length) focusRow(list, 0);
  return key === "Enter" || key === "ArrowDown";
}
