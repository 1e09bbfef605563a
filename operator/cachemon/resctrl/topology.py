"""Reads the last-level caches of the machine from sysfs (Documentation/ABI/testing/sysfs-devices-system-cpu)."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from cachemon.model.numbers import parse_count
from cachemon.model.readings import CacheBlock
from cachemon.resctrl.system_calls import SystemCalls, read_text

_MONITORED_LEVEL = 3
_LONGEST_NUMBER = 10
"""Digits: ids of caches are 32 bits wide, and sizes are in KiB."""
_MOST_BYTES = 64 * 1024
_CPU_LIST = re.compile(r"[0-9,-]*")
_UNITS = {"K": 1024, "M": 1024**2, "G": 1024**3}


def parse_size(text: str) -> int | None:
    """Parse `32768K` to 33554432; None if the text is not a size."""
    text = text.strip()
    number, unit = (text[:-1], _UNITS[text[-1]]) if text[-1:] in _UNITS else (text, 1)
    count = parse_count(number, _LONGEST_NUMBER)
    return None if count is None else count * unit


def read_cache_blocks(sysfs: Path, calls: SystemCalls | None = None) -> Mapping[int, CacheBlock]:
    """Return the level 3 caches of the online CPUs by cache id; empty if sysfs has none.

    Leaves out a cache whose level or id is not valid. A cache without a valid size has no capacity.

    Args:
        sysfs: /sys as a rule.
        calls: the system calls.
    """
    calls = calls or SystemCalls()
    blocks: dict[int, CacheBlock] = {}
    for cpu in _entries(sysfs / "devices/system/cpu", "cpu"):
        for index in _entries(cpu / "cache", "index"):
            block = _read_cache(index, calls)
            if block is not None and block.id not in blocks:
                blocks[block.id] = block
    return blocks


def _read_cache(index: Path, calls: SystemCalls) -> CacheBlock | None:
    try:
        level = parse_count(read_text(calls, index / "level", _MOST_BYTES), _LONGEST_NUMBER)
        if level != _MONITORED_LEVEL:
            return None
        cache_id = parse_count(read_text(calls, index / "id", _MOST_BYTES), _LONGEST_NUMBER)
        if cache_id is None:
            return None
        cpus = read_text(calls, index / "shared_cpu_list", _MOST_BYTES).strip()
        return CacheBlock(
            level=_MONITORED_LEVEL,
            id=cache_id,
            capacity_bytes=parse_size(read_text(calls, index / "size", _MOST_BYTES)) or None,  # VMs have caches of 0K
            cpus=cpus if _CPU_LIST.fullmatch(cpus) else "",
        )
    except OSError:
        return None


def _entries(directory: Path, prefix: str) -> list[Path]:
    try:
        with os.scandir(directory) as entries:
            suffixes = [entry.name.removeprefix(prefix) for entry in entries if entry.name.startswith(prefix)]
    except OSError:
        return []
    numbers = (parse_count(suffix, _LONGEST_NUMBER) for suffix in suffixes)
    return [directory / f"{prefix}{number}" for number in sorted(number for number in numbers if number is not None)]
