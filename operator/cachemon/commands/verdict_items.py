"""Reads verdicts as agents write them (`cachemon.interference.verdict_fields`). Pure."""

from collections.abc import Mapping
from typing import Any

from cachemon.commands.verdict_record import Charts, Measures, Party, Place, Term, VerdictRecord
from cachemon.interference.verdict_fields import MOST_IN_A_CHART
from cachemon.model.age import Age
from cachemon.model.times import read_time

OTHERS = "others of this node"
_NO_VALUE = "-"


def record_of_item(
    item: Mapping[str, Any], victim: str, suspect: str, place: Place, age: Age | None
) -> VerdictRecord:
    """A verdict from one item.

    Args:
        item: as it was written.
        victim: name of the VM that lost.
        suspect: name of the VM whose traffic rose; empty for what is not monitored.
        place: where they are.
        age: of what is known.
    """
    series = item.get("series", {})
    return VerdictRecord(
        victim=Party(victim, victim, _charts(series, "victim")),
        suspect=Party(suspect or OTHERS, suspect, _charts(series, "suspect")),
        place=place,
        level=item["level"],
        resource=item["resource"],
        measures=measures_of(item),
        term=Term(read_time(item.get("since")), read_time(item.get("until")), item.get("outcome", "")),
        evidence=item["evidence"],
        age=age,
    )


def measures_of(item: Mapping[str, Any]) -> Measures:
    """The figures of an item."""
    return Measures(item.get("slowdownPercent"), item.get("sharePercent"), item.get("bytesLost"))


def _charts(series: Mapping[str, Any], part: str) -> Charts | None:
    if part not in series:
        return None
    of_part = series[part]
    occupancy, traffic = (
        tuple(
            None if word == _NO_VALUE else min(int(word), MOST_IN_A_CHART) for word in of_part.get(name, "").split()
        )
        for name in ("occupancyMebibytes", "trafficMebibytesPerSecond")
    )
    return Charts(occupancy, traffic, read_time(series.get("until")))
