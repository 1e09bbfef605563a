/** The page: asks the server for changes, keeps the state, and shows the view that the address names. */

import { Announcer } from "./announcer.js";
import { byId, element } from "./dom.js";
import { showConnection, showCrumbs, showLive, showNotices } from "./frame.js";
import { Palette } from "./palette.js";
import { parseHash } from "./router.js";
import { emptyState, merge } from "./state.js";
import { startTheme } from "./theme.js";

/**
 * A view draws into its root. main.js calls `render` after each change and once a second while nothing changes, for
 * the ages; and `close` before another view comes.
 * @typedef {{render(): void, close(): void}} View
 * @typedef {(root: HTMLElement, app: App) => View} ViewMaker
 *
 * What views share. `memory` outlives a view: what it wants to find again when the reader comes back.
 * @typedef {{state: import("./state.js").State, palette: Palette, route: import("./router.js").Route,
 *   memory: Map<string, any>, now(): number, fetchJson(path: string): Promise<any>,
 *   navigate(hash: string): void, announce(text: string): void}} App
 */

const POLL_MILLISECONDS = 2000;
const AGES_MILLISECONDS = 1000;

/** @type {Record<string, () => Promise<ViewMaker>>} */
const VIEWS = {
  fleet: async () => (await import("./fleet_view.js")).fleetView,
  node: async () => (await import("./node_view.js")).nodeView,
  vm: async () => (await import("./vm_view.js")).vmView,
};

const state = emptyState();
const palette = new Palette();
const announcer = new Announcer(byId("announcer"));
let received = performance.now();
let problem = "";
/** @type {View | null} */
let view = null;

/** @type {App} */
const app = {
  state,
  palette,
  route: parseHash(location.hash),
  memory: new Map(),
  now: () => state.now + (performance.now() - received) / 1000,
  fetchJson,
  navigate: (hash) => {
    location.hash = hash;
  },
  announce: (text) => announcer.say(text),
};

/**
 * @param {string} path below the page's address
 * @param {RequestInit} [options]
 * @param {string} [mark] name of a performance mark: the answer is here, and not parsed yet
 */
async function fetchJson(path, options, mark) {
  const answer = await fetch(path, { cache: "no-store", ...options });
  if (!answer.ok) throw new Error(`the server answers ${answer.status} to ${path}`);
  const text = await answer.text();
  if (mark) performance.mark(mark);
  return JSON.parse(text);
}

/** @type {Promise<void> | null} */
let asking = null;

/** Ask for changes, unless an answer is on its way. */
function refresh() {
  asking ??= ask().finally(() => {
    asking = null;
  });
  return asking;
}

async function ask() {
  performance.clearMarks();
  performance.clearMeasures();
  try {
    const after = state.sequence === null ? "" : `?after=${state.sequence}`;
    const change = await fetchJson(`state.json${after}`, {}, "cachemon:answered");
    received = performance.now();
    problem = "";
    if (merge(state, change)) palette.learn(state);
    announcer.update(state);
  } catch (error) {
    if (!problem) announcer.say("The server does not answer. The figures are from before.");
    problem = String(error instanceof Error ? error.message : error);
  }
  render();
  if (!problem) performance.measure("cachemon:refresh", "cachemon:answered");
}

async function poll() {
  if (!document.hidden) await refresh();
  setTimeout(poll, POLL_MILLISECONDS);
}

function render() {
  showCrumbs(app);
  showConnection(app, problem);
  showLive(app);
  showNotices(app, problem);
  if (!state.source) return;
  document.querySelector(".waiting")?.remove();
  view?.render();
}

/** Replace the view by that of the address. */
async function route() {
  const wanted = parseHash(location.hash);
  app.route = wanted;
  view?.close();
  view = null;
  scrollTo({ top: 0, behavior: "instant" });
  const root = element("div", { class: `view ${wanted.view}-view` });
  byId("main").replaceChildren(root, ...(state.source ? [] : [element("p", { class: "empty waiting", text: "Reading the figures." })]));
  showCrumbs(app);
  try {
    const make = await VIEWS[wanted.view]();
    if (app.route !== wanted) return;
    view = make(root, app);
    if (state.source) view.render();
  } catch (error) {
    root.append(element("p", { class: "empty", text: `This view can't be shown: ${error}` }));
  }
}

addEventListener("hashchange", () => {
  byId("main").focus({ preventScroll: true });
  route();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) refresh();
});
byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("main").focus();
});
byId("live").addEventListener("click", async () => {
  await fetchJson("live", { method: "POST", headers: { "X-Cachemon": "live" } }).catch((error) => {
    announcer.say(`Fresh figures were refused: ${error.message}`);
  });
  await refresh();
});
startTheme(byId("theme"), () => {
  palette.themeChanged();
  if (state.source) view?.render();
});
setInterval(() => {
  if (!document.hidden && state.source) render();
}, AGES_MILLISECONDS);
route();
poll();
