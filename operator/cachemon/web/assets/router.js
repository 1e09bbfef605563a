/** Addresses within the page: `#/`, `#/node/NAME`, `#/vm/NAMESPACE/NAME`. Pure. */

/**
 * @typedef {{view: "fleet" | "node" | "vm", node: string, vm: string}} Route
 * `node` and `vm` are empty where the view has none.
 */

/** @returns {string} */
export function fleetHash() {
  return "#/";
}

/**
 * @param {string} node
 * @returns {string}
 */
export function nodeHash(node) {
  return `#/node/${encodeURIComponent(node)}`;
}

/**
 * @param {string} vm `NAMESPACE/NAME`; a plain host's has no namespace
 * @returns {string}
 */
export function vmHash(vm) {
  return `#/vm/${vm.split("/").map(encodeURIComponent).join("/")}`;
}

/**
 * The route of an address; that of the fleet for one that makes no sense.
 * @param {string} hash
 * @returns {Route}
 */
export function parseHash(hash) {
  const [view, ...names] = hash.replace(/^#\/?/, "").split("/").map(decoded);
  const name = names.join("/");
  if (view === "node" && name) return { view, node: name, vm: "" };
  if (view === "vm" && name) return { view, node: "", vm: name };
  return { view: "fleet", node: "", vm: "" };
}

/** @param {string} part */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
