"""The reference page of the dashboards, made of what their panels say of themselves."""

from collections.abc import Iterator

from grafana_foundation_sdk.models import dashboard as model

from tools.dashboards import fleet, hosts, node, vm
from tools.markdown_pages import MADE, table


def dashboards() -> tuple[model.Dashboard, ...]:
    """All of them."""
    return fleet.dashboard(), node.dashboard(), vm.dashboard(), hosts.dashboard()


def dashboards_page() -> str:
    """Every panel."""
    lines = [
        "# Dashboards\n",
        MADE,
        "[Dashboards](../dashboard.md) shows how to import them, and what colours mean.\n",
    ]
    for board in dashboards():
        lines += [f"## {board.title}\n", f"`{board.uid}`: {board.description}\n"]
        lines += [*table(("panel", "what it shows"), _rows(board)), ""]
    return "\n".join(lines)


def _rows(board: model.Dashboard) -> Iterator[tuple[str, str]]:
    for item in board.panels or ():
        if isinstance(item, model.RowPanel):
            yield f"**{item.title}**", ""
        else:
            yield item.title or "", item.description or ""
