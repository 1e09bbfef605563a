"""Telemetry events of CPU packages (Intel AET; PERF_PKG in fs/resctrl/monitor.c of 7.0 and later)."""

from dataclasses import dataclass

FRACTION_BITS = 18
DECIMALS = 6
"""Decimal places for this number of fraction bits (decplaces[18] in fs/resctrl/ctrlmondata.c)."""
NS_PER_SECOND = 1_000_000_000
ONE = 1 << FRACTION_BITS

TELEMETRY_EVENTS = {
    "core_energy": 4 * ONE,
    "activity": ONE * 3 // 4,
    "stalls_llc_hit": 40_000_000,
    "c1_res": 25_000_000,
    "unhalted_core_cycles": 2_600_000_000,
    "stalls_llc_miss": 90_000_000,
    "c6_res": 10_000_000,
    "unhalted_ref_cycles": 2_400_000_000,
    "uops_retired": 3_900_000_000,
}
"""The amount that one second of CPU time adds, in the order of info/PERF_PKG_MON/mon_features. The first two, joules
and farads, are fixed-point numbers."""
FIXED_POINT = ("core_energy", "activity")


@dataclass(slots=True)
class PackageTime:
    """CPU time that the threads of an RMID used on a CPU package.

    Attributes:
        cpu_ns: all of it.
        profiled_ns: the part that threads with a profile used.
        stalled_ns: the part of that in which they waited for memory.
    """

    cpu_ns: int = 0
    profiled_ns: int = 0
    stalled_ns: float = 0.0


def telemetry_value(event: str, time: PackageTime) -> int:
    """The value of an event's counter after this CPU time.

    A stalled thread retires nothing, and each of its cycles is a stall on a miss.
    """
    if event == "uops_retired":
        counted = time.cpu_ns - int(time.stalled_ns)
    elif event == "stalls_llc_miss":
        counted = time.cpu_ns - time.profiled_ns
    else:
        counted = time.cpu_ns
    value = counted * TELEMETRY_EVENTS[event] // NS_PER_SECOND
    if event == "stalls_llc_miss":
        value += int(time.stalled_ns) * TELEMETRY_EVENTS["unhalted_core_cycles"] // NS_PER_SECOND
    return value


def format_fixed_point(event: str, value: int) -> str:
    """A counter as its file shows it: `4.250000` for the events with a fraction, else an integer."""
    if event not in FIXED_POINT:
        return str(value)
    fraction = ((value & (ONE - 1)) * 10**DECIMALS + ONE // 2) >> FRACTION_BITS
    return f"{value >> FRACTION_BITS}.{fraction:0{DECIMALS}d}"
