"""Draws panels of the dashboard from series that a Prometheus answered with. Needs matplotlib (`make pictures`)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.dates import DateFormatter, MinuteLocator
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

from cachemon.model.units import format_bytes, format_rate
from tools.dashboard import Panel

__all__ = ["Series", "draw"]

_WIDTH_INCHES = 11.0
_ROW_INCHES = 0.34
_COLUMNS = 24
_BELOW_INCHES = {"timeseries": 0.78, "state-timeline": 0.5, "stat": 0.1, "bargauge": 0.1, "table": 0.1}
"""Room for the time axis and the legend."""
_MIB = 1024 * 1024
_COLOURS = ("#2f6db3", "#e08a1e", "#3f9a5b", "#b5403c", "#7d5fa8", "#7a6a5d", "#cc79a7", "#5b8c9e")
_GREY = "#b8bcc2"
_INK = "#30343a"

mpl.rcParams.update(
    {
        "svg.fonttype": "none",  # text stays text: small, and sharp in every size
        "svg.hashsalt": "cachemon",
        "font.family": "sans-serif",
        "font.size": 8.5,
        "axes.edgecolor": _GREY,
        "text.color": _INK,
        "axes.labelcolor": _INK,
        "xtick.color": _INK,
        "ytick.color": _INK,
    }
)


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a panel.

    Attributes:
        name: for the legend.
        labels: of the series.
        points: seconds since the epoch, and the value.
    """

    name: str
    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]

    def at(self, moment: float) -> float | None:
        """The value at a moment; None where there is none in the five seconds before it."""
        near = [value for time, value in self.points if moment - 5 <= time <= moment]
        return near[-1] if near else None


def draw(panels: Sequence[tuple[Panel, Sequence[Series]]], path: Path, *, moment: float) -> None:
    """Draw a row of the dashboard as Grafana lays it out.

    Args:
        panels: with their series.
        path: of the SVG file.
        moment: seconds since the epoch that panels without a time axis are of.
    """
    top = min(panel.place.y for panel, _ in panels)
    height = max(panel.place.y + panel.place.h for panel, _ in panels) - top
    figure = Figure(figsize=(_WIDTH_INCHES, height * _ROW_INCHES))
    colours: dict[str, str] = {}
    for panel, series in panels:
        place = panel.place
        box = (place.x / _COLUMNS, 1 - (place.y - top + place.h) / height)
        size = (place.w / _COLUMNS, place.h / height)
        left, right = 0.68 / _WIDTH_INCHES, 0.12 / _WIDTH_INCHES
        over, below = (inches / (height * _ROW_INCHES) for inches in (0.34, _BELOW_INCHES[panel.kind]))
        axes = figure.add_axes(
            (box[0] + left, box[1] + below, size[0] - left - right, size[1] - over - below), label=panel.title
        )
        axes.set_title(panel.title, loc="left", fontsize=9.5, fontweight="bold")
        _KINDS[panel.kind](axes, panel, series, moment, colours)
    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    path.write_text("\n".join(line.rstrip() for line in path.read_text().splitlines()) + "\n")


def _format(unit: str, value: float) -> str:
    match unit:
        case "bytes":
            return format_bytes(round(value))
        case "Bps":
            return f"{format_rate(round(value))}B/s"
        case "percentunit":
            return f"{value:.0%}"
        case "s":
            return f"{value * 1000:.1f} ms"
    return f"{value:g}"


def _colour(name: str, colours: dict[str, str]) -> str:
    """A name has one colour in the whole picture."""
    if name == "unattributed":
        return _GREY
    return colours.setdefault(name, _COLOURS[len(colours) % len(_COLOURS)])


def _timeseries(axes: Any, panel: Panel, series: Sequence[Series], moment: float, colours: dict[str, str]) -> None:
    del moment
    times = sorted({time for one in series for time, _ in one.points})
    days = [datetime.fromtimestamp(time, UTC) for time in times]
    under = [0.0] * len(times)
    for one in series:
        found = dict(one.points)
        values = [found.get(time, math.nan) for time in times]
        if panel.stacked and one.name not in panel.lines:
            over = [low + (0 if math.isnan(value) else value) for low, value in zip(under, values, strict=True)]
            colour = _colour(one.name, colours)
            axes.fill_between(days, under, over, color=colour, alpha=0.8, linewidth=0, label=one.name)
            under = over
        elif one.name in panel.lines:
            axes.plot(days, values, color=_INK, linewidth=1.1, linestyle="--", label=one.name)
        else:
            axes.plot(days, values, color=_colour(one.name, colours), linewidth=1.4, label=one.name)
    axes.set_ylim(bottom=0)
    if axes.get_ylim()[1] <= 0.1 and panel.unit == "short":
        axes.set_ylim(0, 1)
    axes.margins(x=0)
    _value_axis(axes, panel.unit)
    _time_axis(axes)
    axes.grid(axis="y", color="#e6e8eb", linewidth=0.8)
    axes.set_axisbelow(True)
    if series:
        columns = 6 if panel.place.w > _COLUMNS / 2 else 3
        handles, names = axes.get_legend_handles_labels()
        named = dict(zip(names, handles, strict=True))  # before and after a migration a series has one name
        axes.legend(
            named.values(),
            named.keys(),
            loc="upper left",
            bbox_to_anchor=(-0.01, -20 / (axes.get_position().height * axes.figure.get_figheight() * 72)),
            fontsize=7.5,
            frameon=False,
            ncols=columns,
            columnspacing=1.2,
            handlelength=1.4,
            borderpad=0,
        )


