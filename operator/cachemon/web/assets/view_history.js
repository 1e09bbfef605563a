/**
 * Keeps the timeline and the markers of a view: history from the server once, then what the state adds.
 *
 * @typedef {import("./main.js").App} App
 * @typedef {import("./snapshots.js").Snapshot} Snapshot
 * @typedef {import("./snapshots.js").History} History
 * @typedef {import("./marker_paint.js").Marker} Marker
 */

import { extend, loadHistory, mergeMarkers } from "./snapshots.js";
import { originWords } from "./time_words.js";
import { Timeline } from "./timeline.js";

/** Seconds of history that a view asks for at first, and again when something happened that may have a marker. */
const WHOLE_SECONDS = 4 * 3600;
const RECENT_SECONDS = 600;

export class ViewHistory {
  /**
   * @param {App} app
   * @param {string} subject `node=NAME` or `vm=NAMESPACE/NAME`, ready for an address
   * @param {{leaves: string[], isHere: (vm: string) => boolean}} stay see `loadHistory`
   */
  constructor(app, subject, stay) {
    this.app = app;
    this.subject = subject;
    this.stay = stay;
    this.timeline = new Timeline();
    /** @type {Marker[]} */
    this.markers = [];
    /** @type {unknown[]} */
    this.sources = [];
    this.events = "";
    /** Why there is no history, or a remark about it; empty when all is well. */
    this.remark = "";
    this.isLoaded = false;
    this.isClosed = false;
    this.#fetch(WHOLE_SECONDS);
  }

  /**
   * Takes a snapshot of the state.
   * @param {Snapshot} snapshot
   * @param {string} events names all that a marker may be about; when it changes, markers are asked for again
   * @returns {boolean} whether there is something new to draw
   */
  take(snapshot, events) {
    const { sources } = snapshot;
    const isSame = sources.length === this.sources.length && sources.every((it, place) => it === this.sources[place]);
    if (isSame) return false;
    this.sources = sources;
    extend(this.timeline, snapshot, this.app.state.now);
    if (this.events && events !== this.events) this.#fetch(RECENT_SECONDS);
    this.events = events;
    return true;
  }

  /** What was drawn with another version is out of date. */
  get version() {
    return `${this.timeline.version} ${this.markers.length} ${this.markers[this.markers.length - 1]?.time ?? 0}`;
  }

  close() {
    this.isClosed = true;
  }

  /** @param {History} history */
  #load(history) {
    loadHistory(this.timeline, history, this.stay.leaves, this.stay.isHere);
    this.isLoaded = true;
  }

  /** @param {number} seconds */
  async #fetch(seconds) {
    try {
      /** @type {History} */
      const history = await this.app.fetchJson(`history.json?${this.subject}&seconds=${seconds}`);
      if (this.isClosed) return;
      if (seconds === WHOLE_SECONDS) this.#load(history);
      this.markers = mergeMarkers(this.markers, history.markers);
      this.remark = [...originWords(history.parts ?? []), ...(history.remarks ?? [])].join(" ");
    } catch (error) {
      const why = error instanceof Error ? error.message : error;
      this.remark = `There is no history from before this view was opened: ${why}`;
    }
  }
}
