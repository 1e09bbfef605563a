"""The `cpus` and `cpus_list` files. Masks are kept and shown; traffic is counted by thread only."""

import errno
from collections.abc import Iterable

from resctrl_emulator.groups import Group
from resctrl_emulator.machine import Machine
from resctrl_emulator.masks import format_list, format_mask, parse_list, parse_mask
from resctrl_emulator.status import CommandStatus


class Cpus:
    """Reads and writes of every group's CPU files (rdtgroup_cpus_write, cpus_mon_write, cpus_ctrl_write).

    Args:
        machine: which CPUs there are.
        status: where errors are explained.
        default: the group that has every CPU which no control group has.
    """

    def __init__(self, machine: Machine, status: CommandStatus, default: Group) -> None:
        self._machine = machine
        self._status = status
        self._default = default

    def show_mask(self, group: Group) -> str:
        """The CPUs as a hexadecimal mask."""
        return format_mask(group.cpus, self._machine.cpu_count)

    def show_list(self, group: Group) -> str:
        """The CPUs as a list."""
        return format_list(group.cpus)

    def store(self, group: Group, controls: Iterable[Group], text: str, *, as_list: bool) -> None:
        """Set the CPUs of a group.

        Args:
            group: the group.
            controls: all control groups.
            text: a list or a mask.
            as_list: whether the text is a list, else a mask.

        Raises:
            OSError: EINVAL, ERANGE, EOVERFLOW, with a text in the status.
        """
        try:
            wanted = (parse_list if as_list else parse_mask)(text, self._machine.cpu_count)
        except OSError as error:
            self._status.fail(error.errno or errno.EINVAL, "Bad CPU list/mask\n")
        if wanted - self._machine.cpus():
            self._status.fail(errno.EINVAL, "Can only assign online CPUs\n")
        if group.parent:
            self._store_monitoring(group, group.parent, wanted)
        else:
            self._store_control(group, controls, wanted)

    def _store_monitoring(self, group: Group, parent: Group, wanted: frozenset[int]) -> None:
        if wanted - parent.cpus:
            self._status.fail(errno.EINVAL, "Can only add CPUs to mongroup that belong to parent\n")
        for sibling in parent.children:
            sibling.cpus -= wanted
        group.cpus = set(wanted)

    def _store_control(self, group: Group, controls: Iterable[Group], wanted: frozenset[int]) -> None:
        dropped = group.cpus - wanted
        if dropped and group is self._default:
            self._status.fail(errno.EINVAL, "Can't drop CPUs from default group\n")
        self._default.cpus |= dropped
        for other in controls:
            if other is not group:
                other.cpus -= wanted - group.cpus
                for child in other.children:
                    child.cpus &= other.cpus
        group.cpus = set(wanted)
        for child in group.children:
            child.cpus.clear()
