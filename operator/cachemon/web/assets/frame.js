/** What surrounds every view: where the reader is, whether figures still come, and remarks. */

import { byId, element, setAttribute, setText } from "./dom.js";
import { formatAge } from "./format.js";
import { fleetHash, nodeHash, vmHash } from "./router.js";

/**
 * @typedef {import("./main.js").App} App
 */

/**
 * @param {App} app
 * @param {string} problem why the server's last answer is missing; empty when it came
 */
export function showConnection(app, problem) {
  const target = byId("connection");
  const kept = problem || app.state.source?.problem;
  setAttribute(target, "data-state", !app.state.source && !problem ? "waiting" : kept ? "broken" : "ok");
  const silent = formatAge(Math.max(0, app.now() - app.state.now));
  if (problem) setText(target, app.state.source ? `no answer for ${silent}` : "no answer");
  else if (kept) setText(target, "figures from before");
  else setText(target, app.state.source ? "up to date" : "connecting");
}

/**
 * Path to the view that shows, and the title of the page.
 * @param {App} app
 */
export function showCrumbs(app) {
  const { route, state } = app;
  const source = state.source;
  const scope = source ? (source.kind === "host" ? "this host" : source.namespace || "all namespaces") : "";
  /** @type {[string, string][]} */
  const crumbs = [[source ? source.title || "nodes" : "nodes", fleetHash()]];
  const node = route.node || (route.vm && state.vms.get(route.vm)?.node) || "";
  if (node) crumbs.push([node, nodeHash(node)]);
  if (route.vm) crumbs.push([route.vm, vmHash(route.vm)]);
  const target = byId("crumbs");
  const key = JSON.stringify([crumbs, scope]);
  if (target.dataset.key === key) return;
  target.dataset.key = key;
  document.title = `${route.vm || route.node || crumbs[0][0]} · cachemon`;
  const last = crumbs.length - 1;
  const links = crumbs.map(([text, href], place) =>
    element("a", { href, class: "crumb", "aria-current": place === last && "page", title: text }, element("bdi", { text })),
  );
  target.replaceChildren(...links, ...(scope ? [element("span", { class: "scope", text: scope })] : []));
}

/**
 * The button that asks agents for fresh figures.
 * @param {App} app
 */
export function showLive(app) {
  const button = byId("live");
  const live = app.state.source?.live;
  button.hidden = !live?.offered;
  if (!live?.offered) return;
  const left = live.until === null ? 0 : live.until - app.now();
  setAttribute(button, "aria-pressed", String(left > 0));
  setAttribute(button, "title", live.reason || "Ask the agents for figures every 2 s, for 15 minutes at the most");
  setText(button, left > 0 ? `Live, ${formatAge(left)} left` : "Live");
}

/**
 * @param {App} app
 * @param {string} problem as in `showConnection`
 */
export function showNotices(app, problem) {
  const { source, remarks } = app.state;
  const command = source?.kind === "host" ? "cachemon host web" : "kubectl cachemon web";
  const lines = [];
  if (problem) {
    const kept = source ? " The figures below are from before." : "";
    lines.push(["problem", `The page's server does not answer: ${problem}.${kept} Start it again with \`${command}\`.`]);
  }
  if (source?.problem) lines.push(["problem", `The figures are from before: ${source.problem}`]);
  lines.push(...remarks.map((remark) => ["remark", remark]));
  const target = byId("notices");
  const key = JSON.stringify(lines);
  if (target.dataset.key === key) return;
  target.dataset.key = key;
  target.replaceChildren(...lines.map(([kind, text]) => withCommands(element("p", { class: `notice ${kind}` }), text)));
}

/**
 * Append a text whose `commands` stand between back quotes.
 * @template {HTMLElement} T
 * @param {T} target
 * @param {string} text
 * @returns {T}
 */
export function withCommands(target, text) {
  text.split("`").forEach((part, place) => {
    target.append(place % 2 ? element("code", { text: part }) : part);
  });
  return target;
}
