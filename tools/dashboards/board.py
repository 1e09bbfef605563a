"""A whole dashboard: its variables and its rows of panels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog import builder as cog
from grafana_foundation_sdk.models import dashboard as model

from tools.dashboards.panels import SOURCE

Panels = Sequence[cog.Builder[model.Panel]]

_EVERY = model.VariableOption(selected=True, text="All", value="$__all")


@dataclass(frozen=True, slots=True)
class Board:
    """What a dashboard is, beside its panels.

    Attributes:
        uid: its id, and the name of its file.
        title: what a person searches for.
        description: one sentence.
        platform: its second tag.
        beside: links to other dashboards.
    """

    uid: str
    title: str
    description: str
    platform: str
    beside: Sequence[build.DashboardLink] = ()

    def built(
        self, variables: Sequence[cog.Builder[model.VariableModel]], rows: Mapping[str, Panels]
    ) -> model.Dashboard:
        """The dashboard as Grafana reads it; `rows` are panels by the title of their row."""
        board = build.Dashboard(self.title).uid(self.uid).description(self.description)
        board = board.tags(["cachemon", self.platform]).links(list(self.beside))
        board = board.time("now-1h", "now").refresh("30s").tooltip(model.DashboardCursorSync.CROSSHAIR)
        board = board.timezone("browser").annotations([])
        source = build.DatasourceVariable("datasource").label("Prometheus").type("prometheus")
        board = board.variables([source, *variables])
        for title, panels in rows.items():
            board = board.with_row(build.Row(title))
            for panel in panels:
                board = board.with_panel(panel)
        made = board.build()
        for number, item in enumerate(made.panels or (), start=1):
            item.id_val = number
        return made


def one_of(name: str, label: str, query: str) -> build.QueryVariable:
    """A variable with one value; it is empty where no series has the label that the query asks for."""
    return _variable(name, label, query).multi(multi=False).include_all(include_all=False)


def some_of(name: str, label: str, query: str) -> build.QueryVariable:
    """A variable with any number of values; by default everything, series without the label too."""
    variable = _variable(name, label, query).multi(multi=True).include_all(include_all=True)
    return variable.all_value(".*").current(_EVERY)


def each_of(name: str, label: str, query: str) -> build.QueryVariable:
    """A variable for panels that are repeated for each value; by default all values."""
    return _variable(name, label, query).multi(multi=True).include_all(include_all=True).current(_EVERY)


def _variable(name: str, label: str, query: str) -> build.QueryVariable:
    variable = build.QueryVariable(name).label(label).datasource(SOURCE).query({"query": query, "refId": name})
    refreshed = variable.refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
    return refreshed.sort(model.VariableSort.NATURAL_ASC)
