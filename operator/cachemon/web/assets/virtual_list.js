/** A long list of which only the visible rows are in the document. Rows keep their element for as long as they show. */

/** Pixels above and below the window in which rows are kept ready. */
const READY_PIXELS = 500;

/**
 * What a list shows.
 * @template T
 * @typedef {{keyOf(item: T): string, heightOf(item: T): number, create(item: T): HTMLElement,
 *   update(row: HTMLElement, item: T): void}} Rows
 */

/** @template T */
export class VirtualList {
  /** @type {HTMLElement} */ #root;
  /** @type {Rows<T>} */ #rows;
  /** @type {T[]} */ #items = [];
  /** @type {number[]} */ #tops = [0];
  /** @type {Map<string, HTMLElement>} */ #shown = new Map();
  /** @type {Map<string, number>} */ #places = new Map();
  #columns = 1;
  /** Key of a row that stays in the document, wherever it is: Tab reaches it. */
  keep = "";
  #frame = 0;
  #onScroll = () => {
    this.#frame ||= requestAnimationFrame(() => this.draw());
  };

  /**
   * @param {HTMLElement} root the list; the window scrolls it
   * @param {Rows<T>} rows
   */
  constructor(root, rows) {
    this.#root = root;
    this.#rows = rows;
    addEventListener("scroll", this.#onScroll, { passive: true });
  }

  close() {
    removeEventListener("scroll", this.#onScroll);
    cancelAnimationFrame(this.#frame);
  }

  get items() {
    return this.#items;
  }

  /**
   * Replace what the list shows.
   * @param {T[]} items in their order
   * @param {number} columns rows side by side
   */
  show(items, columns) {
    const before = this.#visibleTops();
    this.#items = items;
    this.#columns = columns;
    this.#places = new Map(items.map((item, place) => [this.#rows.keyOf(item), place]));
    this.#tops = [0];
    for (let first = 0; first < items.length; first += columns) {
      const heights = items.slice(first, first + columns).map((item) => this.#rows.heightOf(item));
      this.#tops.push(this.#tops[this.#tops.length - 1] + Math.max(...heights));
    }
    this.#holdStill(before);
    this.draw();
  }

  /** Where the rows are that the reader sees, once the beginning of the list is out of the window. */
  #visibleTops() {
    const top = scrollY - this.#offset();
    if (top <= 0) return [];
    const first = this.#lineAt(top) * this.#columns;
    const last = (this.#lineAt(top + innerHeight) + 1) * this.#columns;
    return this.#items.slice(first, last).map((item) => {
      const key = this.#rows.keyOf(item);
      return { key, top: this.#topOf(key) };
    });
  }

  /** @param {string} key */
  #topOf(key) {
    return this.#tops[Math.floor((this.#places.get(key) ?? 0) / this.#columns)];
  }

  /**
   * Scroll so that most of what the reader sees stays where it is: rows above came, went or moved.
   * @param {{key: string, top: number}[]} before
   */
  #holdStill(before) {
    const moved = before
      .filter(({ key }) => this.#places.has(key))
      .map(({ key, top }) => this.#topOf(key) - top)
      .sort((one, other) => one - other);
    const by = moved[Math.floor(moved.length / 2)] ?? 0;
    if (!by) return;
    this.#root.style.height = `${this.#tops[this.#tops.length - 1]}px`;
    scrollBy({ top: by, behavior: "instant" });
  }

  /** @param {string} key */
  placeOf(key) {
    return this.#places.get(key);
  }

  /**
   * The row of an item; it comes into view.
   * @param {number} place
   * @returns {HTMLElement | undefined}
   */
  reveal(place) {
    const line = Math.floor(place / this.#columns);
    const start = this.#offset() + this.#tops[line];
    const end = this.#offset() + this.#tops[line + 1];
    const covered = this.#covered();
    if (start < scrollY + covered) scrollTo({ top: start - covered, behavior: "instant" });
    else if (end > scrollY + innerHeight) scrollTo({ top: end - innerHeight, behavior: "instant" });
    this.draw();
    return this.#shown.get(this.#rows.keyOf(this.#items[place]));
  }

  /** Scroll to the first row, if it is out of the window: what the list shows is chosen anew. */
  toStart() {
    const start = this.#offset() - this.#covered();
    if (scrollY > start) scrollTo({ top: start, behavior: "instant" });
  }

  /** Put the rows in place that show now. */
  draw() {
    this.#frame = 0;
    const top = scrollY - this.#offset();
    const first = this.#lineAt(top - READY_PIXELS) * this.#columns;
    const last = (this.#lineAt(top + innerHeight + READY_PIXELS) + 1) * this.#columns;
    const wanted = this.#items.slice(first, last).map((_, index) => first + index);
    const kept = this.#places.get(this.keep);
    if (kept !== undefined && kept < first) wanted.unshift(kept);
    if (kept !== undefined && kept >= last) wanted.push(kept);
    this.#root.style.height = `${this.#tops[this.#tops.length - 1]}px`;
    this.#place(wanted);
  }

  /** @param {number[]} wanted places, in their order */
  #place(wanted) {
    const keys = new Set(wanted.map((place) => this.#rows.keyOf(this.#items[place])));
    const focused = document.activeElement;
    for (const [key, row] of this.#shown) {
      if (keys.has(key)) continue;
      row.remove();
      this.#shown.delete(key);
    }
    wanted.forEach((place, index) => {
      const row = this.#rowOf(this.#items[place]);
      this.#move(row, place);
      const before = this.#root.children[index];
      if (before !== row) this.#root.insertBefore(row, before ?? null);
    });
    if (focused instanceof HTMLElement && focused !== document.activeElement && focused.isConnected) {
      focused.focus({ preventScroll: true });
    }
  }

  /** @param {T} item */
  #rowOf(item) {
    const key = this.#rows.keyOf(item);
    let row = this.#shown.get(key);
    if (!row) {
      row = this.#rows.create(item);
      row.dataset.key = key;
      this.#shown.set(key, row);
    }
    this.#rows.update(row, item);
    return row;
  }

  /**
   * @param {HTMLElement} row
   * @param {number} place
   */
  #move(row, place) {
    const line = Math.floor(place / this.#columns);
    const height = this.#tops[line + 1] - this.#tops[line];
    const left = (place % this.#columns) * 100;
    row.style.width = `${100 / this.#columns}%`;
    row.style.height = `${height}px`;
    row.style.transform = `translate(${left}%, ${this.#tops[line]}px)`;
    row.setAttribute("aria-posinset", String(place + 1));
    row.setAttribute("aria-setsize", String(this.#items.length));
  }

  /** @param {number} top pixels from the list's beginning */
  #lineAt(top) {
    let low = 0;
    let high = Math.max(0, this.#tops.length - 2);
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.#tops[middle] <= top) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #offset() {
    return this.#root.getBoundingClientRect().top + scrollY;
  }

  /** Pixels of the window that a bar above the list covers. */
  #covered() {
    const bar = this.#root.parentElement?.querySelector(".tools");
    return bar && getComputedStyle(bar).position === "sticky" ? bar.getBoundingClientRect().height : 0;
  }
}
