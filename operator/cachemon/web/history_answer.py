"""Puts a history together: what this program has seen, and before that what a Prometheus knows. Pure."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence

from cachemon.web.page_history import HistoryPart, MarkerState, PageHistory
from cachemon.web.points import GAP, Points, Track, blocks_of, series_of, times_of


def joined(past: Mapping[Track, Points], seen: Mapping[Track, Points], begin: float) -> dict[Track, Points]:
    """The past up to the first point that was seen, and what was seen.

    Args:
        past: of a Prometheus.
        seen: by this program.
        begin: when it began to look. Past figures do not hold beyond it.
    """
    return {
        track: _joined(before, seen.get(track, _NOTHING), begin) if (before := past.get(track)) else seen[track]
        for track in {**past, **seen}
    }


_NOTHING = Points((), {})


def _joined(before: Points, after: Points, begin: float) -> Points:
    count = bisect_left(before.times, min([begin, *after.times[:1]]))
    gap = [begin] if not after.times or after.times[0] > begin else []
    columns = {
        column: [
            *before.columns.get(column, [GAP] * count)[:count],
            *([GAP] * len(gap)),
            *after.columns.get(column, [GAP] * len(after.times)),
        ]
        for column in {**before.columns, **after.columns}
    }
    return Points([*before.times[:count], *gap, *after.times], columns)


def history_answer(
    tracks: Mapping[Track, Points],
    *,
    since: float,
    capacities: Mapping[int, int | None],
    markers: Sequence[MarkerState],
    parts: Sequence[HistoryPart],
    remarks: Sequence[str] = (),
) -> PageHistory:
    """The answer.

    Args:
        tracks: points of a node and its VMs, or of a VM.
        since: the first moment that is wanted.
        capacities: of the node's cache blocks.
        markers: by time.
        parts: which span came from where.
        remarks: for people.
    """
    times = times_of(tracks.values(), since)
    whole_nodes = [points for track, points in tracks.items() if not track.vm]
    return PageHistory(
        times=times,
        series=series_of(tracks, times),
        blocks=[block for points in whole_nodes for block in blocks_of(points, capacities, times)],
        markers=markers,
        parts=parts,
        remarks=remarks,
    )
