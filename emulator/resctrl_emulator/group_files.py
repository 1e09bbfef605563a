"""The files of a group's directory."""

from collections.abc import Callable, Iterable

from resctrl_emulator.allocation import Allocation
from resctrl_emulator.counters import Counters
from resctrl_emulator.cpus import Cpus
from resctrl_emulator.groups import Group
from resctrl_emulator.kernfs import Caller, Directory, Kernfs
from resctrl_emulator.machine import Machine
from resctrl_emulator.options import Options
from resctrl_emulator.readings import Readings
from resctrl_emulator.status import CommandStatus
from resctrl_emulator.tasks import Tasks
from resctrl_emulator.telemetry import TELEMETRY_EVENTS

ShowGroup = Callable[[Group, Caller], str]
StoreGroup = Callable[[Group, Caller, str], None]


class GroupFiles:
    """Adds files to group directories, each with its functions to read and write.

    Args:
        kernfs: the tree.
        machine: the online cache blocks.
        options: decide which files exist, and when the status is cleared.
        status: last_cmd_status.
        controls: all control groups.
        readings: the content of mon_data.
    """

    def __init__(
        self,
        *,
        kernfs: Kernfs,
        machine: Machine,
        options: Options,
        status: CommandStatus,
        controls: Callable[[], Iterable[Group]],
        tasks: Tasks,
        cpus: Cpus,
        allocation: Allocation,
        counters: Counters,
        readings: Readings,
    ) -> None:
        self._kernfs = kernfs
        self._machine = machine
        self._options = options
        self._status = status
        self._controls = controls
        self._tasks = tasks
        self._cpus = cpus
        self._allocation = allocation
        self._counters = counters
        self._readings = readings

    def add(self, group: Group, owner: Caller) -> None:
        """Add the files of a new group."""
        self._add(group, owner, "tasks", self._tasks.show, self._tasks.store)
        self._add(group, owner, "cpus", lambda each, _: self._cpus.show_mask(each), self._store_mask)
        self._add(group, owner, "cpus_list", lambda each, _: self._cpus.show_list(each), self._store_list)
        if not group.parent:
            allocation = self._allocation
            self._add(group, owner, "schemata", lambda each, _: allocation.show_schemata(each), self._store_schemata)
            self._add(group, owner, "mode", lambda each, _: allocation.show_mode(each), self._store_mode)
            self._add(group, owner, "size", lambda each, _: allocation.show_size(each))
        if self._options.counters:
            self._add(
                group,
                owner,
                "mbm_L3_assignments",
                lambda each, _: self._counters.show_assignments(each),
                self._store_assignments,
            )
        for block_id in self._machine.online_blocks:
            self.add_block(group, block_id, owner)
        self.add_packages(group, owner)

    def add_block(self, group: Group, block_id: int, owner: Caller) -> None:
        """Add the directory of a cache block to a group's mon_data; its mode is that of mon_data.

        With SNC it holds the sums of the nodes, and below it a directory for each of them.
        """
        directory = self._kernfs.add_directory(group.mon_data, block_name(block_id), group.mon_data.mode, owner)
        events, readings = self._options.events, self._readings
        if self._options.nodes == 1:
            self._add_events(directory, owner, events, lambda event: readings.domain(group, block_id, event))
            return
        self._add_events(directory, owner, events, lambda event: readings.block(group, block_id, event))
        for node in self._machine.domains_of(block_id):
            below = self._kernfs.add_directory(directory, f"mon_sub_L3_{node:02d}", directory.mode, owner)
            self._add_events(
                below,
                owner,
                events,
                lambda event, node=node: readings.domain(group, node, event),  # type: ignore[misc]
            )

    def remove_block(self, group: Group, block_id: int) -> None:
        """Take a cache block's directory out of a group's mon_data."""
        self._kernfs.remove(group.mon_data.children[block_name(block_id)])

    def add_packages(self, group: Group, owner: Caller) -> None:
        """Add the missing directories of online CPU packages."""
        for package in self._machine.online_packages if self._options.packages else ():
            if package_name(package) not in group.mon_data.children:
                name, mode = package_name(package), group.mon_data.mode
                directory = self._kernfs.add_directory(group.mon_data, name, mode, owner)
                self._add_events(
                    directory,
                    owner,
                    TELEMETRY_EVENTS,
                    lambda event, package=package: self._readings.package(group, package, event),  # type: ignore[misc]
                )

    def remove_packages(self, group: Group) -> None:
        """Remove the directories of packages without an online CPU."""
        online = {package_name(package) for package in self._machine.online_packages}
        for name, node in list(group.mon_data.children.items()):
            if name.startswith("mon_PERF_PKG_") and name not in online:
                self._kernfs.remove(node)

    def _add_events(
        self, directory: Directory, owner: Caller, events: Iterable[str], read: Callable[[str], str]
    ) -> None:
        for event in events:

            def show(_: Caller, event: str = event) -> str:
                self._clear_as_every_lock_does()
                return read(event) + "\n"

            self._kernfs.add_file(directory, event, 0o444, owner, show=show)

    def _add(self, group: Group, owner: Caller, name: str, show: ShowGroup, store: StoreGroup | None = None) -> None:
        def show_file(caller: Caller) -> str:
            self._clear_as_every_lock_does()
            return show(group, caller)

        def store_file(caller: Caller, text: str) -> None:
            self._clear_as_every_lock_does()
            assert store is not None
            store(group, caller, text)

        mode = 0o644 if store else 0o444
        self._kernfs.add_file(group.directory, name, mode, owner, show=show_file, store=store_file if store else None)

    def _clear_as_every_lock_does(self) -> None:
        if self._options.profile.status_cleared_by_every_lock:
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

    def _store_assignments(self, group: Group, _: Caller, text: str) -> None:
        self._counters.store_assignments(group, text)


def block_name(block_id: int) -> str:
    """The directory of a cache block: at least two digits."""
    return f"mon_L3_{block_id:02d}"


def package_name(package: int) -> str:
    """The directory of a CPU package."""
    return f"mon_PERF_PKG_{package:02d}"
