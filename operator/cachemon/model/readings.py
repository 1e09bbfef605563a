"""Readings: the content of one mon_data file, as a number or as the reason why there is none."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from cachemon.model.numbers import LONGEST_COUNT, parse_count


class Missing(StrEnum):
    """Why a mon_data file gave no number. The values are those of `reading` in the API."""

    UNAVAILABLE = "Unavailable"
    """The hardware holds no value now (fs/resctrl/ctrlmondata.c, -EINVAL)."""
    ERROR = "Error"
    """The hardware answered with an error (-EIO)."""
    UNASSIGNED = "Unassigned"
    """AMD ABMC, Linux 6.18: no counter is assigned (-ENOENT)."""
    OFFLINE = "Offline"
    """The cache block or the mon_group is gone: ENODEV from a kept descriptor, ENOENT from open."""


Reading = int | Missing

VALID = "Valid"


def parse_reading(text: bytes) -> Reading:
    """The content of a mon_data file: `%llu` or a word, with or without a newline.

    Anything else counts as `Missing.ERROR`: a number that can't be read is no number.
    """
    number = parse_count(text)
    if number is not None:
        return number
    try:
        return Missing(text.strip().decode("ascii", "replace"))
    except ValueError:
        return Missing.ERROR


def parse_readings(texts: Sequence[bytes | Missing]) -> tuple[Sequence[Reading], frozenset[Missing]]:
    """Parse many texts as `parse_reading` does; a reason instead of a text stays that reason.

    Where all are numbers, as is usual, no Python code runs per number.

    Returns:
        The readings, and which reasons are among them.
    """
    try:
        are_numbers = not b"".join(texts).translate(None, b"0123456789\n")  # type: ignore[arg-type]
        if are_numbers and max(map(len, texts), default=0) <= LONGEST_COUNT:
            return list(map(int, texts)), frozenset()
    except (TypeError, ValueError):  # a reason among them; an empty text
        pass
    readings = [text if isinstance(text, Missing) else parse_reading(text) for text in texts]
    return readings, frozenset(reading for reading in readings if isinstance(reading, Missing))


_WORST_FIRST = (Missing.OFFLINE, Missing.ERROR, Missing.UNAVAILABLE, Missing.UNASSIGNED)


def total(readings: Iterable[Reading]) -> Reading:
    """The sum, or the worst reason why there is none: a sum with a part missing would be wrong."""
    values = list(readings)
    try:
        return sum(values)  # type: ignore[arg-type]
    except TypeError:
        return next(reason for reason in _WORST_FIRST if reason in values)


@dataclass(frozen=True, slots=True)
class CacheBlock:
    """One last-level cache.

    Attributes:
        level: cache level; resctrl monitors 3.
        id: the cache id (/sys/devices/system/cpu/cpuN/cache/index3/id), may have gaps.
        capacity_bytes: its size, or None if sysfs does not have it.
        cpus: online CPUs that share it, as sysfs lists them; empty if sysfs does not have them.
        numa_nodes: the NUMA nodes that share it and have counters of their own (Intel SNC, Linux 6.11).
    """

    level: int
    id: int
    capacity_bytes: int | None
    cpus: str
    numa_nodes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class BlockShare:
    """The part of a cache block that one NUMA node has (Intel SNC)."""

    block_id: int
    numa_node: int

    @property
    def id(self) -> tuple[int, int]:
        """The cache id, and the number of the NUMA node."""
        return self.block_id, self.numa_node
