/** Search and filters of the fleet. */

import { element, setAttribute, setText } from "./dom.js";
import { namespaceOf, vmMatcher } from "./fleet_model.js";
import { counted, formatCount } from "./format.js";
import { vmHash } from "./router.js";

/**
 * @typedef {import("./fleet_model.js").Wanted} Wanted
 * @typedef {import("./fleet_model.js").Entry} Entry
 */

/** After the last key, before a screen reader hears how many rows are left. */
const ANNOUNCE_MILLISECONDS = 700;

/**
 * @param {Wanted} wanted changed as the reader chooses
 * @param {import("./main.js").App} app
 * @param {() => void} changed
 */
export function fleetTools(wanted, app, changed) {
  const search = /** @type {HTMLInputElement} */ (
    element("input", {
      class: "field", type: "search", placeholder: "Node, namespace or VM", "aria-label": "Search nodes, namespaces and VMs",
      "aria-keyshortcuts": "/", autocomplete: "off", spellcheck: "false", value: wanted.query,
    })
  );
  const verdicts = toggle("With verdicts", wanted, "withVerdicts", changed);
  const notReady = toggle("Not ready", wanted, "notReady", changed);
  const namespaces = /** @type {HTMLSelectElement} */ (element("select", { class: "field namespaces", "aria-label": "Namespace", hidden: true }));
  const shownText = element("span", { class: "shown" });
  const root = element(
    "search", { class: "tools" },
    element("div", { class: "search" }, search, element("kbd", { text: "/", "aria-hidden": "true" })),
    verdicts, notReady, namespaces, shownText, legend(),
  );
  let timer = 0;
  search.addEventListener("input", () => {
    wanted.query = search.value;
    changed();
    clearTimeout(timer);
    timer = setTimeout(() => app.announce(shownText.textContent ?? ""), ANNOUNCE_MILLISECONDS);
  });
  namespaces.addEventListener("change", () => {
    wanted.namespace = namespaces.value;
    changed();
  });
  return {
    root,
    search,
    /**
     * @param {import("./state.js").State} state
     * @param {Entry[]} entries
     * @param {Entry[]} shown
     * @param {number} silent nodes whose figures do not hold
     */
    update(state, entries, shown, silent) {
      root.hidden = !entries.length;
      setCount(verdicts, entries.filter((entry) => entry.verdicts.length).length);
      setCount(notReady, silent);
      fillNamespaces(namespaces, state, wanted);
      setText(shownText, shown.length < entries.length ? `${formatCount(shown.length)} of ${counted(entries.length, "node")}` : "");
    },
  };
}

/**
 * The address that Enter in the search opens: that of the only VM that is found, if it is one.
 * @param {Wanted} wanted
 * @param {Map<string, unknown>} vms
 */
export function onlyFound(wanted, vms) {
  const matches = wanted.query.trim() ? vmMatcher(wanted) : null;
  const found = matches ? [...vms.keys()].filter(matches) : [];
  return found.length === 1 ? vmHash(found[0]) : "";
}

/**
 * @param {string} text
 * @param {Wanted} wanted
 * @param {"withVerdicts" | "notReady"} field
 * @param {() => void} changed
 */
function toggle(text, wanted, field, changed) {
  const button = element("button", { class: "button", type: "button", "aria-pressed": String(wanted[field]) }, `${text} `, element("span", { class: "count" }));
  button.addEventListener("click", () => {
    wanted[field] = !wanted[field];
    setAttribute(button, "aria-pressed", String(wanted[field]));
    changed();
  });
  return button;
}

/**
 * @param {HTMLElement} button
 * @param {number} count
 */
function setCount(button, count) {
  setText(/** @type {HTMLElement} */ (button.lastElementChild), formatCount(count));
}

/**
 * @param {HTMLSelectElement} select
 * @param {import("./state.js").State} state
 * @param {Wanted} wanted
 */
function fillNamespaces(select, state, wanted) {
  const names = [...new Set([...state.vms.keys()].map(namespaceOf))].filter(Boolean).sort();
  if (wanted.namespace && !names.includes(wanted.namespace)) names.push(wanted.namespace);
  const key = names.join("/");
  select.hidden = names.length < 2;
  if (select.dataset.key === key) return;
  select.dataset.key = key;
  const options = names.map((name) => element("option", { value: name, text: name }));
  select.replaceChildren(element("option", { value: "", text: "All namespaces" }), ...options);
  select.value = wanted.namespace;
}

function legend() {
  return element(
    "div", { class: "legend", "aria-hidden": "true" },
    element("span", { class: "of-vms", text: "VMs" }),
    element("span", { class: "of-others", text: "unattributed" }),
    element("span", { class: "of-free", text: "free" }),
    element("span", { class: "of-missing", text: "no figure" }),
  );
}
