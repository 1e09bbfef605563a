/** What stands where there is no row: what is missing, and what to type next. */

import { element } from "./dom.js";

/**
 * @param {HTMLElement} root
 * @param {import("./state.js").State} state
 * @param {number} known rows and VMs that there are
 * @param {number} shown rows that match
 */
export function showEmpty(root, state, known, shown) {
  const kind = shown || (known && !state.nodes.size) ? "" : known ? "no match" : (state.source?.kind ?? "");
  root.hidden = !kind;
  const key = `${kind}/${state.source?.namespace}`;
  if (root.dataset.key === key) return;
  root.dataset.key = key;
  if (!kind) return;
  if (kind === "no match") root.replaceChildren(element("h2", { text: "No node matches" }), element("p", { text: "Change the search or the filters above." }));
  else root.replaceChildren(...(kind === "host" ? emptyHost() : emptyCluster(state.source?.namespace ?? "")));
}

function emptyHost() {
  return [
    element("h2", { text: "No domain is monitored" }),
    element("p", { text: "Create a group for a domain, all its vCPUs together:" }),
    element("pre", { text: "cachemon host cpu-resource DOMAIN --create --vcpulist all --live --config" }),
    element("p", { text: "Whether the agent runs, and what the host offers:" }),
    element("pre", { text: "systemctl status cachemon-host" }),
  ];
}

/** @param {string} namespace */
function emptyCluster(namespace) {
  const where = namespace ? `-n ${namespace}` : "-n NAMESPACE";
  const agents = [
    element("p", { text: "Whether agents run:" }),
    element("pre", { text: "kubectl get daemonset -A -l cachemon.dev/program=agent" }),
  ];
  return [
    element("h2", { text: namespace ? `No VM of namespace ${namespace} is monitored` : "No node has reported, and no VM is monitored" }),
    element("p", { text: "Create a group for a VM, all its vCPUs together:" }),
    element("pre", { text: `kubectl cachemon cpu-resource VM ${where} --create --vcpulist all` }),
    ...(namespace ? [] : agents),
  ];
}
