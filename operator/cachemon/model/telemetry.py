"""Telemetry of CPU packages (Intel AET, Linux 7.0): its events, and their values as whole numbers. Pure.

The kernel prints the events of the "energy" group as decimals, with at most nine places (decplaces in
fs/resctrl/ctrlmondata.c), and all others as integers. Here every value is an integer of 10**-9, so sums are exact.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from cachemon.model.readings import Missing, Reading, parse_reading

CORE_ENERGY, ACTIVITY = "core_energy", "activity"
CORE_CYCLES, UOPS_RETIRED, STALLS_LLC_MISS = "unhalted_core_cycles", "uops_retired", "stalls_llc_miss"
ENERGY_EVENTS = (CORE_ENERGY, ACTIVITY)
PERF_EVENTS = (CORE_CYCLES, UOPS_RETIRED, STALLS_LLC_MISS)

_PLACES = 9
_ONE = 1_000_000_000
_DECIMAL = re.compile(rb"([0-9]{1,20})\.([0-9]{1,9})")
HIGHEST_PER_SECOND = 10**14 * _ONE
"""No package counts more: several times the uops of a thousand cores."""


@dataclass(frozen=True, slots=True)
class Package:
    """A CPU package, by its number in the kernel (topology_physical_package_id)."""

    id: int


@dataclass(frozen=True, slots=True)
class Telemetry:
    """The content of info/PERF_PKG_MON.

    Attributes:
        num_rmids: RMIDs that the packages count; the kernel creates no more groups than this.
        events: the events of mon_features that cachemon reads.
    """

    num_rmids: int
    events: tuple[str, ...]


def parse_telemetry(texts: Sequence[bytes | Missing]) -> tuple[Sequence[Reading], frozenset[Missing]]:
    r"""The values of telemetry files in units of 10**-9, and which reasons are among them.

    >>> parse_telemetry([b"4.250000\n", b"12\n", b"Unavailable\n"])[0]
    [4250000000, 12000000000, <Missing.UNAVAILABLE: 'Unavailable'>]
    """
    readings = [text if isinstance(text, Missing) else _parse(text) for text in texts]
    return readings, frozenset(reading for reading in readings if isinstance(reading, Missing))


def _parse(text: bytes) -> Reading:
    if decimal := _DECIMAL.fullmatch(text.strip()):
        return int(decimal[1]) * _ONE + int(decimal[2].ljust(_PLACES, b"0"))
    reading = parse_reading(text)
    return reading if isinstance(reading, Missing) else reading * _ONE


def whole(value: int) -> int:
    """A value of 10**-9 as the nearest whole number."""
    return (value + _ONE // 2) // _ONE


def exact_decimal(value: int) -> Decimal:
    """A value of 10**-9 with all its decimals, and no zeros after them."""
    integer, fraction = divmod(value, _ONE)
    return Decimal(f"{integer}.{fraction:0{_PLACES}d}".rstrip("0").rstrip("."))
