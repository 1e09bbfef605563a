/**
 * One VM: its groups, where it ran, its figures over time, its verdicts, and what to type next.
 *
 * @typedef {import("./main.js").App} App
 * @typedef {import("./state.js").VmState} VmState
 * @typedef {import("./snapshots.js").Group} Group
 */

import { element } from "./dom.js";
import { FactList, readyWords } from "./fact_list.js";
import { formatBytes, formatRate, NO_VALUE, reasonInWords } from "./format.js";
import { roomForNames } from "./line_names.js";
import { MarkerList } from "./marker_list.js";
import { ageFact } from "./node_view.js";
import { PlaceStrip } from "./place_strip.js";
import { nodeHash } from "./router.js";
import { groupName, LEAVES_ALL, vmSnapshot } from "./snapshots.js";
import { TimeCharts } from "./time_charts.js";
import { compareVerdicts, isOpen, verdictKey } from "./verdicts.js";
import { VerdictCards } from "./verdict_card.js";
import { ViewHistory } from "./view_history.js";
import { VmBlock } from "./vm_block.js";
import { WhyCard } from "./why_card.js";

class VmView {
  /**
   * @param {HTMLElement} root
   * @param {App} app
   */
  constructor(root, app) {
    this.app = app;
    this.name = app.route.vm;
    const toolbar = element("div", { class: "time-tools" });
    this.blocksRoot = element("div", { class: "time-blocks" });
    this.parts = {
      facts: new FactList(this.name),
      cards: new VerdictCards(app),
      why: new WhyCard(app, this.name),
      group: new TimeCharts(toolbar, app.memory),
    };
    this.markers = new MarkerList(this.parts.group, () => app.now());
    this.strip = new PlaceStrip(this.parts.group, (width) =>
      roomForNames(width, [...this.blocks.values()][0]?.lineNames() ?? []),
    );
    /** @type {Map<number, VmBlock>} */
    this.blocks = new Map();
    const subject = `vm=${this.name.split("/").map(encodeURIComponent).join("/")}`;
    this.history = new ViewHistory(app, subject, { leaves: LEAVES_ALL, isHere: (vm) => app.state.vms.has(vm) });
    this.drawn = "";
    this.blocksRoot.append(this.strip.root);
    root.append(
      this.parts.facts.root,
      this.parts.cards.root,
      toolbar,
      this.blocksRoot,
      this.markers.root,
      this.parts.why.root,
    );
  }

  render() {
    const { app, name } = this;
    const vm = app.state.vms.get(name);
    const verdicts = verdictsOf(app, name);
    this.parts.facts.show(vm ? vmFacts(app, vm) : [], vm ? readyWords(vm) : absentVm());
    this.parts.facts.remark(this.history.remark);
    this.parts.cards.show(verdicts);
    this.#renderBlocks(vm);
    const events = JSON.stringify([vm?.node, verdicts.map((it) => `${verdictKey(it)} ${it.outcome}`)]);
    this.history.take(vmSnapshot(app.state, name), events);
    this.parts.why.render(vm ? `${events} ${vm.ready} ${vm.reason}` : "");
    this.markers.showAges();
    this.#draw(vm);
  }

  close() {
    this.history.close();
    this.parts.why.close();
    this.strip.close();
    for (const block of this.blocks.values()) block.close();
  }

  /** @param {VmState | undefined} vm */
  #renderBlocks(vm) {
    const ids = blockIds(vm, this.history.timeline.columns.keys());
    for (const id of ids) {
      let shown = this.blocks.get(id);
      if (!shown) {
        shown = new VmBlock(this.app, this.parts.group, this.name, id);
        this.blocks.set(id, shown);
        this.blocksRoot.append(shown.root);
        if (this.blocks.size === 1) shown.charts.prepend(this.strip.root); // above the axis of time that it shares
        this.drawn = "";
      }
      shown.render(vm);
    }
  }

  /** @param {VmState | undefined} vm */
  #draw(vm) {
    const { timeline, markers } = this.history;
    const groups = /** @type {Group[]} */ (vm?.groups ?? []).map(groupName);
    const version = JSON.stringify([this.history.version, this.app.palette.variable("--surface"), groups]);
    if (version !== this.drawn) {
      this.drawn = version;
      this.parts.group.update(timeline.times, this.app.state.now);
      for (const block of this.blocks.values()) block.draw(timeline, markers);
      this.parts.group.redraw();
      this.markers.show(markers);
    }
    this.strip.show(/** @type {any} */ (vm?.places ?? []), this.app.now());
  }
}

/**
 * The verdicts about a VM: those that it lost by first, open ones before past ones.
 * @param {App} app
 * @param {string} name
 */
function verdictsOf({ state }, name) {
  const found = new Map();
  for (const owner of [...state.nodes.values(), ...state.vms.values()]) {
    for (const verdict of owner.verdicts ?? []) {
      if (verdict.victim !== name && verdict.suspect !== name) continue;
      const key = `${verdictKey(verdict)} ${verdict.outcome}`;
      if (!found.has(key)) found.set(key, verdict);
    }
  }
  const isOther = (/** @type {import("./state.js").Verdict} */ it) => Number(it.victim !== name);
  return [...found.values()].sort(
    (a, b) => Number(!isOpen(a)) - Number(!isOpen(b)) || isOther(a) - isOther(b) || compareVerdicts(a, b),
  );
}

/**
 * The cache blocks that it has figures of, now or before.
 * @param {VmState | undefined} vm
 * @param {Iterable<string>} columns names of columns
 */
function blockIds(vm, columns) {
  const ids = new Set([...columns].map((column) => Number(column.split(" ")[1])));
  for (const block of vm?.blocks ?? []) ids.add(block.id);
  for (const group of /** @type {Group[]} */ (vm?.groups ?? [])) for (const block of group.blocks) ids.add(block.id);
  return [...ids].sort((a, b) => a - b);
}

/**
 * @param {App} app
 * @param {VmState} vm
 * @returns {import("./fact_list.js").Fact[]}
 */
function vmFacts(app, vm) {
  const least = vm.atLeast ? "at least " : "";
  const { undisturbed } = vm;
  return [
    { name: "Runs on", text: vm.node || "no node", href: vm.node ? nodeHash(vm.node) : undefined },
    {
      name: "Cache",
      text: vm.occupancy == null ? NO_VALUE : least + formatBytes(vm.occupancy),
      aside: vm.atLeast ? "groups overlap: threads in some of them only are left out" : "",
    },
    { name: "Memory traffic", text: vm.bandwidth == null ? NO_VALUE : `${formatRate(vm.bandwidth)}B/s` },
    { name: "Figures", ...ageFact(app, vm) },
    ...(undisturbed ? [{ name: "Undisturbed", text: undisturbedWords(undisturbed), aside: undisturbed.message }] : []),
  ];
}

/** @param {{status: string, reason: string}} condition */
function undisturbedWords({ status, reason }) {
  if (status === "True") return "Yes";
  return status === "False" ? "No" : reasonInWords(reason) || "Not judged";
}

function absentVm() {
  return {
    word: "Unknown",
    reason: "nothing is known of this VM: it has no group, or you may not see it",
    message: "",
  };
}

/**
 * @param {HTMLElement} root
 * @param {App} app
 */
export function vmView(root, app) {
  return new VmView(root, app);
}
