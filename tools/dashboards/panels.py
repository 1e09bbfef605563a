"""Kinds of panels, each with a title, a description, queries and a look."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Protocol, Self, TypeVar

from grafana_foundation_sdk.builders import bargauge, common, prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog import builder as cog
from grafana_foundation_sdk.models import common as choice
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from tools.dashboards.looks import NEUTRAL, NO_FIGURE, Look

SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")

_STAT_HEIGHT, _CHART_HEIGHT = 4, 9

_CELL = (
    model.DynamicConfigValue("custom.cellOptions", {"type": "color-text"}),
    model.DynamicConfigValue("custom.align", "right"),
)
"""A cell of a table has its colour in the text."""


class _Panel(Protocol):
    """What the builders of all kinds of panels have."""

    def title(self, title: str) -> Self: ...
    def description(self, description: str) -> Self: ...
    def datasource(self, datasource: model.DataSourceRef) -> Self: ...
    def height(self, h: int) -> Self: ...
    def span(self, w: int) -> Self: ...
    def no_value(self, no_value: str) -> Self: ...
    def unit(self, unit: str) -> Self: ...
    def min(self, min_val: float) -> Self: ...
    def max(self, max_val: float) -> Self: ...
    def mappings(self, mappings: list[model.ValueMapping]) -> Self: ...
    def thresholds(self, thresholds: cog.Builder[model.ThresholdsConfig]) -> Self: ...
    def color_scheme(self, color: cog.Builder[model.FieldColor]) -> Self: ...
    def data_links(self, links: list[cog.Builder[model.DashboardLink]]) -> Self: ...


P = TypeVar("P", bound=_Panel)


@dataclass(frozen=True, slots=True)
class Text:
    """What a panel says of itself."""

    title: str
    description: str


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table that has values.

    Attributes:
        title: above it.
        expression: the values, by the labels of the table.
        look: of the values.
    """

    title: str
    expression: str
    look: Look


def stat_panel(text: Text, query: str, look: Look, *, span: int = 4, series: str = "") -> stat.Panel:
    """One number, or one for each series that `series` names."""
    panel = _described(stat.Panel(), text, span, _STAT_HEIGHT)
    panel = _looking(panel, look).color_scheme(_colour(model.FieldColorModeId.THRESHOLDS))
    panel = panel.graph_mode(choice.BigValueGraphMode.NONE).color_mode(choice.BigValueColorMode.VALUE)
    panel = panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    return panel.with_target(_query("A", query, series or text.title).instant())


def bars_panel(text: Text, query: str, look: Look, *, span: int, series: str) -> bargauge.Panel:
    """A bar for each series, neither good nor bad."""
    panel = _described(bargauge.Panel(), text, span, _CHART_HEIGHT)
    panel = _looking(panel, look).color_scheme(_colour(model.FieldColorModeId.FIXED).fixed_color("blue"))
    panel = panel.orientation(choice.VizOrientation.HORIZONTAL).display_mode(choice.BarGaugeDisplayMode.BASIC)
    panel = panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    return panel.with_target(_query("A", query, series).instant())


def lines_panel(
    text: Text, queries: Mapping[str, str], look: Look, *, span: int = 12, stacked: bool = False
) -> timeseries.Panel:
    """Lines over time, or areas on each other; `queries` are expressions by how their series are called.

    A name has the same colour in all charts. The colours say neither good nor bad. Gaps stay gaps.
    """
    panel = _described(timeseries.Panel(), text, span, _CHART_HEIGHT)
    panel = _looking(panel, look).color_scheme(_colour(model.FieldColorModeId.PALETTE_CLASSIC_BY_NAME))
    panel = panel.line_width(1).fill_opacity(60 if stacked else 10).span_nulls(span_nulls=False)
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(choice.StackingMode.NORMAL).group("A"))
    legend = common.VizLegendOptions().show_legend(show_legend=True).placement(choice.LegendPlacement.BOTTOM)
    panel = panel.legend(legend.display_mode(choice.LegendDisplayMode.TABLE).calcs(["lastNotNull", "max"]))
    tooltip = common.VizTooltipOptions().mode(choice.TooltipDisplayMode.MULTI)
    panel = panel.tooltip(tooltip.sort(choice.SortOrder.DESCENDING))
    for letter, (series, query) in zip(ascii_uppercase, queries.items(), strict=False):
        panel = panel.with_target(_query(letter, query, series).range())
    return panel


