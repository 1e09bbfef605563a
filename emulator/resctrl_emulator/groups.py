"""resctrl groups."""

from dataclasses import dataclass, field

from resctrl_emulator.kernfs import Directory


@dataclass(eq=False, slots=True)
class Group:
    """A control group (CTRL_MON) or, with a parent, a monitoring group (MON).

    Attributes:
        rmid: its RMID.
        closid: its control group's class of service.
        parent: the control group of a monitoring group, else None.
        directory: its directory; the root's for the default group.
        mon_data: its directory of cache blocks.
        mon_groups: where monitoring groups are made; None in a monitoring group.
        children: monitoring groups, oldest first.
        cpus: CPUs on which tasks of the default group count for it.
        cache_masks: bits of the cache by block id; only in control groups.
        exclusive: whether those bits are shared with no other group.
    """

    rmid: int
    closid: int
    parent: "Group | None"
    directory: Directory
    mon_data: Directory
    mon_groups: Directory | None = None
    children: "list[Group]" = field(default_factory=list)
    cpus: set[int] = field(default_factory=set)
    cache_masks: dict[int, int] = field(default_factory=dict)
    exclusive: bool = False

    @property
    def control(self) -> "Group":
        """The control group that it is or belongs to."""
        return self.parent or self

    @property
    def path(self) -> str:
        """Its path from the root of the file system, `/` for the default group."""
        if self.parent:
            return f"{self.parent.path.rstrip('/')}/mon_groups/{self.directory.name}"
        return f"/{self.directory.name}"
