"""Calls the modules of the page in the browser that runs them."""

from typing import Any

from tests.web.browser import Tab


def run(tab: Tab, code: str, argument: Any = None) -> Any:
    """What a function body returns; `timeline`, `stack` and `snapshots` are the modules, `given` the argument."""
    modules = ("timeline", "stack", "snapshots", "small_chart", "charts")
    loads = "; ".join(f'const {name} = await import(new URL("{name}.js", document.baseURI))' for name in modules)
    return tab.page.evaluate(f"async (given) => {{ {loads}; {code} }}", argument)


BUILD = """
const rows = new timeline.Timeline(given.most ?? 5000);
for (const [time, figures, longest] of given.rows) {
  const cells = Object.entries(figures).map(([name, value]) => [name, { value, reason: "Why" }]);
  rows.append(time, new Map(cells), longest ?? undefined);
}
"""
