"""Reads the assignable MBM counters: `mbm_L3_assignments` of a group, and the counts in info/L3_MON.

fs/resctrl/monitor.c since Linux 6.18. Outside of `mbm_event` mode all of these files answer EINVAL. rmdir gives the
counters of a group back.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

from cachemon.model.mbm_counters import CounterPool, MbmCounter
from cachemon.model.mon_groups import MonGroupName
from cachemon.model.numbers import parse_count
from cachemon.resctrl.system_calls import read_text
from cachemon.resctrl.tree_reader import TreeReader, assignments_file

_NOT_ASSIGNED = "_"


def parse_counts(text: str) -> Mapping[int, int]:
    """`0=32;1=31` -> {0: 32, 1: 31}, by cache id; leaves out entries that are not numbers."""
    counts: dict[int, int] = {}
    for item in text.split(";"):
        block, _, count = (parse_count(part) if part != "=" else None for part in item.partition("="))
        if block is not None and count is not None:
            counts[block] = count
    return counts


def parse_assignments(text: str) -> frozenset[tuple[str, int]]:
    r"""Parse (event, cache id) of every counter that a group has.

    >>> sorted(parse_assignments("mbm_total_bytes:0=e;1=_\nmbm_local_bytes:0=_;1=e\n"))
    [('mbm_local_bytes', 1), ('mbm_total_bytes', 0)]
    """
    found: set[tuple[str, int]] = set()
    for line in text.splitlines():
        event, _, states = line.partition(":")
        for item in states.split(";"):
            name, _, state = item.partition("=")
            block = parse_count(name)
            if block is not None and state not in ("", _NOT_ASSIGNED):
                found.add((event, block))
    return frozenset(found)


def read_pool(tree: TreeReader, groups: Collection[MonGroupName]) -> CounterPool | None:
    """Read the counters of the machine, and which of them these groups have.

    Returns:
        None where the kernel assigns no counters. A group that has gone has none.
    """
    info = tree.root / "info/L3_MON"
    free, total = _read(tree, info / "available_mbm_cntrs"), _read(tree, info / "num_mbm_cntrs")
    if free is None or total is None:
        return None
    ours: set[MbmCounter] = set()
    for where in groups:
        ours |= {MbmCounter(where, event, block) for event, block in read_assignments(tree, where)}
    return CounterPool(free=parse_counts(free), ours=frozenset(ours), total=parse_counts(total))


def read_assignments(tree: TreeReader, where: MonGroupName) -> frozenset[tuple[str, int]]:
    """Read (event, cache id) of every counter that a group has; none if that can't be read."""
    return parse_assignments(_read(tree, assignments_file(tree.directory(where))) or "")


def _read(tree: TreeReader, path: Path) -> str | None:
    try:
        return read_text(tree.calls, path)
    except OSError:
        return None
