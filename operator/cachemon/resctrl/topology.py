"""The last-level caches of the machine, from sysfs (Documentation/ABI/testing/sysfs-devices-system-cpu)."""

import os
from collections.abc import Mapping
from pathlib import Path

from cachemon.model.readings import CacheBlock

__all__ = ["parse_size", "read_cache_blocks"]

_MONITORED_LEVEL = 3
_UNITS = {"K": 1024, "M": 1024**2, "G": 1024**3}


def parse_size(text: str) -> int | None:
    """`32768K` -> 33554432; None for what is no size."""
    text = text.strip()
    number, unit = (text[:-1], _UNITS[text[-1]]) if text[-1:] in _UNITS else (text, 1)
    return int(number) * unit if number.isascii() and number.isdecimal() else None


def read_cache_blocks(sysfs: Path) -> Mapping[int, CacheBlock]:
    """Level 3 caches by cache id, from the online CPUs; empty where sysfs tells nothing.

    Args:
        sysfs: /sys as a rule.
    """
    blocks: dict[int, CacheBlock] = {}
    for cpu in _entries(sysfs / "devices/system/cpu", "cpu"):
        for index in _entries(cpu / "cache", "index"):
            block = _read_cache(index)
            if block is not None and block.id not in blocks:
                blocks[block.id] = block
    return blocks


def _read_cache(index: Path) -> CacheBlock | None:
    try:
        if int((index / "level").read_text()) != _MONITORED_LEVEL:
            return None
        return CacheBlock(
            level=_MONITORED_LEVEL,
            id=int((index / "id").read_text()),
            capacity_bytes=parse_size((index / "size").read_text()),
            cpus=(index / "shared_cpu_list").read_text().strip(),
        )
    except (OSError, ValueError):
        return None


def _entries(directory: Path, prefix: str) -> list[Path]:
    try:
        with os.scandir(directory) as entries:
            suffixes = [entry.name.removeprefix(prefix) for entry in entries if entry.name.startswith(prefix)]
    except OSError:
        return []
    numbers = sorted(int(suffix) for suffix in suffixes if suffix.isdecimal())
    return [directory / f"{prefix}{number}" for number in numbers]
