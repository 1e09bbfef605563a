/** VMs that run on no node that is known: each with its reason. */

import { element } from "./dom.js";
import { reasonInWords } from "./format.js";
import { counted } from "./format.js";
import { vmHash } from "./router.js";

/** More are counted, not shown: the search finds them. */
const MOST = 60;

/**
 * @param {HTMLElement} root
 * @param {string[]} vms
 * @param {import("./main.js").App} app
 * @param {((vm: string) => boolean) | null} matches
 */
export function showUnplaced(root, vms, app, matches) {
  const wanted = matches ? vms.filter(matches) : vms;
  const lines = wanted.slice(0, MOST).map((vm) => /** @type {[string, string]} */ ([vm, whyOf(app, vm)]));
  const key = JSON.stringify([lines, wanted.length]);
  if (root.dataset.key === key) return;
  root.dataset.key = key;
  root.hidden = !wanted.length;
  const items = lines.map(([vm, why]) =>
    element("li", { title: `${vm}: ${why}` }, element("a", { href: vmHash(vm) }, element("bdi", { text: vm })), element("span", { class: "reason", text: ` ${why}` })),
  );
  const more = wanted.length > MOST ? [element("p", { class: "reason", text: `and ${counted(wanted.length - MOST, "more VM")}` })] : [];
  root.replaceChildren(element("h2", { text: "On no node" }), element("ul", {}, ...items), ...more);
}

/**
 * @param {import("./main.js").App} app
 * @param {string} vm
 */
function whyOf(app, vm) {
  const reason = app.state.vms.get(vm)?.reason;
  return reason ? reasonInWords(reason) : "no reason is known";
}
