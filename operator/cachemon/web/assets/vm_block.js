/**
 * What a VM has of one cache block: itself and its groups over time, and a table of now.
 *
 * @typedef {import("./main.js").App} App
 * @typedef {import("./timeline.js").Timeline} Timeline
 * @typedef {import("./marker_paint.js").Marker} Marker
 * @typedef {import("./state.js").VmState} VmState
 * @typedef {import("./snapshots.js").Group} Group
 */

import { paintHoles } from "./chart_paint.js";
import { element, setText } from "./dom.js";
import { bytesCell, FigureTable, rateCell, shareCell } from "./figure_table.js";
import { formatBytes, formatRate, formatShare, NO_VALUE, reasonInWords } from "./format.js";
import { paintLineNames } from "./line_names.js";
import { chartColours, GROUP_DASHES, lineColour, shortName } from "./looks.js";
import { paintMarkers } from "./marker_paint.js";
import { groupName } from "./snapshots.js";
import { TimePanel } from "./time_panel.js";
import { columnName } from "./timeline.js";
import { ageWords, holesOfLines, momentWords, whyMissing } from "./time_words.js";

/** Groups with a line of their own. */
const MOST_LINES = 8;

export class VmBlock {
  /**
   * @param {App} app
   * @param {import("./time_charts.js").TimeCharts} group
   * @param {string} vm
   * @param {number} id of the cache block
   */
  constructor(app, group, vm, id) {
    this.app = app;
    this.vm = vm;
    this.id = id;
    this.group = group;
    this.heading = element("h2", {});
    this.table = new FigureTable(`Groups in cache block ${id} now`, [
      "Group",
      "Cache",
      "Share",
      "Traffic",
      "Local",
      "State",
    ]);
    const charts = element("div", { class: "block-charts" });
    this.charts = charts;
    this.root = element(
      "section",
      { class: "card time-block", "aria-label": `Cache block ${id}` },
      this.heading,
      element("div", { class: "block-columns" }, charts, this.table.root),
    );
    /** The whole VM, and its groups, in the order of their lines. */
    this.names = [vm];
    /** @type {{timeline: Timeline | null, markers: Marker[]}} */
    this.drawn = { timeline: null, markers: [] };
    this.panel = new TimePanel(charts, group, this.#plan());
  }

  /** @param {VmState | undefined} vm undefined when it is gone: then only its past shows */
  render(vm) {
    if (!vm) {
      setText(this.heading, `Cache block ${this.id}`);
      this.table.show([]);
      return;
    }
    const block = vm.blocks.find((it) => it.id === this.id);
    const share =
      block?.occupancy != null && block.capacity ? `, ${formatShare(block.occupancy / block.capacity)}` : "";
    setText(
      this.heading,
      `Cache block ${this.id}: ${formatBytes(block?.occupancy)} of ${formatBytes(block?.capacity)}${share}`,
    );
    const groups = /** @type {Group[]} */ (vm.groups).map(groupName);
    this.names = [this.vm, ...(groups.length > 1 ? groups.slice(0, MOST_LINES) : [])];
    this.table.show(this.#rows(vm));
  }

  /**
   * @param {Timeline} timeline
   * @param {Marker[]} markers
   */
  draw(timeline, markers) {
    this.drawn = { timeline, markers };
    this.panel.setData([this.#lines("occupancy", timeline), this.#lines("bandwidth", timeline)]);
  }

  close() {
    this.panel.close();
    this.root.remove();
  }

  /**
   * @param {string} what
   * @param {Timeline} timeline
   * @returns {import("./time_panel.js").ChartData}
   */
  #lines(what, timeline) {
    const { names } = this;
    const color = lineColour(this.app.palette, this.vm);
    const { text } = chartColours(this.app.palette);
    const lines = names.map((name, place) =>
      place
        ? { label: name, color: text, dash: GROUP_DASHES[(place - 1) % GROUP_DASHES.length], width: 1.5 }
        : { label: name, color, width: 3 },
    );
    return { lines, data: [timeline.times, ...names.map((name) => timeline.column(columnName(what, this.id, name)))] };
  }

  /** @returns {import("./time_panel.js").PanelPlan} */
  #plan() {
    const colours = () => chartColours(this.app.palette);
    const paint = {
      behind: (/** @type {any} */ plot) => paintHoles(plot, holesOfLines(plot.data), colours()),
      infront: (/** @type {any} */ plot) => {
        paintMarkers(plot, this.drawn.markers, colours(), this.group.chosen);
        paintLineNames(plot, this.lineNames(), colours());
      },
    };
    return {
      label: `Figures over time of ${this.vm} in cache block ${this.id}`,
      colours,
      charts: [
        { caption: "Occupancy", height: 220, binary: true, format: formatBytes, top: () => 1, ...paint },
        {
          caption: "Memory bandwidth",
          height: 160,
          binary: false,
          format: (value) => `${formatRate(value)}B/s`,
          top: () => 1000,
          ...paint,
        },
      ],
      names: () => this.lineNames(),
      say: (row) => this.#say(row),
    };
  }

  /** The names of the lines, to show beside them. */
  lineNames() {
    return this.names.map((name, place) => (place ? shortName(name) : "whole VM"));
  }

  /** @param {number} row */
  #say(row) {
    const { timeline } = this.drawn;
    if (!timeline) return { when: "", figures: [] };
    const figures = this.names.map((name, place) => ({
      label: place ? name : "whole VM",
      text: this.#text(timeline, name, row),
      sample: this.#sample(place),
      isStrong: !place,
    }));
    return { when: momentWords(timeline.times[row], this.app.now()), figures };
  }

  /**
   * @param {Timeline} timeline
   * @param {string} name
   * @param {number} row
   */
  #text(timeline, name, row) {
    const column = columnName("occupancy", this.id, name);
    const bytes = timeline.cell(column, row);
    const rate = timeline.cell(columnName("bandwidth", this.id, name), row);
    const why = timeline.reason(column, row);
    const held =
      bytes != null
        ? formatBytes(bytes)
        : bytes === undefined
          ? "was not there"
          : `no figure${why ? `: ${reasonInWords(why)}` : ""}`;
    return rate == null ? held : `${held}, ${formatRate(rate)}B/s`;
  }

