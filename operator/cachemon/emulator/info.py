"""The info/ directory."""

import errno
from collections.abc import Callable, Iterable

from cachemon.emulator.allocation import Allocation
from cachemon.emulator.groups import Group
from cachemon.emulator.kernfs import Caller, Directory, Kernfs
from cachemon.emulator.machine import Machine
from cachemon.emulator.profile import Profile
from cachemon.emulator.status import CommandStatus
from cachemon.emulator.workload import LINE_BYTES

__all__ = ["Info"]

DIRECTORY_MODE = 0o555
UNSIGNED_INT_MAX = (1 << 32) - 1


class Info:
    """What the machine can do, and the one thing that can be set about it.

    Args:
        kernfs: the tree.
        owner: whose files they are.
        profile: which files there are and what they say to bad input.
        status: last_cmd_status.
        machine: its first cache block's size limits max_threshold_occupancy.
        events: the monitoring events.
        rmids: number of RMIDs.

    Attributes:
        directory: info/ itself.
        max_threshold_occupancy: bytes; an RMID that holds as many in any block stays in limbo.
    """

    def __init__(
        self,
        *,
        kernfs: Kernfs,
        owner: Caller,
        profile: Profile,
        status: CommandStatus,
        machine: Machine,
        events: tuple[str, ...],
        rmids: int,
    ) -> None:
        self._kernfs = kernfs
        self._owner = owner
        self._profile = profile
        self._status = status
        self._cache_bytes = next(iter(machine.blocks.values())).capacity_bytes
        self.max_threshold_occupancy = _round_down(self._cache_bytes // rmids)
        self.directory = kernfs.add_directory(kernfs.root, "info", DIRECTORY_MODE, owner)
        kernfs.add_file(self.directory, "last_cmd_status", 0o444, owner, show=lambda _: status.show())
        l3_mon = kernfs.add_directory(self.directory, "L3_MON", DIRECTORY_MODE, owner)
        self._add_read_only(l3_mon, "num_rmids", lambda: f"{rmids}\n")
        self._add_read_only(l3_mon, "mon_features", lambda: "".join(f"{event}\n" for event in events))
        kernfs.add_file(
            l3_mon,
            "max_threshold_occupancy",
            0o644,
            owner,
            show=lambda _: f"{self.max_threshold_occupancy}\n",
            store=lambda _, text: self._store_threshold(text),
        )
        if profile.mbm_assign_mode:
            kernfs.add_file(
                l3_mon,
                "mbm_assign_mode",
                0o644,
                owner,
                show=lambda _: "[default]\n",
                store=lambda _, text: self._store_assign_mode(text),
            )

    def add_allocation(self, allocation: Allocation, groups: Callable[[], Iterable[Group]]) -> None:
        """Add info/L3, for a machine that can allocate cache."""
        l3 = self._kernfs.add_directory(self.directory, "L3", DIRECTORY_MODE, self._owner)
        for name, show in allocation.info.items():
            self._add_read_only(l3, name, show)
        self._add_read_only(l3, "bit_usage", lambda: allocation.bit_usage(groups()))
        if self._profile.sparse_masks:
            self._add_read_only(l3, "sparse_masks", lambda: "0\n")

    def _add_read_only(self, directory: Directory, name: str, show: Callable[[], str]) -> None:
        self._kernfs.add_file(directory, name, 0o444, self._owner, show=lambda _: show())

    def _store_threshold(self, text: str) -> None:
        if self._profile.info_errors_explained:
            self._status.clear()
        digits = text.strip()
        if not digits.isdecimal() or int(digits) > UNSIGNED_INT_MAX:
            self._explain("max_threshold_occupancy: Invalid input\n")
        if int(digits) > self._cache_bytes:
            limit = f"max_threshold_occupancy: Exceeds limit (before adjustment) of {self._cache_bytes} bytes\n"
            self._explain(limit)
        self.max_threshold_occupancy = _round_down(int(digits))

    def _store_assign_mode(self, text: str) -> None:
        self._status.clear()
        if not text.endswith("\n"):
            self._explain("mbm_assign_mode: Invalid input\n")
        if text == "mbm_event\n":
            self._explain("mbm_event mode is not supported\n")
        if text != "default\n":
            self._explain("Unsupported assign mode\n")

    def _explain(self, text: str) -> None:
        self._status.fail(errno.EINVAL, text if self._profile.info_errors_explained else "")


def _round_down(size_bytes: int) -> int:
    return size_bytes // LINE_BYTES * LINE_BYTES
