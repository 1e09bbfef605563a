"""resctrl in memory: the tree, and the creation and removal of groups (fs/resctrl/rdtgroup.c).

Every operation runs under one lock, as in the kernel under rdtgroup_mutex. It raises OSError with the kernel's errno.
This module does not depend on FUSE.
"""

import errno
import threading
import time
from collections.abc import Callable, Iterator

from resctrl_emulator.accounting import Accounting
from resctrl_emulator.allocation import Allocation
from resctrl_emulator.counters import Counters
from resctrl_emulator.cpus import Cpus
from resctrl_emulator.event_configs import EventConfigs
from resctrl_emulator.group_files import GroupFiles
from resctrl_emulator.group_tree import MONITORING_GROUPS, GroupTree, new_default_group
from resctrl_emulator.groups import Group
from resctrl_emulator.info import Info
from resctrl_emulator.kernfs import Caller, Directory, Kernfs, Node, OpenFile
from resctrl_emulator.machine import Machine
from resctrl_emulator.membership import Membership
from resctrl_emulator.options import Options
from resctrl_emulator.profiled_threads import ProfiledThreads
from resctrl_emulator.readings import Readings
from resctrl_emulator.rmids import Rmids
from resctrl_emulator.status import CommandStatus, refuse
from resctrl_emulator.tasks import Tasks
from resctrl_emulator.threads import Threads


class Resctrl:
    """The file system's state and operations.

    Args:
        options: the emulated features.
        machine: CPUs and cache blocks.
        threads: the threads of the machine.
        owner: the user who mounts it, owns its files and may move any thread.
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
        self.default = new_default_group(self.kernfs, machine.cpus(), owner)
        self.threads = ProfiledThreads(threads, now_ns)
        self.membership = Membership(self.threads, self.default)
        self.rmids = Rmids(options.group_rmids, now_ns, self._is_dirty, options.limbo_seconds)
        self.accounting = self._new_accounting(now_ns)
        self.counters = Counters(options, machine, self.status, self.accounting)
        self.readings = Readings(machine, self.accounting, self.counters)
        self._configs = EventConfigs(
            options, machine, self.status, self.accounting, lambda: [group.rmid for group in self._tree]
        )
        self._tree = self._new_tree()
        self._info = Info(kernfs=self.kernfs, owner=owner, options=options, status=self.status, machine=machine)
        self._info.add_events(self.counters, self._configs)
        self._files = self._new_group_files(owner)
        self._files.add(self.default, owner)
        self.counters.made(self.default)
        self.status.clear()

    def groups(self) -> Iterator[Group]:
        """Every group, each control group before its monitoring groups."""
        return iter(self._tree)

    def tick(self) -> None:
        """Do what the kernel does periodically: count, and free RMIDs in limbo."""
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
                self._tree.make_control(name, mode, caller, self._files)
            elif group is None:
                refuse(self.options.profile.mkdir_in_info_errno)
            elif parent is not group.mon_groups or name == MONITORING_GROUPS:
                refuse(errno.EPERM)
            else:
                self._tree.make_monitoring(group, name, mode, caller, self._files)

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
            self._tree.remove(group)

    def rename(self, old: str, new: str) -> None:
        """Rename a monitoring group, or move it to another control group (rdtgroup_rename).

        Raises:
            OSError: EPERM, with a text in the status, for what is no monitoring group and no place for one;
                ENOENT, also for what is in info/; EEXIST.
        """
        with self.lock:
            source = self.kernfs.find(old)
            parent_path, _, name = new.rpartition("/")
            parent = self.kernfs.find(parent_path)
            if not self.options.profile.renames:
                refuse(errno.EPERM)
            group = self._tree.owner_of(source, self._info.directory)
            new_control = self._tree.owner_of(parent, self._info.directory)
            if group is None or new_control is None:
                refuse(errno.ENOENT)
            self.status.clear()
            if not (isinstance(source, Directory) and isinstance(parent, Directory)):
                self.status.fail(errno.EPERM, "Source and destination must be directories")
            if not group.parent or source is not group.directory:
                self.status.fail(errno.EPERM, "Source must be a MON group\n")
            if parent is not new_control.mon_groups or name == MONITORING_GROUPS:
                self.status.fail(errno.EPERM, "Destination must be a mon_groups subdirectory\n")
            if group.cpus and group.parent is not new_control:
                self.status.fail(errno.EPERM, "Cannot move a MON group that monitors CPUs\n")
            self.accounting.settle(full=True)
            self._tree.move(group, new_control, name)

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
        """Take the CPUs of a cache block offline or online.

        Raises:
            ValueError: there is no such block, or it is the last one online.
        """
        with self.lock:
            if (block_id in self.machine.online_blocks) == online:
                return
            self.accounting.set_block_online(block_id, online=online)
            for domain in self.machine.domains_of(block_id):
                self.counters.domain_gone(domain)
                self._configs.domain_gone(domain)
            for group in self.groups():
                if online:
                    at = group.mon_data
                    owner = Caller(at.uid, at.gid, 0)
                    self._files.add_block(group, block_id, owner)
                    self._files.add_packages(group, owner)
                else:
                    self._files.remove_block(group, block_id)
                    self._files.remove_packages(group)
                group.cpus &= self.machine.cpus()
            if online:
                self.default.cpus |= self.machine.cpus_of(block_id)

    def find_group(self, path: str) -> Group | None:
        """The group whose directory is at a path."""
        return next((group for group in self.groups() if group.path == path), None)

    def _is_dirty(self, rmid: int) -> bool:
        threshold = self._info.max_threshold_occupancy
        return any(held >= threshold for held in self.accounting.occupancy(rmid))

    def _lock_group(self, node: Node) -> Group | None:
        """The group that a directory belongs to, None below info/ (rdtgroup_kn_lock_live)."""
        group = self._tree.owner_of(node, self._info.directory)
        if group and self.options.profile.status_cleared_by_every_lock:
            self.status.clear()
        return group

    def _new_accounting(self, now_ns: Callable[[], int]) -> Accounting:
        return Accounting(
            self.machine,
            self.threads,
            self.membership,
            now_ns,
            lambda: frozenset(self.rmids.limbo),
            scale_bytes=self.options.scale_bytes,
            transactions=self.options.transactions,
        )

    def _new_tree(self) -> GroupTree:
        return GroupTree(
            options=self.options,
            machine=self.machine,
            kernfs=self.kernfs,
            status=self.status,
            default=self.default,
            membership=self.membership,
            rmids=self.rmids,
            accounting=self.accounting,
            counters=self.counters,
        )

    def _new_group_files(self, owner: Caller) -> GroupFiles:
        options = self.options
        allocation = Allocation(self.machine, self.status, options)
        if options.closids:
            self._info.add_allocation(allocation, lambda: self._tree.controls)
        tasks = Tasks(
            options.profile,
            self.status,
            self.threads,
            self.membership,
            self.accounting,
            allocation=bool(options.closids),
            superuser=owner.uid,
        )
        return GroupFiles(
            kernfs=self.kernfs,
            machine=self.machine,
            options=options,
            status=self.status,
            controls=lambda: self._tree.controls,
            tasks=tasks,
            cpus=Cpus(self.machine, self.status, self.default),
            allocation=allocation,
            counters=self.counters,
            readings=self.readings,
        )
