"""The files of a group's directory."""

from collections.abc import Callable, Iterable

from cachemon.emulator.accounting import Accounting
from cachemon.emulator.allocation import Allocation
from cachemon.emulator.cpus import Cpus
from cachemon.emulator.groups import Group
from cachemon.emulator.kernfs import Caller, Kernfs
from cachemon.emulator.machine import Machine
from cachemon.emulator.profile import Profile
from cachemon.emulator.status import CommandStatus
from cachemon.emulator.tasks import Tasks

__all__ = ["GroupFiles", "block_name"]

ShowGroup = Callable[[Group], str]
StoreGroup = Callable[[Group, Caller, str], None]


class GroupFiles:
    """Puts files into group directories, each bound to what answers for it.

    Args:
        kernfs: the tree.
        machine: which cache blocks are online.
        profile: when the status is cleared.
        status: last_cmd_status.
        events: files of every cache block's directory.
        controls: all control groups.
    """

    def __init__(
        self,
        *,
        kernfs: Kernfs,
        machine: Machine,
        profile: Profile,
        status: CommandStatus,
        events: tuple[str, ...],
        controls: Callable[[], Iterable[Group]],
        tasks: Tasks,
        cpus: Cpus,
        allocation: Allocation,
        accounting: Accounting,
    ) -> None:
        self._kernfs = kernfs
        self._machine = machine
        self._profile = profile
        self._status = status
        self._events = events
        self._controls = controls
        self._tasks = tasks
        self._cpus = cpus
        self._allocation = allocation
        self._accounting = accounting

    def add(self, group: Group, owner: Caller) -> None:
        """Add what a new group's directory holds."""
        self._add(group, owner, "tasks", self._tasks.show, self._tasks.store)
        self._add(group, owner, "cpus", self._cpus.show_mask, self._store_mask)
        self._add(group, owner, "cpus_list", self._cpus.show_list, self._store_list)
        if not group.parent:
            schemata, mode, size = (
                self._allocation.show_schemata,
                self._allocation.show_mode,
                self._allocation.show_size,
            )
            self._add(group, owner, "schemata", schemata, self._store_schemata)
            self._add(group, owner, "mode", mode, self._store_mode)
            self._add(group, owner, "size", size)
        for block_id in self._machine.online_blocks:
            self.add_block(group, block_id, owner)

    def add_block(self, group: Group, block_id: int, owner: Caller) -> None:
        """Add the directory of a cache block to a group's mon_data; its mode is that of mon_data."""
        directory = self._kernfs.add_directory(group.mon_data, block_name(block_id), group.mon_data.mode, owner)
        for event in self._events:

            def show(_: Caller, event: str = event) -> str:
                self._clear_as_every_lock_does()
                return f"{self._accounting.total(group, block_id, event)}\n"

            self._kernfs.add_file(directory, event, 0o444, owner, show=show)

    def remove_block(self, group: Group, block_id: int) -> None:
        """Take a cache block's directory out of a group's mon_data."""
        self._kernfs.remove(group.mon_data.children[block_name(block_id)])

    def _add(self, group: Group, owner: Caller, name: str, show: ShowGroup, store: StoreGroup | None = None) -> None:
        def show_file(_: Caller) -> str:
            self._clear_as_every_lock_does()
            return show(group)

        def store_file(caller: Caller, text: str) -> None:
            self._clear_as_every_lock_does()
            assert store is not None
            store(group, caller, text)

        mode = 0o644 if store else 0o444
        self._kernfs.add_file(group.directory, name, mode, owner, show=show_file, store=store_file if store else None)

    def _clear_as_every_lock_does(self) -> None:
        if self._profile.status_cleared_by_every_lock:
            self._status.clear()

    def _store_mask(self, group: Group, _: Caller, text: str) -> None:
        self._cpus.store(group, self._controls(), text, as_list=False)

    def _store_list(self, group: Group, _: Caller, text: str) -> None:
        self._cpus.store(group, self._controls(), text, as_list=True)

    def _store_schemata(self, group: Group, _: Caller, text: str) -> None:
        self._status.clear()
        self._allocation.store_schemata(group, self._controls(), text)

    def _store_mode(self, group: Group, _: Caller, text: str) -> None:
        self._status.clear()
        self._allocation.store_mode(group, self._controls(), text)


def block_name(block_id: int) -> str:
    """The directory of a cache block: at least two digits."""
    return f"mon_L3_{block_id:02d}"