  /** @param {number} place of a line; the first is that of the whole VM */
  #sample(place) {
    if (!place) return { dash: undefined, paint: this.app.palette.of(this.vm).className.split(" ")[0] };
    return { dash: GROUP_DASHES[(place - 1) % GROUP_DASHES.length], paint: "" };
  }

  /** @param {string} name of a group */
  #sampleOf(name) {
    const place = this.names.indexOf(name);
    return place > 0 ? this.#sample(place) : undefined;
  }

  /**
   * @param {VmState} vm
   * @returns {import("./figure_table.js").Row[]}
   */
  #rows(vm) {
    const groups = /** @type {Group[]} */ (vm.groups);
    const whole = vm.blocks.find((it) => it.id === this.id);
    const rows = groups.map((group) => {
      const block = group.blocks.find((it) => it.id === this.id);
      return {
        key: groupName(group),
        cells: [
          {
            text: group.name || NO_VALUE,
            sample: this.#sampleOf(groupName(group)),
            title: `${groupName(group)}: ${group.vcpus}`,
          },
          bytesCell(block?.occupancy),
          shareCell(block?.occupancy, block?.capacity),
          rateCell(block?.bandwidth),
          rateCell(block?.localBandwidth),
          stateCell(group, block),
        ],
      };
    });
    const sum = {
      key: " whole",
      isSum: true,
      cells: [
        { text: vm.atLeast ? "whole VM, at least" : "whole VM", sample: this.#sample(0) },
        bytesCell(whole?.occupancy),
        shareCell(whole?.occupancy, whole?.capacity),
        rateCell(whole?.bandwidth),
        { text: "" },
        ageWords({ ...vm, reason: whyMissing(vm) }, this.app.now()),
      ],
    };
    return [...rows, sum];
  }
}

/**
 * @param {Group} group
 * @param {import("./snapshots.js").GroupBlock | undefined} block
 * @returns {import("./figure_table.js").Cell}
 */
function stateCell(group, block) {
  const reading = block && block.reading !== "Valid" ? block.reading : "";
  const why = group.reason || reading;
  const words = [group.state, why ? reasonInWords(why) : ""].filter(Boolean).join(": ");
  return {
    text: words || NO_VALUE,
    title: group.message || words,
    isLate: group.state !== "Monitored" || Boolean(why),
  };
}
