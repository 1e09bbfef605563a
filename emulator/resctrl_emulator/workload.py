"""Turns CPU time into memory traffic and cache occupancy. Pure.

This is a model, not a simulation: there are no addresses. A thread without a profile moves a constant number of bytes
per second of its CPU time, and a constant part of these are lines new to the cache where it ran. A thread with a
profile (`thread_profile.py`) brings in the lines that it misses. `cache_lines.py` says whose lines they replace.

Without profiles, one busy thread fills its cache within about a second, and two share it in proportion to their CPU
time. An idle thread loses its lines slowly to the rest of the machine. That rest is RMID 0, which brings in a quarter
of the capacity per second.
"""

from collections.abc import Set as AbstractSet

from resctrl_emulator.cache_lines import LINE_BYTES, Pool
from resctrl_emulator.profiled_work import ProfiledWork
from resctrl_emulator.thread_profile import ThreadProfile, Turn
from resctrl_emulator.transactions import EVERY_TRANSACTION, default_transactions, traffic_quarters

LLC_OCCUPANCY = "llc_occupancy"
MBM_TOTAL_BYTES = "mbm_total_bytes"
MBM_LOCAL_BYTES = "mbm_local_bytes"
EVENTS = (LLC_OCCUPANCY, MBM_TOTAL_BYTES, MBM_LOCAL_BYTES)
"""In the order of info/L3_MON/mon_features."""
MBM_EVENTS = (MBM_TOTAL_BYTES, MBM_LOCAL_BYTES)

NS_PER_SECOND = 1_000_000_000
TRAFFIC_BYTES_PER_CPU_SECOND = 1 << 30
TRAFFIC_PER_NEW_LINE = 16
"""One of 16 lines moved is new to the cache: 64 MiB of new lines per CPU second."""
DEFAULT_GROUP_SECONDS = 4
"""Time in which RMID 0 brings in the capacity of the cache."""


def _lines(cpu_ns: int, bytes_per_second: int) -> int:
    return cpu_ns * (bytes_per_second // LINE_BYTES) // NS_PER_SECOND


class BlockBooks:
    """Counts per RMID what the hardware of one cache block, or of one node's part of it, would count.

    Of threads without a profile only CPU time is summed up. Traffic and new lines are functions of it, so frequent
    counting loses nothing to rounding.

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
        self._profiled = ProfiledWork(self.capacity_lines)
        self._pools: dict[Pool, int] = {}
        self._held_lines: dict[int, int] = {}

    def charge(self, rmid: int, cpu_ns: int) -> None:
        """Add CPU time of an RMID."""
        self._cpu_ns[rmid] = self._cpu_ns.get(rmid, 0) + cpu_ns

    def charge_profiled(self, rmid: int, tid: int, profile: ThreadProfile, cpu_ns: int) -> None:
        """Add CPU time of a thread with a profile."""
        self._profiled.charge(Pool(rmid, tid), profile, cpu_ns)

    def advance(self, elapsed_ns: int, dead: AbstractSet[int]) -> dict[Pool, Turn]:
        """Move the lines of the CPU time charged since the last call into the cache.

        Returns:
            What each thread with a profile did, by RMID and TID.
        """
        line_ns = LINE_BYTES * TRAFFIC_PER_NEW_LINE
        background = elapsed_ns * self.capacity_lines * line_ns // TRAFFIC_BYTES_PER_CPU_SECOND
        self.charge(0, background // DEFAULT_GROUP_SECONDS)
        new: dict[Pool, int] = {}
        for rmid, cpu_ns in self._cpu_ns.items():
            brought = _lines(cpu_ns, TRAFFIC_BYTES_PER_CPU_SECOND // TRAFFIC_PER_NEW_LINE)
            new[Pool(rmid)] = brought - self._brought_lines.get(rmid, 0)
            self._brought_lines[rmid] = brought
        self._pools, turns = self._profiled.advance(self._pools, new, dead)
        self._held_lines = {}
        for pool, lines in self._pools.items():
            self._held_lines[pool.rmid] = self._held_lines.get(pool.rmid, 0) + lines
        return turns

    def reset_traffic(self, rmid: int, events: tuple[str, ...] = MBM_EVENTS) -> None:
        """Restart traffic at zero, as mkdir does; lines of the previous owner stay."""
        for event in events:
            self._traffic_base_lines[rmid, event] = self._traffic_lines(rmid)

    def reset_all_traffic(self, event: str, transactions: int | None = None) -> None:
        """Count an event from zero for every RMID, and from now on other transactions if these are given."""
        for rmid in self._cpu_ns.keys() | self._profiled.rmids:
            self.reset_traffic(rmid, (event,))
        if transactions is not None:
            self._quarters[event] = traffic_quarters(transactions)

    def hot_bytes(self, rmid: int, tid: int) -> int:
        """The bytes of a thread's hot set that the cache holds."""
        return self._pools.get(Pool(rmid, tid), 0) * LINE_BYTES

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

    def _traffic_lines(self, rmid: int) -> int:
        return _lines(self._cpu_ns.get(rmid, 0), TRAFFIC_BYTES_PER_CPU_SECOND) + self._profiled.missed_lines(rmid)
