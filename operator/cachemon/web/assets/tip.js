/** A small box that says more about what the pointer is on, or the focus. Screen readers have the same as names. */

import { element } from "./dom.js";

const GAP_PIXELS = 10;

export class Tip {
  /** @type {HTMLElement} */ #box = element("div", { class: "tip", "aria-hidden": "true", hidden: true });
  /** @type {WeakMap<Element, () => [string, ...string[]]>} */ #texts = new WeakMap();
  /** @type {Element | null} */ #owner = null;

  /** @param {HTMLElement} root within which it shows */
  constructor(root) {
    root.append(this.#box);
    for (const name of ["pointerover", "focusin"]) {
      root.addEventListener(name, (event) => this.#show(ownerOf(event.target)));
    }
    for (const name of ["pointerleave", "focusout"]) root.addEventListener(name, () => this.#show(null));
    root.addEventListener("keydown", (event) => event.key === "Escape" && this.#show(null));
    addEventListener("scroll", () => this.#show(null), { passive: true, signal: this.#closing.signal });
  }

  #closing = new AbortController();

  close() {
    this.#closing.abort();
  }

  /**
   * Give an element its tip.
   * @param {Element} owner
   * @param {() => [string, ...string[]]} lines the first one is the headline
   */
  describe(owner, lines) {
    owner.setAttribute("data-tip", "");
    this.#texts.set(owner, lines);
    if (owner === this.#owner) this.#fill(lines());
  }

  /** @param {[string, ...string[]]} lines */
  #fill([headline, ...more]) {
    const head = element("b", {}, element("bdi", { text: headline }));
    this.#box.replaceChildren(head, ...more.map((text) => element("div", { text })));
  }

  /** @param {Element | null} owner */
  #show(owner) {
    if (owner === this.#owner) return;
    this.#owner = owner;
    const lines = owner && this.#texts.get(owner)?.();
    this.#box.hidden = !lines;
    if (!owner || !lines) return;
    this.#fill(lines);
    const place = owner.getBoundingClientRect();
    const own = this.#box.getBoundingClientRect();
    const left = Math.min(Math.max(8, place.left), innerWidth - own.width - 8);
    const fitsBelow = place.bottom + GAP_PIXELS + own.height < innerHeight;
    const top = fitsBelow ? place.bottom + GAP_PIXELS : Math.max(8, place.top - GAP_PIXELS - own.height);
    this.#box.style.transform = `translate(${left}px, ${top}px)`;
  }
}

/** @param {EventTarget | null} target */
function ownerOf(target) {
  return target instanceof Element ? target.closest("[data-tip]") : null;
}
