"""Making, removing and moving groups: who has which directory, RMID and CLOSID."""

import errno
from collections.abc import Iterator

from resctrl_emulator.accounting import Accounting
from resctrl_emulator.counters import Counters
from resctrl_emulator.group_files import GroupFiles
from resctrl_emulator.groups import Group
from resctrl_emulator.kernfs import Caller, Directory, Kernfs, Node
from resctrl_emulator.machine import Machine
from resctrl_emulator.membership import Membership
from resctrl_emulator.options import Options
from resctrl_emulator.rmids import OutOfRmidsError, Rmids
from resctrl_emulator.status import CommandStatus
from resctrl_emulator.workload import LLC_OCCUPANCY

MONITORING_GROUPS = "mon_groups"


class GroupTree:
    """All groups. Names and places have been checked by who calls.

    Args:
        default: the default group; its directories are there.
    """

    def __init__(
        self,
        *,
        options: Options,
        machine: Machine,
        kernfs: Kernfs,
        status: CommandStatus,
        default: Group,
        membership: Membership,
        rmids: Rmids,
        accounting: Accounting,
        counters: Counters,
    ) -> None:
        self._options = options
        self._machine = machine
        self._kernfs = kernfs
        self._status = status
        self._default = default
        self._membership = membership
        self._rmids = rmids
        self._accounting = accounting
        self._counters = counters
        self._free_closids = list(range(1, options.closids))
        self._group_of = {default.directory.ino: default}
        self.controls = [default]

    def __iter__(self) -> Iterator[Group]:
        """Every group, each control group before its monitoring groups."""
        for control in self.controls:
            yield control
            yield from control.children

    def owner_of(self, node: Node, but: Directory) -> Group | None:
        """The group that a node belongs to; None for `but` and what is below it."""
        at: Node | None = node
        while at is not None and at.ino not in self._group_of:
            if at is but:
                return None
            at = at.parent
        assert at is not None
        return self._group_of[at.ino]

    def make_control(self, name: str, mode: int, caller: Caller, files: GroupFiles) -> None:
        """Make a control group.

        Raises:
            OSError: ENOSPC, EBUSY.
        """
        if self._options.profile.rmid_before_closid:
            rmid = self._take_rmid()
            if not self._free_closids:
                self._free_rmid(rmid)
                self._status.fail(errno.ENOSPC, "Out of CLOSIDs\n")
        else:
            if not self._free_closids:
                self._status.fail(errno.ENOSPC, "Out of CLOSIDs\n")
            rmid = self._take_rmid()
        directory, mon_data = self._add_directories(self._kernfs.root, name, mode, caller)
        mon_groups = self._kernfs.add_directory(directory, MONITORING_GROUPS, mode, caller)
        group = Group(rmid, self._free_closids.pop(0), None, directory, mon_data, mon_groups)
        self.controls.append(group)
        self._finish(group, caller, files)

    def make_monitoring(self, parent: Group, name: str, mode: int, caller: Caller, files: GroupFiles) -> None:
        """Make a monitoring group.

        Raises:
            OSError: ENOSPC, EBUSY.
        """
        rmid = self._take_rmid()
        assert parent.mon_groups is not None
        directory, mon_data = self._add_directories(parent.mon_groups, name, mode, caller)
        group = Group(rmid, parent.closid, parent, directory, mon_data)
        parent.children.append(group)
        self._finish(group, caller, files)

    def remove(self, group: Group) -> None:
        """Remove a group, and the monitoring groups of a control group with it."""
        gone = [group, *group.children]
        self._accounting.settle(full=True)
        self._membership.move_all(gone, group.parent or self._default)
        if group.parent:
            group.parent.children.remove(group)
        else:
            self.controls.remove(group)
            self._default.cpus |= group.cpus
            self._free_closids.append(group.closid)
            self._free_closids.sort()
        for each in gone:
            del self._group_of[each.directory.ino]
            self._counters.removed(each.rmid)
            self._free_rmid(each.rmid)
        self._kernfs.remove(group.directory)

    def move(self, group: Group, parent: Group, name: str) -> None:
        """Give a monitoring group another name or control group; RMID, counts and threads go with it."""
        assert parent.mon_groups is not None
        self._kernfs.move(group.directory, parent.mon_groups, name)
        if group.parent is not parent:
            assert group.parent is not None
            group.parent.children.remove(group)
            parent.children.append(group)
            group.parent, group.closid = parent, parent.closid

    def _finish(self, group: Group, caller: Caller, files: GroupFiles) -> None:
        self._group_of[group.directory.ino] = group
        self._accounting.settle(full=True)
        self._accounting.new_owner(group.rmid)
        self._counters.made(group)
        files.add(group, caller)

    def _take_rmid(self) -> int:
        try:
            return self._rmids.take()
        except OutOfRmidsError as error:
            self._status.fail(error.errno, "Out of RMIDs\n")

    def _free_rmid(self, rmid: int) -> None:
        if LLC_OCCUPANCY not in self._options.events:
            # The kernel can't know how dirty an RMID is, so it does not wait (free_rmid).
            self._rmids.give_back(rmid, through_limbo=False)
            return
        one_block = len(self._machine.online_blocks) == 1
        skips = one_block and not self._options.profile.limbo_for_clean_rmids and not self._rmids.is_dirty(rmid)
        self._rmids.give_back(rmid, through_limbo=not skips)

    def _add_directories(
        self, parent: Directory, name: str, mode: int, caller: Caller
    ) -> tuple[Directory, Directory]:
        directory = self._kernfs.add_directory(parent, name, mode, caller)
        return directory, self._kernfs.add_directory(directory, "mon_data", mode, caller)


def new_default_group(kernfs: Kernfs, cpus: frozenset[int], owner: Caller) -> Group:
    """The group whose directory is the root."""
    root = kernfs.root
    mon_groups = kernfs.add_directory(root, MONITORING_GROUPS, root.mode, owner)
    mon_data = kernfs.add_directory(root, "mon_data", root.mode, owner)
    return Group(0, 0, None, root, mon_data, mon_groups, cpus=set(cpus))
