"""The info/ directory."""

import errno
from collections.abc import Callable, Iterable

from resctrl_emulator.allocation import Allocation
from resctrl_emulator.counters import Counters
from resctrl_emulator.event_configs import EventConfigs
from resctrl_emulator.groups import Group
from resctrl_emulator.kernfs import Caller, Directory, Kernfs
from resctrl_emulator.machine import Machine
from resctrl_emulator.options import Options
from resctrl_emulator.status import CommandStatus
from resctrl_emulator.telemetry import TELEMETRY_EVENTS
from resctrl_emulator.workload import MBM_EVENTS

DIRECTORY_MODE = 0o555
UNSIGNED_INT_MAX = (1 << 32) - 1


class Info:
    """The features and settings of the whole machine.

    Args:
        kernfs: the tree.
        owner: the owner of the files.
        options: decide which files exist, and how they answer invalid input.
        status: last_cmd_status.
        machine: its first cache block's size limits max_threshold_occupancy.

    Attributes:
        directory: info/ itself.
        max_threshold_occupancy: bytes; an RMID that holds as many in any block stays in limbo.
    """

    def __init__(
        self, *, kernfs: Kernfs, owner: Caller, options: Options, status: CommandStatus, machine: Machine
    ) -> None:
        self._kernfs = kernfs
        self._owner = owner
        self._options = options
        self._status = status
        self._cache_bytes = next(iter(machine.blocks.values())).capacity_bytes
        self.max_threshold_occupancy = self._round_down(self._cache_bytes // options.l3_rmids)
        self.directory = kernfs.add_directory(kernfs.root, "info", DIRECTORY_MODE, owner)
        self._l3_mon = kernfs.add_directory(self.directory, "L3_MON", DIRECTORY_MODE, owner)
        self._add(self.directory, "last_cmd_status", status.show)
        self._add(self._l3_mon, "num_rmids", lambda: f"{options.l3_rmids}\n")
        self._add(
            self._l3_mon,
            "max_threshold_occupancy",
            lambda: f"{self.max_threshold_occupancy}\n",
            self._store_threshold,
        )

    def add_allocation(self, allocation: Allocation, groups: Callable[[], Iterable[Group]]) -> None:
        """Add info/L3, for a machine that can allocate cache."""
        l3 = self._kernfs.add_directory(self.directory, "L3", DIRECTORY_MODE, self._owner)
        for name, show in allocation.info.items():
            self._add(l3, name, show)
        self._add(l3, "bit_usage", lambda: allocation.bit_usage(groups()))
        if self._options.profile.sparse_masks:
            self._add(l3, "sparse_masks", lambda: "0\n")

    def add_events(self, counters: Counters, configs: EventConfigs) -> None:
        """Add mon_features, and the files of ABMC, BMEC and telemetry."""
        self._add(self._l3_mon, "mon_features", lambda: self._features(counters, configs))
        if self._options.profile.mbm_assign_mode:
            self._add(
                self._l3_mon,
                "mbm_assign_mode",
                counters.show_mode,
                lambda text: self._store_mode(counters, configs, text),
            )
        if self._options.counters:
            self._add_counters(counters)
        self._show_configs(counters, configs)
        if self._options.packages:
            package_mon = self._kernfs.add_directory(self.directory, "PERF_PKG_MON", DIRECTORY_MODE, self._owner)
            self._add(package_mon, "mon_features", lambda: "".join(f"{event}\n" for event in TELEMETRY_EVENTS))
            self._add(package_mon, "num_rmids", lambda: f"{self._options.telemetry_rmids}\n")

    def _add_counters(self, counters: Counters) -> None:
        self._add(self._l3_mon, "num_mbm_cntrs", counters.show_number)
        self._add(self._l3_mon, "available_mbm_cntrs", counters.show_available)
        self._add(self._l3_mon, "mbm_assign_on_mkdir", counters.show_on_mkdir, counters.store_on_mkdir)
        every = self._kernfs.add_directory(self._l3_mon, "event_configs", DIRECTORY_MODE, self._owner)
        for event in self._options.events:
            if event in MBM_EVENTS:
                at = self._kernfs.add_directory(every, event, DIRECTORY_MODE, self._owner)
                self._add(
                    at,
                    "event_filter",
                    lambda event=event: counters.show_filter(event),  # type: ignore[misc]
                    lambda text, event=event: counters.store_filter(event, text),  # type: ignore[misc]
                )

    def _show_configs(self, counters: Counters, configs: EventConfigs) -> None:
        """BMEC's files are there while MBM events are not counted by assignment (resctrl_bmec_files_show)."""
        for event in configs.events:
            name = f"{event}_config"
            there = self._l3_mon.children.get(name)
            if there and counters.enabled:
                self._kernfs.remove(there)
            elif not there and not counters.enabled:
                self._add(
                    self._l3_mon,
                    name,
                    lambda event=event: configs.show(event),  # type: ignore[misc]
                    lambda text, event=event: configs.store(event, text),  # type: ignore[misc]
                )

    def _features(self, counters: Counters, configs: EventConfigs) -> str:
        lines: list[str] = []
        for event in self._options.events:
            lines.append(f"{event}\n")
            if event in configs.events and not counters.enabled:
                lines.append(f"{event}_config\n")
        return "".join(lines)

    def _store_mode(self, counters: Counters, configs: EventConfigs, text: str) -> None:
        if counters.store_mode(text):
            self._show_configs(counters, configs)

    def _add(
        self,
        directory: Directory,
        name: str,
        show: Callable[[], str],
        store: Callable[[str], None] | None = None,
    ) -> None:
        def store_text(_: Caller, text: str) -> None:
            assert store is not None
            store(text)

        self._kernfs.add_file(
            directory,
            name,
            0o644 if store else 0o444,
            self._owner,
            show=lambda _: show(),
            store=store_text if store else None,
        )

    def _store_threshold(self, text: str) -> None:
        if self._options.profile.info_errors_explained:
            self._status.clear()
        digits = text.strip()
        if not digits.isdecimal() or int(digits) > UNSIGNED_INT_MAX:
            self._explain("max_threshold_occupancy: Invalid input\n")
        if int(digits) > self._cache_bytes:
            limit = f"max_threshold_occupancy: Exceeds limit (before adjustment) of {self._cache_bytes} bytes\n"
            self._explain(limit)
        self.max_threshold_occupancy = self._round_down(int(digits))

    def _explain(self, text: str) -> None:
        self._status.fail(errno.EINVAL, text if self._options.profile.info_errors_explained else "")

    def _round_down(self, size_bytes: int) -> int:
        return size_bytes // self._options.scale_bytes * self._options.scale_bytes
