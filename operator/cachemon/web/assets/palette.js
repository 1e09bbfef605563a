/**
 * Colours of VMs. A VM keeps its colour for as long as the page is open, on whatever node it runs.
 *
 * A slot is a colour and a pattern. The hash of a VM's name chooses the first slot to try; a slot that another VM of
 * the node has is left out. So the VMs of a node differ while there are no more than SLOTS of them.
 */

/** Number of colours; style.css defines `--vm-0` and `--vm-0-ink` and so on for both themes. */
export const COLOURS = 9;
/** Number of patterns; the first one is plain. */
export const PATTERNS = 3;
const SLOTS = COLOURS * PATTERNS;

/**
 * @typedef {{slot: number, colour: number, pattern: number, className: string}} Paint
 * `className` gives an element background, pattern and text colour.
 */

/**
 * A hash that is the same in every browser (FNV-1a, 32 bits).
 * @param {string} text
 */
function hashOf(text) {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}

/**
 * @param {string} vm
 * @param {Set<number>} taken slots of the other VMs of the node
 */
function chooseSlot(vm, taken) {
  const first = hashOf(vm);
  for (let pattern = 0; pattern < PATTERNS; pattern++) {
    for (let step = 0; step < COLOURS; step++) {
      const slot = pattern * COLOURS + ((first + step) % COLOURS);
      if (!taken.has(slot)) return slot;
    }
  }
  return first % SLOTS;
}

export class Palette {
  /** @type {Map<string, number>} */
  #slots = new Map();
  /** @type {Map<string, string>} */
  #resolved = new Map();

  /**
   * Give colours to VMs that have none yet, those with the first names first.
   * @param {Pick<import("./state.js").State, "nodes" | "vms">} state
   */
  learn(state) {
    if (!this.#hasUnknown(state)) return;
    const places = placesOf(state);
    const fresh = [...places.keys()].filter((vm) => !this.#slots.has(vm)).sort();
    const taken = this.#takenByNode(places);
    for (const vm of fresh) {
      const node = /** @type {string} */ (places.get(vm));
      const slots = taken.get(node) ?? new Set();
      const slot = chooseSlot(vm, slots);
      this.#slots.set(vm, slot);
      taken.set(node, slots.add(slot));
    }
  }

  /**
   * @param {string} vm `NAMESPACE/NAME`
   * @returns {Paint}
   */
  of(vm) {
    const slot = this.#slots.get(vm) ?? hashOf(vm) % COLOURS;
    const colour = slot % COLOURS;
    const pattern = Math.floor(slot / COLOURS);
    return { slot, colour, pattern, className: `vm-${colour} pattern-${pattern}` };
  }

  /**
   * The colour as `rgb(...)`, for a canvas, in the theme that shows now.
   * @param {string} vm
   * @param {"fill" | "ink"} [part] ink is the colour of text on the fill
   */
  resolved(vm, part = "fill") {
    return this.variable(`--vm-${this.of(vm).colour}${part === "ink" ? "-ink" : ""}`);
  }

  /**
   * A colour variable of style.css as `rgb(...)`, for a canvas, in the theme that shows now.
   * @param {string} name such as `--text`
   */
  variable(name) {
    const known = this.#resolved.get(name);
    if (known) return known;
    const probe = document.createElement("span");
    probe.hidden = true;
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    const colour = getComputedStyle(probe).color;
    probe.remove();
    this.#resolved.set(name, colour);
    return colour;
  }

  /** Forget the resolved colours: the theme changed. */
  themeChanged() {
    this.#resolved.clear();
  }

  /** @param {Pick<import("./state.js").State, "nodes" | "vms">} state */
  #hasUnknown(state) {
    for (const vm of state.vms.keys()) if (!this.#slots.has(vm)) return true;
    for (const { blocks } of state.nodes.values()) {
      for (const { holders } of blocks) {
        for (const [vm] of holders) if (!this.#slots.has(vm)) return true;
      }
    }
    return false;
  }

  /** @param {Map<string, string>} places */
  #takenByNode(places) {
    /** @type {Map<string, Set<number>>} */
    const taken = new Map();
    for (const [vm, node] of places) {
      const slot = this.#slots.get(vm);
      if (slot === undefined) continue;
      const slots = taken.get(node) ?? new Set();
      taken.set(node, slots.add(slot));
    }
    return taken;
  }
}

/**
 * The node of every VM that has a name anywhere.
 * @param {Pick<import("./state.js").State, "nodes" | "vms">} state
 */
function placesOf(state) {
  /** @type {Map<string, string>} */
  const places = new Map();
  for (const [name, node] of state.nodes) {
    for (const block of node.blocks) {
      for (const [vm] of block.holders) places.set(vm, name);
    }
  }
  for (const [vm, { node }] of state.vms) {
    if (node || !places.has(vm)) places.set(vm, node);
  }
  return places;
}
