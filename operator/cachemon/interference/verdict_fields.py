"""What an administrator sees of verdicts: all of them, by cache block, as JSON. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from cachemon.interference.evidence_text import LONGEST_EVIDENCE, MOST_PERCENT, evidence, percent
from cachemon.interference.minutes import MinuteSeries
from cachemon.interference.verdict_log import LoggedVerdict, NodeVerdicts
from cachemon.interference.verdicts import OTHERS
from cachemon.interference.windows import BlockId
from cachemon.model.fitted_text import fit_text
from cachemon.model.numbers import exact
from cachemon.model.times import format_time

MOST_VERDICTS = 32
"""Of a node, with 1 KB each beside the charts; the open ones of all cache blocks come first."""
MOST_CHARTS = 16
"""Of a node, with up to 1.3 KB each."""

WallTime = Callable[[float], float]
Names = Callable[[str], object]
"""How a VM of verdicts is named in JSON."""

MOST_IN_A_CHART = 99_999_999
"""MiB, and MiB per second: the longest series then fits its field."""


def verdict_fields(verdicts: NodeVerdicts, names: Names) -> Mapping[BlockId, list[dict[str, Any]]]:
    """The field `verdicts` of each cache block that has any."""
    ranked = [(block, logged) for block, its in verdicts.verdicts.items() for logged in its]
    ranked.sort(key=lambda item: item[1].outcome is not None)  # stable: surest and newest first within a block
    fields: dict[BlockId, list[dict[str, Any]]] = {}
    for place, (block, logged) in enumerate(ranked[:MOST_VERDICTS]):
        fields.setdefault(block, []).append(
            _verdict(logged, names, verdicts.wall_time, has_charts=place < MOST_CHARTS)
        )
    return fields


def ratio_field(verdicts: NodeVerdicts) -> dict[str, str]:
    """The field `interferenceRatio`; absent while no VM is judged."""
    return {} if verdicts.ratio is None else {"interferenceRatio": f"{verdicts.ratio:.3f}"}


def _verdict(logged: LoggedVerdict, names: Names, wall_time: WallTime, *, has_charts: bool) -> dict[str, Any]:
    verdict = logged.verdict
    suspect = "others of this node" if verdict.suspect == OTHERS else verdict.suspect
    status: dict[str, Any] = {
        "victim": names(verdict.victim),
        "level": str(verdict.level),
        "resource": str(verdict.resource),
        "since": format_time(wall_time(verdict.since)),
        "sharePercent": min(percent(verdict.share), 100),
        "evidence": fit_text(evidence(verdict, verdict.victim, suspect), LONGEST_EVIDENCE),
    }
    if verdict.suspect != OTHERS:
        status["suspect"] = names(verdict.suspect)
    if logged.outcome is not None and logged.until is not None:
        status |= {"outcome": str(logged.outcome), "until": format_time(wall_time(logged.until))}
    if verdict.slowdown_ratio is not None:
        status["slowdownPercent"] = min(percent(verdict.slowdown_ratio), MOST_PERCENT)
    if verdict.lost_bytes >= 1:
        status["bytesLost"] = exact(round(verdict.lost_bytes))
    return status | ({"series": _charts(logged, wall_time)} if has_charts else {})


def _charts(logged: LoggedVerdict, wall_time: WallTime) -> dict[str, Any]:
    charts: dict[str, Any] = {"until": format_time(wall_time(logged.charts_until)), "victim": _chart(logged.victim)}
    if logged.suspect is not None:
        charts["suspect"] = _chart(logged.suspect)
    return charts


def _chart(series: MinuteSeries) -> dict[str, str]:
    lines: Iterable[tuple[str, Sequence[int | None]]] = (
        ("occupancyMebibytes", series.occupancy_mebibytes),
        ("trafficMebibytesPerSecond", series.traffic_mebibytes_per_second),
    )
    return {
        name: " ".join("-" if value is None else str(min(value, MOST_IN_A_CHART)) for value in values)
        for name, values in lines
        if values
    }
