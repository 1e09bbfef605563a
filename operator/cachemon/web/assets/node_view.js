/**
 * One node: what its agent says, its verdicts, and each cache block over time.
 *
 * @typedef {import("./main.js").App} App
 * @typedef {import("./state.js").NodeState} NodeState
 */

import { element } from "./dom.js";
import { FactList, readyWords } from "./fact_list.js";
import { counted, formatShare, NO_VALUE } from "./format.js";
import { MarkerList } from "./marker_list.js";
import { NodeBlock } from "./node_block.js";
import { LEAVES_NODE, nodeSnapshot } from "./snapshots.js";
import { TimeCharts } from "./time_charts.js";
import { ageWords } from "./time_words.js";
import { isOpen, verdictKey } from "./verdicts.js";
import { VerdictCards } from "./verdict_card.js";
import { ViewHistory } from "./view_history.js";

class NodeView {
  /**
   * @param {HTMLElement} root
   * @param {App} app
   */
  constructor(root, app) {
    this.app = app;
    this.name = app.route.node;
    this.facts = new FactList(this.name);
    this.cards = new VerdictCards(app);
    this.toolbar = element("div", { class: "time-tools" });
    this.blocksRoot = element("div", { class: "time-blocks" });
    this.group = new TimeCharts(this.toolbar, app.memory);
    this.markers = new MarkerList(this.group, () => app.now());
    /** @type {Map<number, NodeBlock>} */
    this.blocks = new Map();
    this.history = new ViewHistory(app, `node=${encodeURIComponent(this.name)}`, {
      leaves: LEAVES_NODE,
      isHere: (vm) => app.state.vms.get(vm)?.node === this.name,
    });
    this.drawn = "";
    root.append(this.facts.root, this.cards.root, this.toolbar, this.blocksRoot, this.markers.root);
  }

  render() {
    const node = this.app.state.nodes.get(this.name);
    this.facts.show(node ? nodeFacts(this.app, node) : [], node ? readyWords(node) : absentNode(this.app));
    this.facts.remark(this.history.remark);
    this.cards.show(node?.verdicts ?? []);
    this.#renderBlocks(node?.blocks ?? []);
    this.history.take(nodeSnapshot(this.app.state, this.name), this.#events(node));
    this.markers.showAges();
    this.#draw();
  }

  close() {
    this.history.close();
    for (const block of this.blocks.values()) block.close();
  }

  /** @param {import("./state.js").Block[]} wanted */
  #renderBlocks(wanted) {
    for (const block of wanted) {
      let shown = this.blocks.get(block.id);
      if (!shown) {
        shown = new NodeBlock(this.app, this.group, this.name, block);
        this.blocks.set(block.id, shown);
        this.blocksRoot.append(shown.root);
        this.drawn = "";
      }
      shown.render(block, this.name);
    }
    for (const [id, shown] of this.blocks) {
      if (wanted.some((block) => block.id === id)) continue;
      shown.close();
      this.blocks.delete(id);
    }
  }

  /** Names what markers are about: who is there, and the verdicts. @param {NodeState | undefined} node */
  #events(node) {
    const vms = [...this.app.state.vms].filter(([, vm]) => vm.node === this.name).map(([name]) => name);
    return JSON.stringify([vms.sort(), (node?.verdicts ?? []).map((it) => `${verdictKey(it)} ${it.outcome}`)]);
  }

  /** Draws only what is new: other figures, other markers, other colours. */
  #draw() {
    const { timeline, markers } = this.history;
    const version = `${this.history.version} ${this.app.palette.variable("--surface")}`;
    if (version === this.drawn) return;
    this.drawn = version;
    const names = vmNames(timeline.columns.keys());
    this.group.update(timeline.times, this.app.state.now);
    for (const block of this.blocks.values()) block.draw(this.history, names);
    this.group.redraw();
    this.markers.show(markers);
  }
}

/**
 * @param {Iterable<string>} columns names of columns
 * @returns {string[]} the VMs that have an occupancy
 */
function vmNames(columns) {
  const names = new Set();
  for (const column of columns) {
    const [what, , ...name] = column.split(" ");
    if (what === "occupancy") names.add(name.join(" "));
  }
  return [...names];
}

/**
 * @param {App} app
 * @param {NodeState} node
 * @returns {import("./fact_list.js").Fact[]}
 */
function nodeFacts(app, node) {
  const { rmids } = node;
  const open = node.verdicts.filter(isOpen).length;
  const used = rmids ? `${rmids.ours + rmids.others} of ${rmids.total}` : NO_VALUE;
  return [
    { name: "RMIDs in use", text: used, aside: rmids ? `${rmids.ours} of cachemon, ${rmids.others} of others` : "" },
    { name: "Agent", text: node.agent || NO_VALUE },
    { name: "Figures", ...ageFact(app, node) },
    {
      name: "Slowdown by neighbours",
      text: node.interferenceRatio == null ? NO_VALUE : formatShare(node.interferenceRatio),
      aside: node.interferenceRatio == null ? "not judged" : "",
    },
    {
      name: "Open verdicts",
      text: String(open),
      aside: node.verdicts.length > open ? `${counted(node.verdicts.length - open, "past one")}` : "",
    },
  ];
}

/**
 * @param {App} app
 * @param {{observed: number | null, period: number}} of
 */
export function ageFact(app, of) {
  const { text, isLate } = ageWords({ ...of, reason: "" }, app.now());
  return { text: of.observed === null ? text : `${text} old`, isLate, aside: `renewed every ${of.period} s` };
}

/** @param {App} app */
function absentNode(app) {
  const hint = app.state.nodes.size ? "" : " You may not list nodes, or no agent has reported yet.";
  return { word: "Unknown", reason: `nothing is known of this node.${hint}`, message: "" };
}

/**
 * @param {HTMLElement} root
 * @param {App} app
 */
export function nodeView(root, app) {
  return new NodeView(root, app);
}
