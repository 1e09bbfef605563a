"""Turns CPU time into memory traffic and cache occupancy. Pure.

This is a model, not a simulation: there are no addresses. Each thread moves a constant number of bytes per second of
its CPU time. A constant part of these are lines new to the cache where it ran. They go:

1. to free lines, then to those of dead RMIDs (unused, so the oldest),
2. and once the cache is full, to the lines of all RMIDs in proportion to what they hold (random replacement).

So the sum never exceeds the capacity. One busy thread fills its cache within about a second, and two share it in
proportion to their CPU time. An idle thread loses its lines slowly to the rest of the machine. That rest is RMID 0,
which brings in a quarter of the capacity per second.
"""

import math
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from resctrl_emulator.transactions import EVERY_TRANSACTION, default_transactions, traffic_quarters

LLC_OCCUPANCY = "llc_occupancy"
MBM_TOTAL_BYTES = "mbm_total_bytes"
MBM_LOCAL_BYTES = "mbm_local_bytes"
EVENTS = (LLC_OCCUPANCY, MBM_TOTAL_BYTES, MBM_LOCAL_BYTES)
"""In the order of info/L3_MON/mon_features."""
MBM_EVENTS = (MBM_TOTAL_BYTES, MBM_LOCAL_BYTES)

NS_PER_SECOND = 1_000_000_000
LINE_BYTES = 64
"""Size of a cache line; also the usual upscale factor (CPUID 0xF.1 EBX), the unit of all values."""
TRAFFIC_BYTES_PER_CPU_SECOND = 1 << 30
TRAFFIC_PER_NEW_LINE = 16
"""One of 16 lines moved is new to the cache: 64 MiB of new lines per CPU second."""
DEFAULT_GROUP_SECONDS = 4
"""Time in which RMID 0 brings in the capacity of the cache."""


def share_out(total: int, weights: Mapping[int, float]) -> dict[int, int]:
    """Split `total` in proportion to weights, exactly: the parts are integers and sum up to it.

    The largest remainders get what rounding left over, so a larger weight never gets less.
    """
    whole = math.fsum(weights.values())
    if total == 0 or whole <= 0:
        return dict.fromkeys(weights, 0)
    exact = {key: total * (weight / whole) for key, weight in weights.items()}
    parts = {key: math.floor(value) for key, value in exact.items()}
    left = total - sum(parts.values())
    by_remainder = sorted(exact, key=lambda key: (parts[key] - exact[key], key))
    for key in by_remainder[: max(left, 0)]:
        parts[key] += 1
    # Floats may put the floors a few lines over the total: take them from the largest.
    for key in sorted(parts, key=lambda key: -parts[key])[: max(-left, 0)]:
        parts[key] -= 1
    return parts


def fill(
    held: Mapping[int, int], new: Mapping[int, int], capacity: int, dead: AbstractSet[int] = frozenset()
) -> dict[int, int]:
    """Lines held by each RMID after new ones came in, in any order.

    Args:
        held: lines per RMID; their sum is at most `capacity`.
        new: lines that each RMID brings in.
        capacity: lines of the cache.
        dead: RMIDs without a group; their lines go first.

    Returns:
        Lines per RMID; their sum is the old sum plus the new lines, or `capacity` if that is less.
    """
    result = {rmid: held.get(rmid, 0) for rmid in held.keys() | new.keys()}
    coming = sum(new.values())
    free = capacity - sum(result.values())
    old = {rmid: lines for rmid, lines in result.items() if rmid in dead}
    landing = min(coming, free + sum(old.values()))
    for rmid, lines in share_out(max(landing - free, 0), old).items():
        result[rmid] -= lines
    for rmid, lines in share_out(landing, new).items():
        result[rmid] += lines
    rest = coming - landing
    if rest == 0:
        return result
    # Each new line hits any line with the same chance: what was there survives all of them with (1-1/C)^rest.
    stays = math.exp(-rest / capacity)
    goal = {
        rmid: lines * stays + (1 - stays) * capacity * new.get(rmid, 0) / coming for rmid, lines in result.items()
    }
    return share_out(capacity, goal)


