"""The last half hour of each VM of a cache block, one value a minute, for charts. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from cachemon.interference.history import has_room
from cachemon.interference.windows import VmWindow, Window

MINUTES = 30
MINUTE_SECONDS = 60

_MEBIBYTE = 1 << 20


class MinuteSeries(NamedTuple):
    """Figures of one VM, one value a minute, oldest first; None where there is none.

    Attributes:
        occupancy_mebibytes: cache at the end of the minute.
        traffic_mebibytes_per_second: memory traffic, as a mean over the minute.
    """

    occupancy_mebibytes: Sequence[int | None] = ()
    traffic_mebibytes_per_second: Sequence[int | None] = ()


@dataclass(slots=True)
class _Vm:
    """One VM: values by the number of the minute, and those of the minute that is not over.

    The traffic of that minute is None when a part of it is missing.
    """

    occupancy: dict[int, int | None] = field(default_factory=dict)
    traffic: dict[int, int | None] = field(default_factory=dict)
    occupancy_bytes: float | None = 0.0
    traffic_bytes: float | None = 0.0

    def count(self, window: VmWindow | None, *, counts_traffic: bool) -> None:
        """Add a window; None when the VM is not on the block in it."""
        self.occupancy_bytes = 0.0 if window is None else window.occupancy_bytes
        moved = 0.0 if window is None else window.traffic_bytes
        if moved is None or self.traffic_bytes is None:
            self.traffic_bytes = None
        elif counts_traffic:
            self.traffic_bytes += moved

    def close(self, minute: int, seconds: float) -> None:
        """End a minute in which windows of this many seconds ended."""
        rate = None if self.traffic_bytes is None or seconds <= 0 else self.traffic_bytes / seconds
        self.traffic[minute] = _mebibytes(rate)
        self.occupancy[minute] = _mebibytes(self.occupancy_bytes)
        self.traffic_bytes = 0.0
        for values in (self.occupancy, self.traffic):
            for old in [number for number in values if number <= minute - MINUTES]:
                del values[old]

    @property
    def is_forgotten(self) -> bool:
        """Whether nothing is known of the last half hour."""
        return not any(self.occupancy.values()) and not any(self.traffic.values())


class Minutes:
    """Sums windows up to minutes. A window counts for the minute in which it ends.

    Memory is bounded: beyond `history.MOST_VMS` the oldest that is gone makes room for a new one.
    """

    def __init__(self) -> None:
        self._vms: dict[str, _Vm] = {}
        self._minute: int | None = None
        self._began = self._ended = 0.0

    @property
    def until(self) -> float:
        """End of the last minute that is over, in seconds."""
        return float((self._minute or 0) * MINUTE_SECONDS)

    def add(self, window: Window) -> None:
        """Take a window in. The traffic of the first one does not count, as its length is unknown."""
        minute, is_first = int(window.time // MINUTE_SECONDS), self._minute is None
        if self._minute is not None and minute != self._minute:
            self._close(self._minute)
            self._began = self._ended
        self._minute, self._ended = minute, window.time
        if is_first:
            self._began = window.time
        found = {vm.vm: vm for vm in window.vms}
        for name in found:
            if name not in self._vms and has_room(self._vms, found):
                self._vms[name] = _Vm()
        for name, vm in self._vms.items():
            vm.count(found.get(name), counts_traffic=not is_first)

    def series(self, vm: str) -> MinuteSeries:
        """The minutes of a VM; of one that has no window, nothing but gaps."""
        known = self._vms.get(vm, _Vm())
        wanted = range((self._minute or 0) - MINUTES, self._minute or 0)
        return MinuteSeries(
            tuple(known.occupancy.get(minute) for minute in wanted),
            tuple(known.traffic.get(minute) for minute in wanted),
        )

    def _close(self, minute: int) -> None:
        for name, vm in [*self._vms.items()]:
            vm.close(minute, self._ended - self._began)
            if vm.is_forgotten:
                del self._vms[name]


def _mebibytes(value: float | None) -> int | None:
    return None if value is None else round(value / _MEBIBYTE)
