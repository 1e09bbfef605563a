"""resctrl in memory: the tree, and what making and removing groups means (fs/resctrl/rdtgroup.c).

Every operation runs under one lock, as the kernel's run under rdtgroup_mutex, and raises OSError with the errno
that the kernel gives. FUSE is not known here.
"""

import errno
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cachemon.emulator.accounting import Accounting
from cachemon.emulator.allocation import Allocation
from cachemon.emulator.cpus import Cpus
from cachemon.emulator.group_files import GroupFiles
from cachemon.emulator.groups import Group
from cachemon.emulator.info import Info
from cachemon.emulator.kernfs import Caller, Directory, Kernfs, Node, OpenFile
from cachemon.emulator.machine import Machine
from cachemon.emulator.membership import Membership
from cachemon.emulator.profile import PROFILES, Profile
from cachemon.emulator.rmids import OutOfRmidsError, Rmids
from cachemon.emulator.status import CommandStatus, refuse
from cachemon.emulator.tasks import Tasks
from cachemon.emulator.threads import Threads
from cachemon.emulator.workload import EVENTS

__all__ = ["Options", "Resctrl"]

MONITORING_GROUPS = "mon_groups"


@dataclass(frozen=True, slots=True)
class Options:
    """What the pretended hardware and kernel can do.

    Attributes:
        rmids: RMIDs with that of the default group.
        events: of `workload.EVENTS`, in that order.
        profile: whose kernel's ways.
        closids: classes of service with that of the default group; 0 is monitoring only.
    """

    rmids: int = 64
    events: tuple[str, ...] = EVENTS
    profile: Profile = PROFILES["7.3"]
    closids: int = 0


