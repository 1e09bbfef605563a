// What Grafana's own code makes of a panel and its data: texts, colours by name, and where links lead.
//
// Reads [{panel, frames}] in JSON from standard input. Writes a list of shown values for each: {title, text, color}, and
// for each row of a table {column: {text, color, links}}. NODE_PATH names the folder with @grafana/data.
"use strict";

const grafana = require("@grafana/data");

// What Grafana's code expects of a browser. While modules load, `window` would make them look for a document.
globalThis.window = {};
globalThis.navigator ??= { language: "en", languages: ["en"] };

const theme = grafana.createTheme({ colors: { mode: "dark" } });
const hex = grafana.colorManipulator.asHexString;
const NAMES = new Map(["green", "orange", "red", "text", "blue"].map((it) => [hex(theme.visualization.getColorByName(it)), it]));

// The properties of values that @grafana/ui registers in a browser.
const registry = new grafana.FieldConfigOptionsRegistry(() =>
  Object.entries({
    unit: grafana.unitOverrideProcessor,
    min: grafana.numberOverrideProcessor,
    max: grafana.numberOverrideProcessor,
    decimals: grafana.numberOverrideProcessor,
    displayName: grafana.displayNameOverrideProcessor,
    mappings: grafana.valueMappingsOverrideProcessor,
    thresholds: grafana.thresholdsOverrideProcessor,
    links: grafana.dataLinksOverrideProcessor,
    noValue: grafana.stringOverrideProcessor,
    color: grafana.identityOverrideProcessor,
  }).map(([id, process]) => ({ id, path: id, name: id, process, shouldApply: () => true, settings: {} })),
);
const transformers = [grafana.standardTransformers.mergeTransformer, grafana.standardTransformers.organizeFieldsTransformer];
grafana.standardTransformersRegistry.setInit(() =>
  transformers.map((it) => ({ id: it.id, name: it.name, transformation: async () => it })),
);

/** Macros of links, as @grafana/scenes replaces them; variables of the dashboard stay as they are. */
function replaceVariables(text, scoped) {
  const context = scoped?.__dataContext?.value;
  return text
    .replace(/\$\{__data\.fields\.(\w+)\}/g, (_, name) =>
      String(grafana.getFieldDisplayValuesProxy({ frame: context.frame, rowIndex: context.rowIndex })[name] ?? ""),
    )
    .replace(/\$\{__field\.labels\.(\w+)\}/g, (_, name) => context.field.labels?.[name] ?? "");
}

async function transformed(panel, frames) {
  const made = grafana.transformDataFrame(panel.transformations ?? [], frames);
  return new Promise((resolve, reject) => made.subscribe({ next: resolve, error: reject }));
}

const named = (color) => NAMES.get(hex(color)) ?? color;
const shown = (display) => ({ text: grafana.formattedValueToString(display), color: named(display.color) });
const links = (field, row) => (field.getLinks?.({ valueRowIndex: row }) ?? []).map((link) => link.href);

function rows(frame) {
  return Array.from({ length: frame.length }, (_, row) =>
    Object.fromEntries(
      frame.fields.map((field) => [
        grafana.getFieldDisplayName(field, frame),
        { ...shown(field.display(field.values[row])), links: links(field, row) },
      ]),
    ),
  );
}

async function show({ panel, frames }) {
  const { fieldConfig } = panel;
  const data = grafana.applyFieldOverrides({
    data: await transformed(panel, frames.map(grafana.toDataFrame)),
    fieldConfig,
    fieldConfigRegistry: registry,
    replaceVariables,
    theme,
  });
  if (panel.type === "table") {
    return data.flatMap(rows);
  }
  if (panel.type === "stat" || panel.type === "bargauge") {
    const { reduceOptions } = panel.options;
    const values = grafana.getFieldDisplayValues({ data, fieldConfig, reduceOptions, replaceVariables, theme });
    return values.map(({ display }) => ({ title: display.title, ...shown(display) }));
  }
  return data.flatMap((frame) =>
    frame.fields
      .filter((field) => field.type === grafana.FieldType.number)
      .flatMap((field) =>
        field.values.map((value, row) => ({
          title: grafana.getFieldDisplayName(field, frame, data),
          ...shown(field.display(value)),
          links: links(field, row),
        })),
      ),
  );
}

/** JSON has no NaN, which Prometheus answers where nothing is divided by nothing. */
const withNaN = (_, value) => (value === "NaN" ? NaN : value);

async function main() {
  const chunks = [];
  for await (const chunk of process.stdin) {
    chunks.push(chunk);
  }
  const results = await Promise.all(JSON.parse(Buffer.concat(chunks).toString(), withNaN).map(show));
  process.stdout.write(JSON.stringify(results));
}

main();