def _lines(cpu_ns: int, bytes_per_second: int) -> int:
    return cpu_ns * (bytes_per_second // LINE_BYTES) // NS_PER_SECOND


class BlockBooks:
    """Counts per RMID what the hardware of one cache block, or of one node's part of it, would count.

    Only CPU time is summed up. Traffic and new lines are functions of it, so frequent counting loses nothing to
    rounding.

    Args:
        capacity_bytes: its capacity.
        scale_bytes: unit of the values shown.
        transactions: the transactions that the hardware can distinguish.
    """

    def __init__(
        self, capacity_bytes: int, scale_bytes: int = LINE_BYTES, transactions: int = EVERY_TRANSACTION
    ) -> None:
        self.capacity_lines = capacity_bytes // LINE_BYTES
        self._scale_bytes = scale_bytes
        self._quarters = {event: traffic_quarters(default_transactions(event, transactions)) for event in MBM_EVENTS}
        self._cpu_ns: dict[int, int] = {}
        self._traffic_base_lines: dict[tuple[int, str], int] = {}
        self._brought_lines: dict[int, int] = {}
        self._held_lines: dict[int, int] = {}

    def charge(self, rmid: int, cpu_ns: int) -> None:
        """Add CPU time of an RMID."""
        self._cpu_ns[rmid] = self._cpu_ns.get(rmid, 0) + cpu_ns

    def advance(self, elapsed_ns: int, dead: AbstractSet[int]) -> None:
        """Move the lines of the CPU time charged since the last call into the cache."""
        line_ns = LINE_BYTES * TRAFFIC_PER_NEW_LINE
        background = elapsed_ns * self.capacity_lines * line_ns // TRAFFIC_BYTES_PER_CPU_SECOND
        self.charge(0, background // DEFAULT_GROUP_SECONDS)
        new: dict[int, int] = {}
        for rmid, cpu_ns in self._cpu_ns.items():
            brought = _lines(cpu_ns, TRAFFIC_BYTES_PER_CPU_SECOND // TRAFFIC_PER_NEW_LINE)
            new[rmid] = brought - self._brought_lines.get(rmid, 0)
            self._brought_lines[rmid] = brought
        if any(new.values()):
            self._held_lines = fill(self._held_lines, new, self.capacity_lines, dead)

    def reset_traffic(self, rmid: int, events: tuple[str, ...] = MBM_EVENTS) -> None:
        """Restart traffic at zero, as mkdir does; lines of the previous owner stay."""
        for event in events:
            self._traffic_base_lines[rmid, event] = self._traffic_lines(rmid)

    def reset_all_traffic(self, event: str, transactions: int | None = None) -> None:
        """Count an event from zero for every RMID, and from now on other transactions if these are given."""
        for rmid in self._cpu_ns:
            self.reset_traffic(rmid, (event,))
        if transactions is not None:
            self._quarters[event] = traffic_quarters(transactions)

    def _traffic_lines(self, rmid: int) -> int:
        return _lines(self._cpu_ns.get(rmid, 0), TRAFFIC_BYTES_PER_CPU_SECOND)

    def occupancy_bytes(self, rmid: int) -> int:
        """The exact bytes that the RMID's lines occupy."""
        return self._held_lines.get(rmid, 0) * LINE_BYTES

    def total_occupancy_bytes(self) -> int:
        """The bytes that all lines occupy."""
        return sum(self._held_lines.values()) * LINE_BYTES

    def traffic_bytes(self, rmid: int, event: str = MBM_TOTAL_BYTES) -> int:
        """Bytes of an event since its last reset."""
        moved = self._traffic_lines(rmid) - self._traffic_base_lines.get((rmid, event), 0)
        return moved * self._quarters[event] // 4 * LINE_BYTES

    def value(self, rmid: int, event: str) -> int:
        """The bytes that an event file shows for this RMID alone."""
        exact = self.occupancy_bytes(rmid) if event == LLC_OCCUPANCY else self.traffic_bytes(rmid, event)
        return exact // self._scale_bytes * self._scale_bytes
