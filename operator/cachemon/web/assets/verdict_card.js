/**
 * A verdict with what it rests on: evidence, figures, and the last half hour of both VMs.
 *
 * @typedef {import("./main.js").App} App
 * @typedef {import("./state.js").Verdict} Verdict
 * @typedef {{occupancyMebibytes: (number | null)[], trafficMebibytesPerSecond: (number | null)[]}} Part
 * @typedef {{until: number | null, victim: Part | null, suspect: Part | null}} Series
 */

import { clockTime } from "./charts.js";
import { element, setText } from "./dom.js";
import { counted, formatBytes, formatRate, NO_VALUE } from "./format.js";
import { vmHash } from "./router.js";
import { lineSample, lineWords, smallChart, SUSPECT_DASH } from "./small_chart.js";
import { spanWords } from "./time_words.js";
import { isOpen, levelWords, takes, verdictKey } from "./verdicts.js";

const MEBIBYTE = 2 ** 20;
/** @type {Record<string, string>} */
const OUTCOMES = {
  Verified: "Verified: the other stopped, and the VM recovered.",
  Withdrawn: "Withdrawn: the VM did not recover with the other, or recovered without it.",
  Ended: "Ended: the VM left or changed, so nothing could be checked.",
};

/** The verdicts of a node or a VM. A card is made anew only when its verdict is another one. */
export class VerdictCards {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    this.root = element("section", { class: "verdicts", "aria-label": "Verdicts" });
    /** @type {Map<string, {verdict: Verdict, card: HTMLElement}>} */
    this.cards = new Map();
  }

  /** @param {Verdict[]} verdicts in the order to show */
  show(verdicts) {
    const wanted = new Map(verdicts.map((verdict) => [cardKey(verdict), verdict]));
    for (const [key, { verdict, card }] of this.cards) {
      if (wanted.get(key) === verdict) continue;
      card.remove();
      this.cards.delete(key);
    }
    [...wanted].forEach(([key, verdict], place) => {
      const made = this.cards.get(key) ?? { verdict, card: verdictCard(this.app, verdict) };
      this.cards.set(key, made);
      if (this.root.children[place] !== made.card) this.root.insertBefore(made.card, this.root.children[place] ?? null);
      const span = made.card.querySelector(".verdict-span");
      if (span) setText(span, spanWords(verdict.since, verdict.until, this.app.now()));
    });
    this.root.hidden = !wanted.size;
  }
}

/** @param {Verdict} verdict */
function cardKey(verdict) {
  return `${verdictKey(verdict)} ${verdict.outcome}`;
}

/**
 * @param {App} app
 * @param {Verdict} verdict
 */
function verdictCard(app, verdict) {
  const card = element(
    "article",
    { class: `card verdict-card level-${verdict.level}${isOpen(verdict) ? "" : " is-over"}` },
    heading(app, verdict),
    element("p", { class: "evidence", text: `${verdict.evidence}.` }),
    facts(verdict),
  );
  if (verdict.outcome)
    card.append(element("p", { class: "outcome", text: OUTCOMES[verdict.outcome] ?? verdict.outcome }));
  const series = /** @type {Series | null} */ (verdict.series);
  card.append(
    series
      ? charts(app, verdict, series)
      : element("p", { class: "soft", text: "The agent sent no half hour of figures with it." }),
  );
  return card;
}

/**
 * @param {App} app
 * @param {Verdict} verdict
 */
function heading(app, verdict) {
  const badge = element("span", { class: `badge level-${verdict.level}`, text: levelWords(verdict.level) });
  const end = isOpen(verdict) ? [] : [element("span", { class: "badge over", text: verdict.outcome })];
  return element(
    "h2",
    { class: "verdict-heading" },
    badge,
    ...end,
    vmName(app, verdict.suspect, verdict.neighbour || "something unmonitored"),
    ` ${takes(verdict)} of `,
    vmName(app, verdict.victim, verdict.victim),
  );
}

/**
 * @param {App} app
 * @param {string} vm its name; empty where it has none
 * @param {string} label
 */
function vmName(app, vm, label) {
  if (!vm || !app.state.vms.has(vm)) return element("bdi", { text: label });
  return element("a", { href: vmHash(vm) }, element("bdi", { text: label }));
}

/** @param {Verdict} verdict */
function facts(verdict) {
  const { slowdownPercent: slower, sharePercent: share, bytesLost: lost } = verdict;
  const list = element("dl", { class: "verdict-facts" });
  const add = (/** @type {string} */ name, /** @type {string} */ value) =>
    list.append(element("div", {}, element("dt", { text: name }), element("dd", { text: value })));
  add("Slower by", slower == null ? "not measured" : `${slower} %`);
  add("Share of the new traffic", share == null ? NO_VALUE : `${share} %`);
  add("Cache lost", lost == null ? "none" : formatBytes(lost));
  add("Where", verdict.block == null ? verdict.node : `${verdict.node}, cache block ${verdict.block}`);
  list.append(
    element(
      "div",
      {},
      element("dt", { text: isOpen(verdict) ? "Open" : "From, to" }),
      element("dd", { class: "verdict-span" }),
    ),
  );
  return list;
}

/**
 * @param {App} app
 * @param {Verdict} verdict
 * @param {Series} series
 */
function charts(app, verdict, series) {
  const parties = [
    { name: verdict.victim, part: "victim", its: series.victim },
    { name: verdict.suspect || verdict.neighbour || "the other", part: "suspect", its: series.suspect },
  ].filter((it) => it.its);
  const lines = (/** @type {keyof Part} */ field) =>
    parties.map((it) => ({
      name: it.name,
      part: it.part,
      paint: app.palette.of(it.name).className,
      values: it.its?.[field] ?? [],
    }));
  return element(
    "div",
    { class: "evidence-charts" },
    chart("Cache", lines("occupancyMebibytes"), (value) => formatBytes(value * MEBIBYTE), verdict, series.until),
    chart(
      "Traffic",
      lines("trafficMebibytesPerSecond"),
      (value) => `${formatRate(value * MEBIBYTE)}B/s`,
      verdict,
      series.until,
    ),
  );
}

/**
 * @param {string} label
 * @param {import("./small_chart.js").SmallLine[]} lines
 * @param {(value: number) => string} format
 * @param {Verdict} verdict
 * @param {number | null} until end of the last minute
 */
function chart(label, lines, format, verdict, until) {
  const minutes = Math.max(0, ...lines.map((line) => line.values.length));
  const first = until === null ? null : until - minutes * 60;
  const since = first === null || verdict.since === null ? null : (verdict.since - first) / 60;
  const marked = since !== null && since >= 0 && since <= minutes ? Math.min(since, minutes - 1) : null;
  const legend = lines.map((line) =>
    element(
      "li",
      {},
      lineSample(line.part === "suspect" ? SUSPECT_DASH : undefined, line.paint.split(" ")[0]),
      element("bdi", { text: lineWords(line, format) }),
    ),
  );
  const caption = element(
    "figcaption",
    {},
    `${label}, ${counted(minutes, "minute")} to ${until === null ? "an unknown time" : clockTime(until, false)}`,
  );
  return element(
    "figure",
    { class: "evidence-chart" },
    caption,
    smallChart(lines, { label, format, minutes, marked }),
    element("ul", { class: "line-legend" }, ...legend),
  );
}
