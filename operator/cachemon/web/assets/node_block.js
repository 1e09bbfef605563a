/**
 * One cache block of a node: the stack of its VMs against its capacity, their bandwidth, and a table of now.
 *
 * @typedef {import("./main.js").App} App
 * @typedef {import("./timeline.js").Timeline} Timeline
 * @typedef {import("./marker_paint.js").Marker} Marker
 * @typedef {import("./state.js").Block} Block
 * @typedef {import("./time_panel.js").Said} Said
 */

import { paintCapacity, paintHoles } from "./chart_paint.js";
import { element, setText } from "./dom.js";
import { FigureTable, rowsOfBlock } from "./figure_table.js";
import { counted, formatBytes, formatRate, formatShare, NO_VALUE } from "./format.js";
import { paintLayers } from "./layer_paint.js";
import { paintLineNames } from "./line_names.js";
import { chartColours, layerLook, shortName, vmLine } from "./looks.js";
import { paintMarkers } from "./marker_paint.js";
import { chooseLayers, OTHERS, stackOf, UNATTRIBUTED } from "./stack.js";
import { TimePanel } from "./time_panel.js";
import { columnName } from "./timeline.js";
import { holesOfLines, momentWords } from "./time_words.js";

/** VMs with a layer and a line of their own; the others share one layer. */
const MOST_LAYERS = 10;
const MOST_SAID = 12;

export class NodeBlock {
  /**
   * @param {App} app
   * @param {import("./time_charts.js").TimeCharts} group
   * @param {string} node
   * @param {Block} block
   */
  constructor(app, group, node, block) {
    this.app = app;
    this.group = group;
    this.block = block;
    this.heading = element("h2", {});
    const charts = element("div", { class: "block-charts" });
    this.table = new FigureTable(`Figures of cache block ${block.id} now`, ["VM", "Cache", "Share", "Traffic", "Age"]);
    this.root = element(
      "section",
      { class: "card time-block", "aria-label": `Cache block ${block.id}` },
      this.heading,
      element("div", { class: "block-columns" }, charts, this.table.root),
    );
    /** @type {import("./stack.js").Stack} */
    this.stack = { times: [], layers: [], total: [], holes: [] };
    /** @type {{timeline: Timeline | null, markers: Marker[], names: string[], shown: string[], isLoaded: boolean}} */
    this.drawn = { timeline: null, markers: [], names: [], shown: [], isLoaded: false };
    this.panel = new TimePanel(charts, group, this.#plan(node));
  }

  /**
   * Shows the figures of now.
   * @param {Block} block
   * @param {string} name of the node
   */
  render(block, name) {
    this.block = block;
    const used = block.occupancy == null ? NO_VALUE : formatBytes(block.occupancy);
    const share = block.occupancy != null && block.capacity ? `, ${formatShare(block.occupancy / block.capacity)}` : "";
    const why = block.reason ? ` (${block.reason})` : "";
    setText(this.heading, `Cache block ${block.id}: ${used} of ${formatBytes(block.capacity)}${share}${why}`);
    this.table.show(rowsOfBlock(this.app, block, name));
  }

  /**
   * Draws new figures.
   * @param {import("./view_history.js").ViewHistory} history
   * @param {string[]} names of the VMs that are or were there
   */
  draw({ timeline, markers, isLoaded }, names) {
    const before = isLoaded === this.drawn.isLoaded ? this.drawn.shown : [];
    const layers = chooseLayers(timeline, this.block.id, names, { most: MOST_LAYERS, before });
    this.stack = stackOf(timeline, this.block.id, layers);
    this.drawn = { timeline, markers, names: [...layers.shown, ...layers.others], shown: layers.shown, isLoaded };
    this.panel.setData([this.#occupancy(), this.#bandwidth(timeline, layers.shown)]);
  }

  close() {
    this.panel.close();
    this.root.remove();
  }

  /** @returns {import("./time_panel.js").ChartData} */
  #occupancy() {
    const colours = chartColours(this.app.palette);
    const tops = this.stack.layers.map((it) => ({ label: `top of ${it.vm || it.key}`, color: "", hidden: true }));
    return {
      lines: [{ label: "total", color: colours.text, width: 1.5 }, ...tops],
      data: [this.stack.times, this.stack.total, ...this.stack.layers.map((it) => it.top)],
    };
  }

  /**
   * @param {Timeline} timeline
   * @param {string[]} shown
   * @returns {import("./time_panel.js").ChartData}
   */
  #bandwidth(timeline, shown) {
    const columns = shown.map((vm) => timeline.column(columnName("bandwidth", this.block.id, vm)));
    return { lines: shown.map((vm) => vmLine(this.app.palette, vm)), data: [timeline.times, ...columns] };
  }

  /**
   * @param {string} node
   * @returns {import("./time_panel.js").PanelPlan}
   */
  #plan(node) {
    const colours = () => chartColours(this.app.palette);
    return {
      label: `Figures over time of cache block ${this.block.id} of ${node}`,
      colours,
      charts: [
        {
          caption: "Occupancy, stacked by VM",
          height: 280,
          binary: true,
          format: formatBytes,
          top: () => this.block.capacity ?? 0,
          behind: (plot) => {
            paintHoles(plot, this.stack.holes, colours());
            paintLayers(plot, this.stack.layers, (layer) => this.#look(layer), colours());
          },
          infront: (plot) => this.#paintOver(plot, true),
        },
        {
          caption: "Memory bandwidth, a line for each VM",
          height: 170,
          binary: false,
          format: (value) => `${formatRate(value)}B/s`,
          top: () => 1000,
          behind: (plot) => paintHoles(plot, holesOfLines(plot.data), colours()),
          infront: (plot) => {
            this.#paintOver(plot, false);
            paintLineNames(plot, this.drawn.shown.map(shortName), colours());
          },
        },
      ],
      names: () => this.drawn.shown.map(shortName),
      say: (row) => this.#say(row),
    };
  }

  /** @param {import("./stack.js").Layer} layer */
  #look(layer) {
    const count = this.drawn.names.length - this.drawn.shown.length;
    return layerLook(this.app.palette, layer, count ? counted(count, "other VM") : "other VMs");
  }

