/**
 * A panel: charts of one cache block, one below the other, with a cursor that says what they show.
 *
 * The panel is a slider for the keyboard and for screen readers: its value is the time of the cursor, its text is the
 * figures at that time. The box beside the cursor shows the same figures to those who see.
 *
 * @typedef {import("./time_charts.js").TimeCharts} TimeCharts
 * @typedef {import("./charts.js").Line} Line
 * @typedef {{label: string, text: string, swatch?: string, sample?: {dash: number[] | undefined, paint: string},
 *   isStrong?: boolean}} Said one figure at the cursor; swatch: class names of its colour; sample: of its line
 * @typedef {{caption: string, height: number, binary: boolean, format: (value: number) => string, top: () => number,
 *   behind?: (plot: any) => void, infront?: (plot: any) => void}} ChartPlan
 * @typedef {{lines: Line[], data: (number | null | undefined)[][]}} ChartData
 * @typedef {{label: string, names: () => string[], charts: ChartPlan[],
 *   colours: () => import("./chart_paint.js").Colours,
 *   say: (row: number) => {when: string, figures: Said[]}}} PanelPlan
 */

import { Chart } from "./charts.js";
import { element, setAttribute } from "./dom.js";
import { roomForNames } from "./line_names.js";
import { lineSample } from "./small_chart.js";

const GAP = 14;

/** Charts of one cache block. */
export class TimePanel {
  /**
   * @param {HTMLElement} root
   * @param {TimeCharts} group
   * @param {PanelPlan} plan
   */
  constructor(root, group, plan) {
    this.group = group;
    this.plan = plan;
    this.slider = element("div", {
      class: "time-panel",
      role: "slider",
      tabindex: 0,
      "aria-label": plan.label,
      "aria-orientation": "horizontal",
    });
    this.box = element("div", { class: "readout", "aria-hidden": "true" });
    this.box.hidden = true;
    this.charts = plan.charts.map((chart) => this.#makeChart(chart));
    this.slider.append(this.box);
    root.append(this.slider);
    this.slider.addEventListener("keydown", (event) => {
      if (group.key(event)) event.preventDefault();
    });
    this.slider.addEventListener("blur", () => group.setRow(null));
    group.members.add(this);
  }

  /** @param {ChartData[]} data of each chart */
  setData(data) {
    data.forEach(({ lines, data: columns }, index) => this.charts[index].setData(lines, columns));
    this.showRow(this.group.row, this.group.row === null ? null : this.group.times[this.group.row]);
  }

  /**
   * @param {number} min
   * @param {number} max
   */
  setWindow(min, max) {
    for (const chart of this.charts) chart.setWindow(min, max);
    setAttribute(this.slider, "aria-valuemin", String(Math.floor(min)));
    setAttribute(this.slider, "aria-valuemax", String(Math.ceil(max)));
    if (this.group.row === null) this.#sayNothing();
  }

  /**
   * @param {number | null} row
   * @param {number | null} time
   */
  showRow(row, time) {
    for (const chart of this.charts) chart.setRow(row);
    this.box.hidden = row === null;
    if (row === null || time === null) {
      this.#sayNothing();
      return;
    }
    const { when, figures } = this.plan.say(row);
    setAttribute(this.slider, "aria-valuenow", String(Math.round(time)));
    setAttribute(this.slider, "aria-valuetext", [when, ...figures.map((it) => `${it.label} ${it.text}`)].join("; "));
    this.#fillBox(when, figures);
    this.#placeBox(time);
  }

  redraw() {
    for (const chart of this.charts) chart.redraw();
  }

  close() {
    this.group.members.delete(this);
    for (const chart of this.charts) chart.close();
    this.slider.remove();
  }

  /** @param {ChartPlan} plan */
  #makeChart(plan) {
    const place = element("div", { class: "chart" });
    this.slider.append(element("div", { class: "chart-caption", text: plan.caption }), place);
    return new Chart(place, {
      ...plan,
      colours: this.plan.colours,
      room: (width) => roomForNames(width, this.plan.names()),
      onRow: (row) => this.group.setRow(row),
      onZoom: (from, until) => this.group.setZoom(from, until),
      onReset: () => this.group.reset(),
    });
  }

  #sayNothing() {
    setAttribute(this.slider, "aria-valuenow", this.slider.getAttribute("aria-valuemax") ?? "0");
    setAttribute(this.slider, "aria-valuetext", "now; arrow keys move through time, plus and minus zoom");
  }

  /**
   * @param {string} when
   * @param {Said[]} figures
   */
  #fillBox(when, figures) {
    const rows = figures.map((it) => {
      const swatch = it.sample
        ? lineSample(it.sample.dash, it.sample.paint)
        : element("span", { class: `chip ${it.swatch ?? "no-chip"}` });
      const label = element("span", { class: "readout-label", text: it.label });
      const text = element("span", { class: "readout-value", text: it.text });
      return element("div", { class: `readout-row${it.isStrong ? " strong" : ""}` }, swatch, label, text);
    });
    this.box.replaceChildren(element("div", { class: "readout-when", text: when }), ...rows);
  }

  /** @param {number} time */
  #placeBox(time) {
    const plot = this.charts[0].plot;
    if (!plot) return;
    const x = plot.valToPos(time, "x") + plot.bbox.left / (window.devicePixelRatio || 1);
    const room = this.slider.clientWidth;
    const width = this.box.offsetWidth;
    const left = x + GAP + width < room ? x + GAP : Math.max(0, x - GAP - width);
    this.box.style.left = `${Math.min(left, Math.max(0, room - width))}px`;
  }
}
