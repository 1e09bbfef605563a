/**
 * What happened, as a list of buttons: the markers of the charts for the keyboard and for screen readers.
 *
 * @typedef {import("./marker_paint.js").Marker} Marker
 */

import { SIGNS } from "./marker_paint.js";
import { clockTime } from "./charts.js";
import { element, setAttribute, setText } from "./dom.js";
import { formatAge } from "./format.js";

export class MarkerList {
  /**
   * @param {import("./time_charts.js").TimeCharts} group
   * @param {() => number} now
   */
  constructor(group, now) {
    this.group = group;
    this.now = now;
    /** @type {Marker[]} */
    this.markers = [];
    this.list = element("ol", { class: "markers" });
    this.none = element("p", { class: "soft", text: "No start, stop, migration or verdict in this time." });
    this.root = element(
      "section",
      { class: "card happened", "aria-label": "What happened" },
      element("h2", { text: "What happened" }),
      this.none,
      this.list,
    );
  }

  /** @param {Marker[]} markers in the order of time; the list shows the newest first */
  show(markers) {
    if (markers !== this.markers) {
      this.markers = markers;
      this.group.chosen = -1;
      this.none.hidden = markers.length > 0;
      this.list.replaceChildren(...markers.map((marker, index) => this.#item(marker, index)).reverse());
    }
    this.showAges();
  }

  showAges() {
    for (const age of this.list.querySelectorAll(".marker-age")) {
      const time = Number(age.getAttribute("data-time"));
      setText(age, `${formatAge(Math.max(0, this.now() - time))} ago`);
    }
  }

  /**
   * @param {Marker} marker
   * @param {number} index
   */
  #item(marker, index) {
    const button = element(
      "button",
      { type: "button", class: "marker", "aria-pressed": "false" },
      element("span", {
        class: `marker-sign ${marker.kind === "verdict" ? "alert" : ""}`,
        "aria-hidden": "true",
        text: SIGNS.get(marker.kind) ?? "•",
      }),
      element("time", {
        class: "marker-time",
        datetime: new Date(marker.time * 1000).toISOString(),
        text: clockTime(marker.time),
      }),
      element("bdi", { class: "marker-text", text: marker.text || `${marker.vm} ${marker.kind}` }),
      element("span", { class: "marker-age", "data-time": String(marker.time) }),
    );
    button.addEventListener("click", () => this.#choose(button, marker, index));
    return element("li", {}, button);
  }

  /**
   * @param {HTMLElement} button
   * @param {Marker} marker
   * @param {number} index
   */
  #choose(button, marker, index) {
    const isChosen = this.group.chosen !== index;
    for (const other of this.list.querySelectorAll(".marker")) setAttribute(other, "aria-pressed", "false");
    setAttribute(button, "aria-pressed", String(isChosen));
    this.group.choose(marker, isChosen ? index : -1);
  }
}