def states_panel(text: Text, query: str, look: Look, *, series: str, span: int = 12) -> statetimeline.Panel:
    """A band over time for each series, in the colours of its states."""
    panel = _described(statetimeline.Panel(), text, span, _CHART_HEIGHT)
    panel = _looking(panel, look).color_scheme(_colour(model.FieldColorModeId.THRESHOLDS))
    panel = panel.show_value(choice.VisibilityMode.AUTO).merge_values(merge_values=True).fill_opacity(70)
    return panel.with_target(_query("A", query, series).range())


def table_panel(
    text: Text,
    labels: Sequence[str],
    columns: Sequence[Column],
    *,
    first: Sequence[str],
    span: int = 24,
    links: Mapping[str, cog.Builder[model.DashboardLink]] | None = None,
) -> table.Panel:
    """A row for each set of labels.

    Args:
        text: what the panel says of itself.
        labels: columns of text.
        columns: columns of values.
        first: columns by which the rows are sorted, the largest first.
        span: how wide, of 24.
        links: by the column of text that leads there.
    """
    panel = _described(table.Panel(), text, span, _CHART_HEIGHT)
    # A response of one query only calls its values `Value`: no other query has found any.
    renamed = {"Value": columns[0].title}
    for letter, column in zip(ascii_uppercase, columns, strict=False):
        query = _query(letter, column.expression, "").instant().format(PromQueryFormat.TABLE)
        panel = panel.with_target(query).override_by_name(column.title, [*column.look.properties(), *_CELL])
        renamed[f"Value #{letter}"] = column.title
    for label, link in (links or {}).items():
        panel = panel.override_by_name(label, [model.DynamicConfigValue("links", [link.build()])])
    order = {name: index for index, name in enumerate((*labels, *renamed))}
    arrange = {"excludeByName": {"Time": True}, "indexByName": order, "renameByName": renamed}
    panel = panel.transformations(
        [
            model.DataTransformerConfig("merge", options={}),
            model.DataTransformerConfig("organize", options=arrange),
        ]
    )
    return panel.sort_by([common.TableSortByFieldState().display_name(name).desc(desc=True) for name in first])


def unlike_others(panel: timeseries.Panel, series: str, color: str, *, line: bool) -> timeseries.Panel:
    """Draw one series in a fixed colour; as a dashed line above what is stacked if `line`."""
    properties: dict[str, object] = {
        "color": model.FieldColor(mode=model.FieldColorModeId.FIXED, fixed_color=color),
    }
    if line:
        properties |= {
            "custom.stacking": {"mode": "none", "group": "B"},
            "custom.fillOpacity": 0,
            "custom.lineStyle": {"fill": "dash", "dash": [10, 10]},
        }
    return panel.override_by_name(series, [model.DynamicConfigValue(*it) for it in properties.items()])


def with_link(panel: timeseries.Panel, link: cog.Builder[model.DashboardLink]) -> timeseries.Panel:
    """Give the series of the first query a link, and no others: an override can add links, but take none away."""
    return panel.override_by_query("A", [model.DynamicConfigValue("links", [link.build()])])


def with_capacity(panel: timeseries.Panel, series: str) -> timeseries.Panel:
    """Draw the line of what there is at the most."""
    return unlike_others(panel, series, NEUTRAL, line=True)


def _described(panel: P, text: Text, span: int, height: int) -> P:
    panel = panel.title(text.title).description(text.description).datasource(SOURCE)
    return panel.span(span).height(height).no_value(NO_FIGURE)


def _looking(panel: P, look: Look) -> P:
    panel = panel.unit(look.unit).min(0).mappings(look.mappings()).thresholds(look.thresholds())
    return panel if look.most is None else panel.max(look.most)


def _colour(mode: model.FieldColorModeId) -> build.FieldColor:
    return build.FieldColor().mode(mode)


def _query(letter: str, expression: str, series: str) -> prometheus.Dataquery:
    query = prometheus.Dataquery().ref_id(letter).expr(expression).datasource(SOURCE)
    return query.legend_format(series) if series else query
