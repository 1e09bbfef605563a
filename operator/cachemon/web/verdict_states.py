"""Verdicts as the page gets them. Pure."""

from cachemon.commands.verdict_record import Charts, VerdictRecord
from cachemon.web.page_state import SeriesPart, VerdictSeries, VerdictState


def verdict_state(record: VerdictRecord) -> VerdictState:
    """A verdict for the page."""
    return VerdictState(
        node=record.place.machine,
        block=record.place.block,
        victim=record.victim.name,
        suspect=record.suspect.name,
        neighbour=record.suspect.label,
        level=record.level,
        resource=record.resource,
        outcome=record.term.outcome,
        since=record.term.since,
        until=record.term.until,
        slowdownPercent=record.measures.slowdown_percent,
        sharePercent=record.measures.share_percent,
        bytesLost=record.measures.bytes_lost,
        evidence=record.evidence,
        series=_series(record),
    )


def _series(record: VerdictRecord) -> VerdictSeries | None:
    victim, suspect = record.victim.charts, record.suspect.charts
    until = next((charts.until for charts in (victim, suspect) if charts is not None), None)
    if victim is None and suspect is None:
        return None
    return VerdictSeries(until=until, victim=_part(victim), suspect=_part(suspect))


def _part(charts: Charts | None) -> SeriesPart | None:
    if charts is None:
        return None
    return SeriesPart(occupancyMebibytes=charts.occupancy, trafficMebibytesPerSecond=charts.traffic)
