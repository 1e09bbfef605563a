/**
 * The head of a view: name, state, and some facts.
 *
 * @typedef {{name: string, text: string, aside?: string, href?: string, isLate?: boolean}} Fact
 * @typedef {{word: string, reason: string, message: string}} Ready
 */

import { element, setAttribute, setText } from "./dom.js";
import { reasonInWords } from "./format.js";

/** @type {Record<string, string>} */
const WORDS = { True: "Ready", False: "Not ready", Unknown: "Unknown" };

export class FactList {
  /** @param {string} title */
  constructor(title) {
    this.badge = element("span", { class: "ready" });
    this.reason = element("p", { class: "ready-reason" });
    this.list = element("dl", { class: "facts" });
    this.remarks = element("p", { class: "soft", role: "status" });
    this.root = element(
      "header",
      { class: "view-head" },
      element("div", { class: "view-title" }, element("h1", {}, element("bdi", { text: title })), this.badge),
      this.reason,
      this.list,
      this.remarks,
    );
    /** @type {Map<string, HTMLElement>} */
    this.facts = new Map();
  }

  /**
   * @param {Fact[]} facts
   * @param {Ready} ready
   */
  show(facts, ready) {
    setText(this.badge, WORDS[ready.word] ?? ready.word);
    setAttribute(this.badge, "data-ready", ready.word);
    setText(this.reason, [ready.reason, ready.message].filter(Boolean).join(": "));
    this.reason.hidden = !ready.reason && !ready.message;
    for (const fact of facts) this.#showFact(fact);
  }

  /** @param {string} text empty for none */
  remark(text) {
    setText(this.remarks, text);
    this.remarks.hidden = !text;
  }

  /** @param {Fact} fact */
  #showFact(fact) {
    let shown = this.facts.get(fact.name);
    if (!shown) {
      shown = element(
        "div",
        {},
        element("dt", { text: fact.name }),
        element(
          "dd",
          {},
          element(fact.href ? "a" : "span", { class: "fact-text" }),
          element("span", { class: "aside" }),
        ),
      );
      this.facts.set(fact.name, shown);
      this.list.append(shown);
    }
    const text = /** @type {Element} */ (shown.querySelector(".fact-text"));
    setText(text, fact.text);
    if (fact.href) setAttribute(text, "href", fact.href);
    text.classList.toggle("late", Boolean(fact.isLate));
    setText(/** @type {Element} */ (shown.querySelector(".aside")), fact.aside ?? "");
  }
}

/**
 * @param {{ready: string, reason: string, message: string}} of a node or a VM
 * @returns {Ready}
 */
export function readyWords({ ready, reason, message }) {
  if (ready === "True") return { word: ready, reason: "", message: "" };
  return { word: ready, reason: reason ? reasonInWords(reason) : "", message };
}
