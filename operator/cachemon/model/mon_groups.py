"""Names of mon_groups and control groups, and which of them the kernel has. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from cachemon.model.groups import GroupKey

OWN_PREFIX = "cachemon-"
"""Begins the name of every mon_group that cachemon makes."""

ROOT = ""
"""The name of the default control group: the root of the tree."""


class MonGroupName(NamedTuple):
    """Names a mon_group by its control group (`ROOT` for the default one) and its own name."""

    control_group: str
    name: str

    @property
    def path(self) -> str:
        """Its directory below the mount point; `/` for the default control group."""
        home = f"/{self.control_group}" if self.control_group else ""
        return (f"{home}/mon_groups/{self.name}" if self.name else home) or "/"

    @property
    def is_ours(self) -> bool:
        """Whether cachemon made it. cachemon never writes to or removes any other."""
        return self.name.startswith(OWN_PREFIX)


Holders = Mapping[MonGroupName, frozenset[GroupKey]]
"""The groups whose threads each mon_group was made for: the members of its cell."""


@dataclass(frozen=True, slots=True)
class Observed:
    """The mon_groups and control groups of the kernel.

    Attributes:
        mon_groups: the TIDs in every mon_group, ours and others'; those of our QEMUs at least.
        control_groups: the TIDs in every control group but the default one, likewise.
        num_rmids: RMIDs of the hardware, the default group's among them.
        unreadable: groups that exist but can't be read; a control group also if its mon_groups can't be listed. TIDs
            that only their tasks files list are missing above.
        unsure: TIDs of our QEMUs that an unreadable mon_group of others may hold.
        pseudo_locked: control groups that hold a piece of a cache and no threads (CAT pseudo-locking). The kernel has
            freed their RMIDs (rdtgroup_locksetup_enter in arch/x86/kernel/cpu/resctrl/pseudo_lock.c): what they count
            is another group's.
    """

    mon_groups: Mapping[MonGroupName, frozenset[int]]
    control_groups: Mapping[str, frozenset[int]]
    num_rmids: int
    unreadable: frozenset[MonGroupName] = frozenset()
    unsure: frozenset[int] = frozenset()
    pseudo_locked: frozenset[str] = frozenset()

    @property
    def foreign_mon_groups(self) -> tuple[MonGroupName, ...]:
        """Mon_groups that others made."""
        return tuple(name for name in self.mon_groups if not name.is_ours)

    @property
    def own_mon_groups(self) -> tuple[MonGroupName, ...]:
        """Mon_groups that we made, wanted or not."""
        return tuple(name for name in self.mon_groups if name.is_ours)

    @property
    def other_rmids(self) -> int:
        """RMIDs that are not ours: every control group and every foreign mon_group takes one."""
        return 1 + len(self.control_groups) + len(self.foreign_mon_groups)

    def rmids_for_us(self, budget: int | None) -> int:
        """Maximum number of mon_groups of ours."""
        free = max(0, self.num_rmids - self.other_rmids)
        return free if budget is None else min(free, budget)
