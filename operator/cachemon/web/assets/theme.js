/** Light or dark: as the system has it, until the reader chooses. The choice is kept by the browser. */

import { setAttribute } from "./dom.js";

const KEY = "cachemon-theme";
/** @type {Record<string, string>} */
const NEXT = { system: "light", light: "dark", dark: "system" };

/**
 * Let a button switch between the themes.
 * @param {HTMLElement} button
 * @param {() => void} changed called whenever other colours show
 */
export function startTheme(button, changed) {
  let theme = remembered();
  const show = () => {
    const root = document.documentElement;
    if (theme === "system") root.removeAttribute("data-theme");
    else root.setAttribute("data-theme", theme);
    setAttribute(button, "data-theme-choice", theme);
    setAttribute(button, "aria-label", `Theme: ${theme}. Switch to ${NEXT[theme]}`);
    setAttribute(button, "title", `Theme: ${theme}`);
    changed();
  };
  button.addEventListener("click", () => {
    theme = NEXT[theme];
    remember(theme);
    show();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
  show();
}

function remembered() {
  try {
    const found = localStorage.getItem(KEY) ?? "";
    return found in NEXT ? found : "system";
  } catch {
    return "system";
  }
}

/** @param {string} theme */
function remember(theme) {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // Storage is off: the choice holds until the page is closed.
  }
}