  /**
   * @param {any} plot
   * @param {boolean} hasCapacity
   */
  #paintOver(plot, hasCapacity) {
    const colours = chartColours(this.app.palette);
    const { capacity } = this.block;
    if (hasCapacity && capacity) paintCapacity(plot, capacity, `capacity ${formatBytes(capacity)}`, colours);
    paintMarkers(plot, this.drawn.markers, colours, this.group.chosen);
  }

  /** @param {number} row */
  #say(row) {
    const { timeline } = this.drawn;
    if (!timeline) return { when: "", figures: [] };
    const hole = this.stack.holes.find((it) => it.from <= row && row <= it.until);
    const total = this.stack.total[row];
    const share = total != null && this.block.capacity ? `, ${formatShare(total / this.block.capacity)}` : "";
    /** @type {Said[]} */
    const figures = [
      { label: "total", text: `${this.#text(timeline, "total", "", row, formatBytes)}${share}`, isStrong: true },
    ];
    if (hole) figures.push({ label: "no stack", text: hole.why });
    figures.push(...this.#sayLayers(timeline, row));
    return { when: momentWords(timeline.times[row], this.app.now()), figures };
  }

  /**
   * @param {Timeline} timeline
   * @param {number} row
   * @returns {Said[]}
   */
  #sayLayers(timeline, row) {
    const said = [...this.drawn.names].filter((vm) => this.#isThere(timeline, vm, row)).slice(0, MOST_SAID);
    const rest = this.stack.layers.find((it) => it.key === UNATTRIBUTED)?.raw[row];
    const unattributed = timeline.cell(columnName("unattributed", this.block.id), row) ?? rest;
    const others = this.stack.layers.find((it) => it.key === OTHERS);
    return [
      { label: "unattributed", text: formatBytes(unattributed), swatch: "unattributed" },
      ...(others ? [{ label: this.#look(others).label, text: formatBytes(others.raw[row]), swatch: "others" }] : []),
      ...said.map((vm) => ({
        label: vm,
        text: this.#vmText(timeline, vm, row),
        swatch: this.app.palette.of(vm).className,
      })),
    ];
  }

  /**
   * @param {Timeline} timeline
   * @param {string} vm
   * @param {number} row
   */
  #isThere(timeline, vm, row) {
    return timeline.cell(columnName("occupancy", this.block.id, vm), row) !== undefined;
  }

  /**
   * @param {Timeline} timeline
   * @param {string} vm
   * @param {number} row
   */
  #vmText(timeline, vm, row) {
    const occupancy = this.#text(timeline, "occupancy", vm, row, formatBytes);
    const rate = timeline.cell(columnName("bandwidth", this.block.id, vm), row);
    return rate == null ? occupancy : `${occupancy}, ${formatRate(rate)}B/s`;
  }

  /**
   * @param {Timeline} timeline
   * @param {string} what
   * @param {string} name
   * @param {number} row
   * @param {(value: number) => string} format
   */
  #text(timeline, what, name, row, format) {
    const column = columnName(what, this.block.id, name);
    const value = timeline.cell(column, row);
    if (value != null) return format(value);
    return `no figure${timeline.reason(column, row) ? `: ${timeline.reason(column, row)}` : ""}`;
  }
}
