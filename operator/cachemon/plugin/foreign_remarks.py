"""Lines about other programs' mon_groups that hold threads of a group. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cachemon.commands.usage_rows import sum_known
from cachemon.model.readings import VALID
from cachemon.model.units import format_bytes, format_rate


def foreign_remarks(item: Mapping[str, Any]) -> Iterator[str]:
    """One line for each mon_group beside a group, an item of `status.groups`."""
    for theirs in item.get("foreignMonGroups", ()):
        threads = f"{theirs['threads']} {'thread' if theirs['threads'] == 1 else 'threads'}"
        yield (
            f"{item['name']}: {theirs['name']} of another program ({theirs['holds']}, {threads}) has "
            f"{_use(theirs['cacheBlocks'])}; these are its figures, not the group's"
        )


def _use(blocks: Sequence[Mapping[str, Any]]) -> str:
    held = sum_known(block.get("occupancyBytes") if block["reading"] == VALID else None for block in blocks)
    rate = sum_known(block.get("memoryBandwidth", {}).get("totalBytesPerSecond") for block in blocks)
    cache = "no figure of cache" if held is None else f"{format_bytes(held)} of cache"
    return f"{cache} and {'no figure' if rate is None else f'{format_rate(rate)}/s'} of memory traffic"
