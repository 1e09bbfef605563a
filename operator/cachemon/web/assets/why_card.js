/**
 * What `why` says about a VM, and the commands to type next.
 *
 * @typedef {import("./main.js").App} App
 */

import { element, setText } from "./dom.js";

const COPIED_MILLISECONDS = 2000;

export class WhyCard {
  /**
   * @param {App} app
   * @param {string} vm
   */
  constructor(app, vm) {
    this.app = app;
    this.path = `why.json?vm=${vm.split("/").map(encodeURIComponent).join("/")}`;
    this.text = element("pre", { class: "why-text", tabindex: 0, "aria-label": "Why" });
    this.commands = element("ul", { class: "commands", "aria-label": "Commands to type next" });
    this.copied = element("span", { class: "visually-hidden", role: "status" });
    this.root = element(
      "section",
      { class: "card why", "aria-label": "Why" },
      element("h2", { text: "Why, and what to do" }),
      this.text,
      this.commands,
      this.copied,
    );
    this.about = "";
    this.isClosed = false;
    this.root.hidden = true;
  }

  /** @param {string} about what the text is about; it is asked for again when that is other than before */
  render(about) {
    if (!about || about === this.about) return;
    this.about = about;
    this.#ask();
  }

  close() {
    this.isClosed = true;
  }

  async #ask() {
    try {
      /** @type {{text: string, commands: string[]}} */
      const { text, commands } = await this.app.fetchJson(this.path);
      if (this.isClosed) return;
      setText(this.text, text.trimEnd());
      this.commands.replaceChildren(...commands.map((command) => this.#command(command)));
      this.commands.hidden = !commands.length;
      this.root.hidden = false;
    } catch {
      this.about = ""; // asked for again at the next change
    }
  }

  /** @param {string} command */
  #command(command) {
    const button = element(
      "button",
      { type: "button", class: "button copy", "aria-label": `Copy: ${command}` },
      "Copy",
    );
    button.addEventListener("click", () => this.#copy(button, command));
    return element("li", {}, element("code", { text: command }), button);
  }

  /**
   * @param {HTMLElement} button
   * @param {string} command
   */
  async #copy(button, command) {
    try {
      await navigator.clipboard.writeText(command);
      setText(button, "Copied");
      setText(this.copied, "Copied.");
    } catch {
      setText(button, "Select it by hand");
      setText(this.copied, "The browser does not let this page copy.");
    }
    setTimeout(() => setText(button, "Copy"), COPIED_MILLISECONDS);
  }
}
