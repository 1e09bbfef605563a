"""The content of the files below mon_data (rdtgroup_mondata_show and mon_event_count of fs/resctrl)."""

from collections.abc import Callable, Iterable

from resctrl_emulator.accounting import UNASSIGNED, UNAVAILABLE, Accounting
from resctrl_emulator.counters import Counters
from resctrl_emulator.groups import Group
from resctrl_emulator.machine import Machine
from resctrl_emulator.telemetry import format_fixed_point, telemetry_value


class Readings:
    """Sums of a group's RMID and, for a control group, of its monitoring groups' that can be read.

    Args:
        machine: the domains of each block.
        accounting: the counts.
        counters: the MBM events that have a counter.
    """

    def __init__(self, machine: Machine, accounting: Accounting, counters: Counters) -> None:
        self._machine = machine
        self._accounting = accounting
        self._counters = counters

    def domain(self, group: Group, domain: int, event: str) -> str:
        """The file of a cache block or, with SNC, of one node."""
        self._accounting.settle()
        return str(_sum(self._read(each, domain, event) for each in (group, *group.children)))

    def block(self, group: Group, block_id: int, event: str) -> str:
        """The file of a cache block that has nodes: Unavailable only if no node can be read, never Error."""
        self._accounting.settle()
        domains = self._machine.domains_of(block_id)
        values = [self._read(each, domain, event) for each in (group, *group.children) for domain in domains]
        numbers = [value for value in values if isinstance(value, int)]
        return str(sum(numbers)) if numbers else UNAVAILABLE

    def package(self, group: Group, package: int, event: str) -> str:
        """The file of a CPU package."""
        self._accounting.settle()
        total = _sum(self.package_value(each.rmid, package, event) for each in (group, *group.children))
        return format_fixed_point(event, total) if isinstance(total, int) else total

    def package_value(self, rmid: int, package: int, event: str) -> int | str:
        """The value of a package for an RMID; fixed-point for the events with a fraction."""
        value = self._accounting.set_value_of(rmid, package, event)
        return telemetry_value(event, self._accounting.package_time(rmid, package)) if value is None else value

    def value(self, group: Group, domain: int, event: str) -> int | str:
        """The content of a domain's file if the group had no children, without the effects of a read."""
        return self._count(self._accounting.value, group, domain, event)

    def _read(self, group: Group, domain: int, event: str) -> int | str:
        return self._count(self._accounting.read, group, domain, event)

    def _count(self, count: Callable[[int, int, str], int | str], group: Group, domain: int, event: str) -> int | str:
        if not self._counters.counts(group.rmid, domain, event):
            return UNASSIGNED
        return count(group.rmid, domain, event)


def _sum(values: Iterable[int | str]) -> int | str:
    """The sum of the numbers; if there is none, the last text."""
    every = list(values)
    numbers = [value for value in every if isinstance(value, int)]
    return sum(numbers) if numbers else every[-1]