def _time_axis(axes: Any) -> None:
    axes.xaxis.set_major_locator(MinuteLocator())
    axes.xaxis.set_major_formatter(DateFormatter("%H:%M"))


def _value_axis(axes: Any, unit: str) -> None:
    if unit == "bytes" and axes.get_ylim()[1] > 4 * _MIB:
        axes.yaxis.set_major_locator(MultipleLocator(2 ** math.ceil(math.log2(axes.get_ylim()[1] / 5))))
    else:
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=unit == "short"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _format(unit, value)))
    axes.tick_params(length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _stat(axes: Any, panel: Panel, series: Sequence[Series], moment: float, colours: dict[str, str]) -> None:
    del colours
    value = series[0].at(moment) if series else None
    axes.set_axis_off()
    shown = "no data" if value is None else _format(panel.unit, value)
    axes.text(0.0, 0.35, shown, fontsize=26, ha="left", va="center", transform=axes.transAxes)


def _ranked(series: Sequence[Series], moment: float) -> list[tuple[Series, float]]:
    held = [(one, value) for one in series if (value := one.at(moment)) is not None]
    return sorted(held, key=lambda pair: -pair[1])


def _bargauge(axes: Any, panel: Panel, series: Sequence[Series], moment: float, colours: dict[str, str]) -> None:
    del colours
    ranked = _ranked(series, moment)
    names = [one.name for one, _ in ranked]
    axes.barh(names, [1.0] * len(names), color="#eef0f2", height=0.55)
    axes.barh(names, [value for _, value in ranked], color=_COLOURS[0], height=0.55)
    for row, (_, value) in enumerate(ranked):
        axes.text(1.01, row, _format(panel.unit, value), va="center")
    axes.invert_yaxis()
    axes.set_xlim(0, 1.12)
    axes.set_xticks([])
    axes.set_yticks(range(len(names)), names, ha="left", fontsize=8)
    axes.tick_params(length=0, pad=-2)
    box = axes.get_position()
    axes.set_position((box.x0 + 0.075, box.y0, box.width - 0.075, box.height))
    axes.tick_params(axis="y", pad=72)
    axes.title.set_position((0, 1))
    for side in axes.spines.values():
        side.set_visible(False)


def _table(axes: Any, panel: Panel, series: Sequence[Series], moment: float, colours: dict[str, str]) -> None:
    del colours
    axes.set_axis_off()
    heads = ("namespace", "name", "node")
    lines = [
        (*(one.labels.get(head, "") for head in heads), _format(panel.unit, value))
        for one, value in _ranked(series, moment)
    ]
    for row, cells in enumerate([(*heads, "value"), *lines]):
        for column, cell in enumerate(cells):
            last = column == len(cells) - 1
            axes.text(
                1.0 if last else column * 0.27,
                0.92 - row * 0.16,
                cell,
                ha="right" if last else "left",
                fontweight="bold" if row == 0 else "normal",
                transform=axes.transAxes,
            )


def _states(axes: Any, panel: Panel, series: Sequence[Series], moment: float, colours: dict[str, str]) -> None:
    del moment, colours, panel
    for row, one in enumerate(series):
        for value, colour in ((1, "#3f9a5b"), (0, "#b5403c")):
            days = [datetime.fromtimestamp(time, UTC) for time, it in one.points if it == value]
            axes.scatter(days, [row] * len(days), color=colour, marker="s", s=26, linewidth=0)
    axes.set_yticks(range(len(series)), [one.name for one in series], fontsize=7.5, ha="left")
    axes.set_ylim(len(series) - 0.4, -0.6)
    _time_axis(axes)
    axes.tick_params(axis="y", length=0, pad=104)
    box = axes.get_position()
    axes.set_position((box.x0 + 0.085, box.y0, box.width - 0.085, box.height))
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


_KINDS = {
    "timeseries": _timeseries,
    "stat": _stat,
    "bargauge": _bargauge,
    "table": _table,
    "state-timeline": _states,
}
