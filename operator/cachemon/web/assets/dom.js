/** Elements without markup in strings: what tenants choose stays text. */

/**
 * Create an element. `text` becomes its text, every other property an attribute.
 * @param {string} tag
 * @param {Record<string, string | number | boolean | undefined>} [properties] undefined and false are left out
 * @param {...(Node | string)} children
 * @returns {HTMLElement}
 */
export function element(tag, properties = {}, ...children) {
  const created = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === false) continue;
    if (name === "text") created.textContent = String(value);
    else created.setAttribute(name, value === true ? "" : String(value));
  }
  created.append(...children);
  return created;
}

/**
 * Set a text only if it differs: an unchanged one costs no layout.
 * @param {Element} target
 * @param {string} text
 */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/**
 * @param {Element} target
 * @param {string} name
 * @param {string} value
 */
export function setAttribute(target, name, value) {
  if (target.getAttribute(name) !== value) target.setAttribute(name, value);
}

/**
 * The element with an id; the page has it, or is broken.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element #${id}`);
  return found;
}
