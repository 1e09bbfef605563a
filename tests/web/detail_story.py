"""An hour on two nodes for the views of a node and a VM: a start, a stop, a migration, a gap, and a verdict."""

import math

from cachemon.web.page_history import MarkerState
from cachemon.web.page_state import SeriesPart, VerdictSeries, VerdictState

MIB = 1 << 20
START = 1_790_000_000
PERIOD = 10
ROWS = 331
CAPACITY = 64 * MIB
STOPPED, STARTED, MIGRATED, VERDICT = (START + minutes * 60 for minutes in (14, 21, 34, 44))
GAP_ROWS = range(150, 166)
"""Rows in which no figure of `tenant-a/db` is known."""
VICTIM, SUSPECT, GUEST, BATCH, OLD = (
    "tenant-a/web",
    "tenant-b/scan",
    "tenant-a/db",
    "tenant-b/batch",
    "tenant-c/legacy",
)


def occupancy(vm: str, time: float) -> int | None:
    """Bytes that a VM holds of the cache block that it runs on; None where it is not there, or not measured."""
    minute = (time - START) / 60
    wave = math.sin(minute / 3 + len(vm)) + 0.4 * math.sin(minute * 1.7)
    since = max(0.0, (time - VERDICT) / 60)
    match vm:
        case "tenant-a/web":
            held = 22 + 1.2 * wave - 11 * min(1.0, since / 3)
        case "tenant-b/scan":
            held = 4 + 0.5 * wave + 16 * min(1.0, since / 3)
        case "tenant-a/db":
            if round((time - START) / PERIOD) in GAP_ROWS:
                return None
            held = 12 + 1.5 * wave
        case "tenant-b/batch":
            if time < STARTED:
                return None
            held = min(8.0, (time - STARTED) / 40) + 0.4 * wave
        case _:
            if time > STOPPED:
                return None
            held = 6 + 0.5 * wave
    return round(max(0.2, held) * MIB)


def bandwidth(vm: str, time: float) -> int | None:
    """Bytes per second of a VM."""
    held = occupancy(vm, time)
    rise = 6.0 if vm == SUSPECT and time > VERDICT else 1.0
    return None if held is None else round(held * 28 * rise * (1 + 0.2 * math.sin(time / 47 + len(vm))))


def unattributed(time: float) -> int:
    """Bytes that nobody accounts for."""
    return round((3 + math.sin(time / 300)) * MIB)


def node_of(vm: str, time: float) -> str:
    """Where a VM is; empty when it is nowhere."""
    if vm == GUEST:
        return "node01" if time < MIGRATED else "node02"
    if (vm == OLD and time > STOPPED) or (vm == BATCH and time < STARTED):
        return ""
    return "node01"


VMS = (VICTIM, SUSPECT, GUEST, BATCH, OLD)


def known(vm: str, node: str, time: float) -> bool:
    """Whether a VM has a figure on a node."""
    return node_of(vm, time) == node and occupancy(vm, time) is not None


def total(node: str, time: float) -> int:
    """Bytes of the cache block in use; gaps of a VM are no gaps of the block."""
    gap = 12 * MIB if node_of(GUEST, time) == node and occupancy(GUEST, time) is None else 0
    held = sum(occupancy(vm, time) or 0 for vm in VMS if known(vm, node, time))
    return held + gap + unattributed(time)


def markers() -> list[MarkerState]:
    """What happened in that hour."""
    return [
        MarkerState(time=STOPPED, kind="stopped", vm=OLD, text=f"{OLD} stopped"),
        MarkerState(time=STARTED, kind="started", vm=BATCH, text=f"{BATCH} started"),
        MarkerState(time=MIGRATED, kind="migrated", vm=GUEST, text=f"{GUEST} migrated from node01 to node02"),
        MarkerState(time=VERDICT, kind="verdict", vm=VICTIM, text=f"Likely: {SUSPECT} takes cache of {VICTIM}"),
    ]


def verdict(time: float) -> VerdictState:
    """The verdict, with the last half hour of both."""
    minutes = [time - 60 * back for back in range(29, -1, -1)]
    parts = {
        vm: SeriesPart(
            occupancyMebibytes=[
                None if row in (6, 7) else (occupancy(vm, at) or 0) // MIB for row, at in enumerate(minutes)
            ],
            trafficMebibytesPerSecond=[(bandwidth(vm, at) or 0) // MIB for at in minutes],
        )
        for vm in (VICTIM, SUSPECT)
    }
    return VerdictState(
        node="node01",
        block=0,
        victim=VICTIM,
        suspect=SUSPECT,
        neighbour=SUSPECT,
        level="Likely",
        resource="Cache",
        outcome="",
        since=VERDICT,
        until=None,
        slowdownPercent=31,
        sharePercent=88,
        bytesLost=11 * MIB,
        evidence=f"{VICTIM} takes 31 % more cycles for the same work since the traffic of {SUSPECT} rose",
        series=VerdictSeries(until=time, victim=parts[VICTIM], suspect=parts[SUSPECT]),
    )