class Resctrl:
    """The file system's state and operations.

    Args:
        options: what is pretended.
        machine: CPUs and cache blocks.
        threads: the machine's.
        owner: who mounts it; its files are his, and he may move any thread.
        now_ns: a monotonic clock.
        wall_ns: the time of day, for time stamps.
    """

    def __init__(
        self,
        options: Options,
        machine: Machine,
        threads: Threads,
        owner: Caller,
        *,
        now_ns: Callable[[], int] = time.monotonic_ns,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.lock = threading.RLock()
        self.options = options
        self.machine = machine
        self.kernfs = Kernfs(wall_ns, owner)
        self.status = CommandStatus(marks_truncation=options.profile.status_marks_truncation)
        self.default = self._new_default_group(owner)
        self.membership = Membership(threads, self.default)
        self.rmids = Rmids(options.rmids, now_ns, self._is_dirty)
        self.accounting = Accounting(machine, threads, self.membership, now_ns, lambda: frozenset(self.rmids.limbo))
        self._closids = list(range(1, options.closids))
        self._controls = [self.default]
        self._group_of = {self.default.directory.ino: self.default}
        self._info = Info(
            kernfs=self.kernfs,
            owner=owner,
            profile=options.profile,
            status=self.status,
            machine=machine,
            events=options.events,
            rmids=options.rmids,
        )
        self._files = self._new_group_files(threads, owner)
        self._files.add(self.default, owner)

    def groups(self) -> Iterator[Group]:
        """Every group, each control group before its monitoring groups."""
        for control in self._controls:
            yield control
            yield from control.children

    def tick(self) -> None:
        """What the kernel does by itself: count, and let RMIDs out of limbo."""
        with self.lock:
            self.accounting.settle()
            self.rmids.let_out()

    def mkdir(self, path: str, mode: int, caller: Caller) -> None:
        """Make a group.

        Raises:
            OSError: EEXIST, EINVAL, EPERM, ENODEV, ENOSPC, EBUSY, ENOENT.
        """
        with self.lock:
            parent_path, _, name = path.rpartition("/")
            parent = self.kernfs.directory(parent_path)
            if name in parent.children:
                refuse(errno.EEXIST)
            if "\n" in name:
                refuse(errno.EINVAL)
            group = self._lock_group(parent)
            if self.options.closids and parent is self.kernfs.root:
                self._make_control(name, mode, caller)
            elif group is None:
                refuse(self.options.profile.mkdir_in_info_errno)
            elif parent is not group.mon_groups or name == MONITORING_GROUPS:
                refuse(errno.EPERM)
            else:
                self._make_monitoring(group, name, mode, caller)

    def rmdir(self, path: str) -> None:
        """Remove a group; its threads go to its parent, or to the default group.

        Raises:
            OSError: EPERM for what is no group; ENOENT, ENOTDIR.
        """
        with self.lock:
            directory = self.kernfs.directory(path)
            group = self._lock_group(directory)
            if group is None or group is self.default or directory is not group.directory:
                refuse(errno.EPERM)
            self.accounting.settle(full=True)
            self._remove(group)

    def open(self, path: str, flags: int) -> OpenFile:
        """Open a file; see `Kernfs.open`."""
        with self.lock:
            return self.kernfs.open(path, flags)

    def read(self, handle: OpenFile, size: int, offset: int, caller: Caller) -> bytes:
        """Read an open file; see `Kernfs.read`."""
        with self.lock:
            return self.kernfs.read(handle, size, offset, caller)

    def write(self, handle: OpenFile, data: bytes, caller: Caller) -> int:
        """Write an open file; see `Kernfs.write`."""
        with self.lock:
            return self.kernfs.write(handle, data, caller)

    def set_block_online(self, block_id: int, *, online: bool) -> None:
        """Unplug or plug the CPUs of a cache block.

        Raises:
            ValueError: there is no such block, or it is the last one online.
        """
        with self.lock:
            if (block_id in self.machine.online_blocks) == online:
                return
            self.accounting.set_block_online(block_id, online=online)
            for group in self.groups():
                if online:
                    at = group.mon_data
                    self._files.add_block(group, block_id, Caller(at.uid, at.gid, 0))
                else:
                    self._files.remove_block(group, block_id)
                group.cpus &= self.machine.cpus()
            if online:
                self.default.cpus |= self.machine.cpus_of(block_id)

    def find_group(self, path: str) -> Group | None:
        """The group whose directory is at a path."""
        return next((group for group in self.groups() if group.path == path), None)

    def _make_control(self, name: str, mode: int, caller: Caller) -> None:
        if self.options.profile.rmid_before_closid:
            rmid = self._take_rmid()
            if not self._closids:
                self._free_rmid(rmid)
                self.status.fail(errno.ENOSPC, "Out of CLOSIDs\n")
        else:
            if not self._closids:
                self.status.fail(errno.ENOSPC, "Out of CLOSIDs\n")
            rmid = self._take_rmid()
        directory, mon_data = self._add_directories(self.kernfs.root, name, mode, caller)
        mon_groups = self.kernfs.add_directory(directory, MONITORING_GROUPS, mode, caller)
        group = Group(rmid, self._closids.pop(0), None, directory, mon_data, mon_groups)
        self._controls.append(group)
        self._finish(group, caller)

    def _make_monitoring(self, parent: Group, name: str, mode: int, caller: Caller) -> None:
        rmid = self._take_rmid()
        assert parent.mon_groups is not None
        directory, mon_data = self._add_directories(parent.mon_groups, name, mode, caller)
        group = Group(rmid, parent.closid, parent, directory, mon_data)
        parent.children.append(group)
        self._finish(group, caller)

    def _finish(self, group: Group, caller: Caller) -> None:
        self._group_of[group.directory.ino] = group
        self.accounting.settle(full=True)
        self.accounting.new_owner(group.rmid)
        self._files.add(group, caller)

    def _remove(self, group: Group) -> None:
        gone = [group, *group.children]
        self.membership.move_all(gone, group.parent or self.default)
        if group.parent:
            group.parent.children.remove(group)
        else:
            self._controls.remove(group)
            self.default.cpus |= group.cpus
            self._closids.append(group.closid)
            self._closids.sort()
        for each in gone:
            del self._group_of[each.directory.ino]
            self._free_rmid(each.rmid)
        self.kernfs.remove(group.directory)

    def _take_rmid(self) -> int:
        try:
            return self.rmids.take()
        except OutOfRmidsError as error:
            self.status.fail(error.errno, "Out of RMIDs\n")

    def _free_rmid(self, rmid: int) -> None:
        one_block = len(self.machine.online_blocks) == 1
        skips = one_block and not self.options.profile.limbo_for_clean_rmids and not self._is_dirty(rmid)
        self.rmids.give_back(rmid, through_limbo=not skips)

    def _is_dirty(self, rmid: int) -> bool:
        threshold = self._info.max_threshold_occupancy
        return any(held >= threshold for held in self.accounting.occupancy(rmid))

    def _lock_group(self, node: Node) -> Group | None:
        """The group that a directory belongs to, None below info/ (rdtgroup_kn_lock_live)."""
        at: Node | None = node
        while at is not None and at.ino not in self._group_of:
            if at is self._info.directory:
                return None
            at = at.parent
        assert at is not None
        if self.options.profile.status_cleared_by_every_lock:
            self.status.clear()
        return self._group_of[at.ino]

    def _new_group_files(self, threads: Threads, owner: Caller) -> GroupFiles:
        options = self.options
        allocation = Allocation(self.machine, self.status, options.closids)
        if options.closids:
            self._info.add_allocation(allocation, lambda: self._controls)
        tasks = Tasks(
            options.profile,
            self.status,
            threads,
            self.membership,
            self.accounting,
            allocation=bool(options.closids),
            superuser=owner.uid,
        )
        return GroupFiles(
            kernfs=self.kernfs,
            machine=self.machine,
            profile=options.profile,
            status=self.status,
            events=options.events,
            controls=lambda: self._controls,
            tasks=tasks,
            cpus=Cpus(self.machine, self.status, self.default),
            allocation=allocation,
            accounting=self.accounting,
        )

    def _new_default_group(self, owner: Caller) -> Group:
        root = self.kernfs.root
        mon_groups = self.kernfs.add_directory(root, MONITORING_GROUPS, root.mode, owner)
        mon_data = self.kernfs.add_directory(root, "mon_data", root.mode, owner)
        return Group(0, 0, None, root, mon_data, mon_groups, cpus=set(self.machine.cpus()))

    def _add_directories(
        self, parent: Directory, name: str, mode: int, caller: Caller
    ) -> tuple[Directory, Directory]:
        directory = self.kernfs.add_directory(parent, name, mode, caller)
        return directory, self.kernfs.add_directory(directory, "mon_data", mode, caller)
