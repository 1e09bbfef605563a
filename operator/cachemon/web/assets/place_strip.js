/**
 * Where a VM ran, on the axis of time of the charts below it: a strip to see, a list to read.
 *
 * @typedef {{node: string, from: number, until: number | null}} Place
 */

import { AXIS_WIDTH, clockTime } from "./charts.js";
import { element } from "./dom.js";
import { nodeHash } from "./router.js";

export class PlaceStrip {
  /**
   * @param {import("./time_charts.js").TimeCharts} group
   * @param {(width: number) => number} room CSS pixels to the right of the charts' axis of time
   */
  constructor(group, room) {
    this.group = group;
    this.room = room;
    this.track = element("ol", { class: "places", "aria-label": "Where it ran" });
    this.track.style.marginInlineStart = `${AXIS_WIDTH}px`;
    this.root = element(
      "section",
      { class: "place-strip", "aria-label": "Places" },
      element("span", { class: "chart-caption", text: "Where it ran" }),
      this.track,
    );
    /** @type {Place[]} */
    this.places = [];
    this.shown = "";
    this.now = 0;
    group.members.add(this);
  }

  /**
   * @param {Place[]} places
   * @param {number} now
   */
  show(places, now) {
    this.now = now;
    this.places = places;
    this.root.hidden = !places.length;
    this.#draw();
  }

  setWindow() {
    this.#draw();
  }

  showRow() {}

  redraw() {}

  close() {
    this.group.members.delete(this);
  }

  #draw() {
    const { min, max } = this.group.window();
    const room = this.room(this.root.clientWidth);
    const key = JSON.stringify([this.places, min, max, room]);
    if (key === this.shown) return;
    this.shown = key;
    this.track.style.marginInlineEnd = `${room}px`;
    this.track.replaceChildren(...this.places.map((place, index) => this.#segment(place, index, min, max)));
  }

  /**
   * @param {Place} place
   * @param {number} index
   * @param {number} min
   * @param {number} max
   */
  #segment(place, index, min, max) {
    const part = (/** @type {number} */ time) => Math.min(1, Math.max(0, (time - min) / (max - min)));
    const [from, until] = [part(place.from), part(place.until ?? max)];
    const span = `${clockTime(place.from)} to ${place.until === null ? "now" : clockTime(place.until)}`;
    const link = element(
      "a",
      { href: nodeHash(place.node), title: `${place.node}, ${span}` },
      element("bdi", { text: place.node }),
      element("span", { class: "visually-hidden", text: `, ${span}` }),
    );
    const item = element("li", { class: index % 2 ? "place odd" : "place" }, link);
    item.style.left = `${from * 100}%`;
    item.style.width = `${(until - from) * 100}%`;
    item.hidden = until <= from;
    return item;
  }
}
