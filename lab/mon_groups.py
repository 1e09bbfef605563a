"""What a mounted resctrl holds, while an agent makes and removes mon_groups in it."""

import errno
from pathlib import Path

_GONE = (errno.ENOENT, errno.ENODEV)
"""ENODEV comes from a file that was open when its group went."""


def threads_by_mon_group(resctrl: Path, pattern: str = "*") -> dict[str, frozenset[int]]:
    """The threads of each mon_group of the root whose name matches; one that goes at this moment is left out.

    Raises:
        FileNotFoundError: there are no mon_groups at all: nothing is mounted there, or it monitors nothing.
    """
    found = {}
    for folder in (resctrl / "mon_groups").iterdir():
        if folder.match(pattern):
            try:
                found[folder.name] = frozenset(map(int, (folder / "tasks").read_text().split()))
            except OSError as error:
                if error.errno not in _GONE:
                    raise
    return found


def held_tids(resctrl: Path, pattern: str) -> frozenset[int]:
    """The threads in mon_groups whose names match; raises as `threads_by_mon_group`."""
    return frozenset().union(*threads_by_mon_group(resctrl, pattern).values())
