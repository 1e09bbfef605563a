"""The points of a host's history: those that the page has seen, and those of the hour that the agent keeps. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise

from cachemon.host.commands.host_page_states import PERIOD_SECONDS, vm_key
from cachemon.host.history_wire import HostHistory, HostSeries
from cachemon.model.age import stale_after
from cachemon.web.kept_points import KeptPoints
from cachemon.web.page_state import NodeState, VmState
from cachemon.web.points import GAP, Column, Figure, Points, Track

_HOLE_STEPS = 3
"""Without a point for so many steps there is a gap."""


def add_host(points: KeptPoints, host: str, state: NodeState, now: float) -> None:
    """Add the figures of the cache blocks, or that they do not hold any more."""
    values = {Column(block["id"], "occupancy"): block["occupancy"] for block in state["blocks"]}
    _add(points, Track(host), values, state["observed"], now)


def add_domain(points: KeptPoints, key: str, state: VmState, now: float) -> None:
    """The same for a domain and its groups."""
    host, time = state["node"], state["observed"]
    tracks: defaultdict[Track, dict[Column, int | None]] = defaultdict(dict)
    for block in state["blocks"]:
        tracks[Track(host, key)][Column(block["id"], "occupancy")] = block["occupancy"]
        tracks[Track(host, key)][Column(block["id"], "bandwidth")] = block["bandwidth"]
    for group in state["groups"]:
        values = tracks[Track(host, key, group["object"])]
        for of_group in group["blocks"]:
            values[Column(of_group["id"], "occupancy", group["name"])] = of_group["occupancy"]
            values[Column(of_group["id"], "bandwidth", group["name"])] = of_group["bandwidth"]
    for track, values in tracks.items():
        _add(points, track, values, time, now)


def end_domain(points: KeptPoints, key: str, state: VmState, now: float) -> None:
    """Note that a domain runs no longer."""
    for source in ("", *sorted({group["object"] for group in state["groups"]})):
        points.interrupt(Track(state["node"], key, source), now)


def _add(
    points: KeptPoints, track: Track, values: Mapping[Column, int | None], time: float | None, now: float
) -> None:
    if time is None or all(value is None for value in values.values()):
        points.interrupt(track, now)
    else:
        points.add(track, time, values, hold_seconds=stale_after(PERIOD_SECONDS))


def past_tracks(history: HostHistory, host: str, now: float) -> dict[Track, Points]:
    """The tracks of what an agent has kept until now."""
    members: defaultdict[Track, list[HostSeries]] = defaultdict(list)
    for series in history.series:
        key = vm_key(series.key.domain)
        members[Track(host, key, series.key.kept)].append(series)
    rows = _rows(history, now)
    times = [time for time, _ in rows]
    return {track: Points(times, _columns(found, rows)) for track, found in members.items()}


def _rows(history: HostHistory, now: float) -> list[tuple[float, int | None]]:
    """Each time with the place of its point; None is a gap where the agent did not sample."""
    hold = _HOLE_STEPS * history.seconds
    rows: list[tuple[float, int | None]] = [(time, place) for place, time in enumerate(history.times)]
    holes = [(before + hold, None) for before, after in pairwise([*history.times, now]) if after - before > hold]
    return sorted([*rows, *holes], key=lambda row: row[0])


def _columns(members: Sequence[HostSeries], rows: Sequence[tuple[float, int | None]]) -> dict[Column, list[float]]:
    found: dict[Column, list[float]] = {}
    for series in members:
        figures: tuple[tuple[Figure, Sequence[int | None]], ...] = (
            ("occupancy", series.occupancy),
            ("bandwidth", series.bandwidth),
        )
        for figure, values in figures if series.key.domain else figures[:1]:
            column = Column(series.key.block, figure, series.key.group)
            found[column] = [_value(None if place is None else values[place]) for _, place in rows]
    return found


def _value(value: int | None) -> float:
    return GAP if value is None else float(value)
