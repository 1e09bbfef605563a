"""The points that a VM's or a node's state adds to the history. Pure but for the history that it is given."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cachemon.model.age import stale_after
from cachemon.plugin.usage import figures_time
from cachemon.web.kept_points import KeptPoints
from cachemon.web.page_state import GroupState, NodeState, VmState
from cachemon.web.points import Column, Track

Values = dict[Column, int | None]


def add_vm(
    points: KeptPoints,
    name: str,
    states: tuple[VmState | None, VmState | None],
    objects: Sequence[Mapping[str, Any]],
    now: float,
) -> None:
    """Add what a VM's figures are, or that they do not hold any more.

    Args:
        points: to add to.
        name: `NAMESPACE/NAME` of the VM.
        states: of before and of now; None where there was or is no VM.
        objects: its CacheMonitorGroups.
        now: seconds since the epoch.
    """
    before, state = states
    if before is not None and (state is None or state["node"] != before["node"]):
        for source in ("", *_sources(before["groups"])):
            points.interrupt(Track(before["node"], name, source), now)
    if state is None:
        return
    times = {str(obj["metadata"]["name"]): figures_time(obj) for obj in objects}
    newest = max((time for time in times.values() if time is not None), default=None)
    whole: Values = {}
    for block in state["blocks"]:
        whole[Column(block["id"], "occupancy")] = block["occupancy"]
        whole[Column(block["id"], "bandwidth")] = block["bandwidth"]
    _add(points, Track(state["node"], name), whole, (newest, state["period"], now))
    if len(state["groups"]) > 1:  # else the sum is that of the group
        for source in _sources(state["groups"]):
            values = _of_groups(group for group in state["groups"] if group["object"] == source)
            _add(points, Track(state["node"], name, source), values, (times.get(source), state["period"], now))


def add_node(points: KeptPoints, name: str, state: NodeState | None, now: float) -> None:
    """The same for the cache blocks of a node; None where there is no such node any more."""
    if state is None:
        points.interrupt(Track(name), now)
    else:
        values: Values = {Column(block["id"], "occupancy"): block["occupancy"] for block in state["blocks"]}
        _add(points, Track(name), values, (state["observed"], state["period"], now))


def _sources(groups: Iterable[GroupState]) -> list[str]:
    return sorted({group["object"] for group in groups})


def _of_groups(groups: Iterable[GroupState]) -> Values:
    found: Values = {}
    for group in groups:
        for block in group["blocks"]:
            found[Column(block["id"], "occupancy", group["name"])] = block["occupancy"]
            found[Column(block["id"], "bandwidth", group["name"])] = block["bandwidth"]
    return found


def _add(points: KeptPoints, track: Track, values: Values, times: tuple[float | None, float, float]) -> None:
    """Add values; `times` is when they were read, after how long they are renewed, and now."""
    time, period, now = times
    if time is None or all(value is None for value in values.values()):
        points.interrupt(track, now)
    else:
        points.add(track, time, values, hold_seconds=stale_after(period))
