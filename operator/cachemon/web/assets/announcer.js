/** What a screen reader says by itself: new verdicts, and a server that stops answering. Never each refresh. */

import { counted } from "./format.js";
import { openVerdicts, verdictKey, verdictSentence } from "./verdicts.js";

export class Announcer {
  /** @type {HTMLElement} */
  #region;
  /** @type {Set<string> | null} null until the first state: what holds then is not new */
  #known = null;

  /** @param {HTMLElement} region an element with role="status" */
  constructor(region) {
    this.#region = region;
  }

  /** @param {string} text */
  say(text) {
    this.#region.textContent = text;
  }

  /**
   * Say which verdicts are new.
   * @param {import("./state.js").State} state
   */
  update(state) {
    const verdicts = openVerdicts(state);
    const fresh = verdicts.filter((verdict) => !this.#known?.has(verdictKey(verdict)));
    const isFirst = this.#known === null;
    this.#known = new Set(verdicts.map(verdictKey));
    if (isFirst || !fresh.length) return;
    const more = fresh.length > 1 ? `${counted(fresh.length, "new verdict")}. The worst: ` : "New verdict: ";
    this.say(`${more}${verdictSentence(fresh[0])}.`);
  }
}
