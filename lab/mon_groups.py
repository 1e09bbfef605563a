"""What a mounted resctrl holds, while an agent makes and removes mon_groups in it."""

from pathlib import Path


def threads_by_mon_group(resctrl: Path, pattern: str = "*") -> dict[str, frozenset[int]]:
    """The threads of each mon_group of the root whose name matches; one that goes at this moment is left out."""
    found = {}
    for folder in resctrl.glob(f"mon_groups/{pattern}"):
        try:
            found[folder.name] = frozenset(map(int, (folder / "tasks").read_text().split()))
        except OSError:  # ENOENT, or ENODEV for a file that was open
            continue
    return found


def held_tids(resctrl: Path, pattern: str) -> frozenset[int]:
    """The threads of all of them."""
    return frozenset().union(*threads_by_mon_group(resctrl, pattern).values())
