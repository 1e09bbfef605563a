"""Telemetry of CPU packages (Intel AET, Linux 7.0): its events, and their values as whole numbers. Pure.

The kernel prints the events of the "energy" group as decimals, with at most nine places (decplaces in
fs/resctrl/ctrlmondata.c), and all others as integers. Here every value is an integer of 10**-9, so sums are exact.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from operator import itemgetter, mul

from cachemon.model.numbers import LONGEST_COUNT
from cachemon.model.readings import Missing, Reading, parse_reading

CORE_ENERGY, ACTIVITY = "core_energy", "activity"
CORE_CYCLES, UOPS_RETIRED, STALLS_LLC_MISS = "unhalted_core_cycles", "uops_retired", "stalls_llc_miss"
ENERGY_EVENTS = (CORE_ENERGY, ACTIVITY)
PERF_EVENTS = (CORE_CYCLES, UOPS_RETIRED, STALLS_LLC_MISS)

_PLACES = 9
_ONE = 1_000_000_000
_SCALES = {places: 10 ** (_PLACES - places) for places in range(1, _PLACES + 1)}
_LAST_BYTE, _NEWLINE = itemgetter(-1), {10}
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
    if (numbers := _all_numbers(texts)) is not None:
        return numbers, frozenset()
    readings = [text if isinstance(text, Missing) else _parse(text) for text in texts]
    return readings, frozenset(reading for reading in readings if isinstance(reading, Missing))


def _all_numbers(texts: Sequence[bytes | Missing]) -> Sequence[int] | None:
    """The values where all are numbers, as is usual: less than half the time of `_parse`. None where one is not."""
    try:
        joined = b"".join(texts)  # type: ignore[arg-type]
        ends = set(map(_LAST_BYTE, texts))
    except (TypeError, IndexError):  # a reason among them; an empty text
        return None
    lines = joined.split(b"\n")[:-1]
    # Each text is one line of digits and points.
    if ends != _NEWLINE or len(lines) != len(texts) or joined.translate(None, b"0123456789.\n"):
        return None
    points = [line.find(b".") for line in lines]
    one_each = joined.count(b".") == len(points) - points.count(-1)
    if not one_each or 0 in points or max(map(len, lines)) > LONGEST_COUNT:
        return None
    try:
        scales = [
            _ONE if point < 0 else _SCALES[len(line) - point - 1] for line, point in zip(lines, points, strict=True)
        ]
        return list(map(mul, map(int, joined.replace(b".", b"").split(b"\n")[:-1]), scales))
    except (KeyError, ValueError):  # no digit or too many after the point; an empty line
        return None


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
