"""Reads from sysfs what the memory of a cache block can carry, where the firmware says so (ACPI HMAT).

`access0` is the class of the initiators that are nearest to a node's memory, and `read_bandwidth` is in MB/s
(Documentation/admin-guide/mm/numaperf.rst). Memory without CPUs, such as CXL, counts for no block.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from cachemon.model.numbers import parse_count
from cachemon.model.readings import CacheBlock
from cachemon.resctrl.system_calls import SystemCalls, read_text

_MOST_BYTES = 64 * 1024
_BYTES_PER_MEGABYTE = 1_000_000
_MOST_CPUS = 16384
"""Twice CONFIG_NR_CPUS of the largest kernels."""
_RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")
_NODE = re.compile(r"node([0-9]{1,5})")


def read_bandwidth_limits(
    sysfs: Path, blocks: Iterable[CacheBlock], calls: SystemCalls | None = None
) -> Mapping[int, int]:
    """Bytes per second that the memory of cache blocks can carry, by cache id.

    A block is left out unless its CPUs are exactly those of some NUMA nodes, and each of these has a bandwidth. The
    bandwidth of a node that several blocks share says nothing about one of them.

    Args:
        sysfs: /sys as a rule.
        blocks: the cache blocks.
        calls: the system calls.
    """
    nodes = _nodes(sysfs / "devices/system/node", calls or SystemCalls())
    found: dict[int, int] = {}
    for block in blocks:
        cpus = _parse_cpus(block.cpus)
        inside = [(its, megabytes) for its, megabytes in nodes if its <= cpus]
        limits = [megabytes for _, megabytes in inside if megabytes]
        if cpus and frozenset[int]().union(*(its for its, _ in inside)) == cpus and len(limits) == len(inside):
            found[block.id] = sum(limits) * _BYTES_PER_MEGABYTE
    return found


def _nodes(directory: Path, calls: SystemCalls) -> list[tuple[frozenset[int], int | None]]:
    """The CPUs of each node that has some, and its bandwidth in MB/s."""
    try:
        names = calls.subdirectories(directory)
    except OSError:
        return []
    nodes = []
    for name in names:
        if _NODE.fullmatch(name) and (cpus := _parse_cpus(_text(calls, directory / name / "cpulist"))):
            bandwidth = _text(calls, directory / name / "access0/initiators/read_bandwidth")
            nodes.append((cpus, parse_count(bandwidth, 10)))
    return nodes


def _text(calls: SystemCalls, path: Path) -> str:
    try:
        return read_text(calls, path, _MOST_BYTES)
    except OSError:
        return ""


def _parse_cpus(text: str) -> frozenset[int]:
    """The CPUs of a list such as `0-3,8`; empty if it is not valid."""
    cpus: set[int] = set()
    for part in text.strip().split(","):
        found = _RANGE.fullmatch(part)
        if found is None or int(found[2] or found[1]) >= _MOST_CPUS:
            return frozenset()
        cpus.update(range(int(found[1]), int(found[2] or found[1]) + 1))
    return frozenset(cpus)
