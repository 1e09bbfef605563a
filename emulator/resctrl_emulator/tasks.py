"""The `tasks` file (fs/resctrl/rdtgroup.c, rdtgroup_tasks_write and rdtgroup_tasks_show)."""

import errno
import re
from collections.abc import Iterator

from resctrl_emulator.accounting import Accounting
from resctrl_emulator.groups import Group
from resctrl_emulator.kernfs import Caller
from resctrl_emulator.membership import Membership
from resctrl_emulator.profile import Profile
from resctrl_emulator.status import CommandStatus
from resctrl_emulator.threads import Threads

BLANKS = " \t\n\v\f\r"
INTEGER = re.compile(r"([+-]?)(?:0[xX]([0-9a-fA-F]+)|(0[0-7]*)|([1-9][0-9]*))")
INT_MIN, INT_MAX = -(1 << 31), (1 << 31) - 1


def parse_int(text: str) -> int:
    """An int as kstrtoint() with base 0 reads it: `12`, `+12`, `0x7b`, `0173`, `-0`.

    Raises:
        ValueError: it is none, or too large.
    """
    match = INTEGER.fullmatch(text)
    if match is None:
        raise ValueError(text)
    sign, hexadecimal, octal, decimal = match.groups()
    value = int(hexadecimal, 16) if hexadecimal else int(octal, 8) if octal else int(decimal)
    value = -value if sign == "-" else value
    if not INT_MIN <= value <= INT_MAX:
        raise ValueError(text)
    return value


class Tasks:
    """Reads and writes of every group's `tasks` file.

    Args:
        allocation: whether there are control groups; without, theirs reads empty (is_closid_match).
        superuser: the user who may move any thread.
    """

    def __init__(
        self,
        profile: Profile,
        status: CommandStatus,
        threads: Threads,
        membership: Membership,
        accounting: Accounting,
        *,
        allocation: bool,
        superuser: int,
    ) -> None:
        self._profile = profile
        self._status = status
        self._threads = threads
        self._membership = membership
        self._accounting = accounting
        self._allocation = allocation
        self._superuser = superuser

    def show(self, group: Group, reader: Caller) -> str:
        """TIDs of a group in the reader's PID namespace, one per line; a control group includes its mon_groups."""
        if not group.parent and not self._allocation:
            return ""
        self._accounting.settle(full=True)
        if group.parent:
            tids = self._membership.in_order(lambda each: each is group)
        elif group.closid:
            tids = self._membership.in_order(lambda each: each.control is group)
        else:
            tids = self._machine_but_control_groups(group)
        return "".join(f"{tid}\n" for tid in self._threads.seen_from(reader.tid, tids))

    def store(self, group: Group, caller: Caller, text: str) -> None:
        """Move the named threads.

        Raises:
            OSError: EINVAL, ESRCH, EPERM, with a text in the status.
        """
        if self._profile.tasks_take_lists:
            self._store_list(group, caller, text)
            return
        try:
            tid = parse_int(text.strip(BLANKS))
        except ValueError:
            tid = -1
        if tid < 0:
            self._status.fail(errno.EINVAL)
        self._status.clear()
        self._move(group, caller, tid)

    def _store_list(self, group: Group, caller: Caller, text: str) -> None:
        rest = text
        while rest and rest[0] != "\n":
            item, _, rest = rest.partition(",")
            item = item.strip(BLANKS)
            try:
                tid = parse_int(item)
            except ValueError:
                self._status.fail(errno.EINVAL, f"Task list parsing error pid {item}\n")
            if tid < 0:
                self._status.fail(errno.EINVAL, f"Invalid pid {tid}\n")
            try:
                self._move(group, caller, tid)
            except OSError:
                self._status.add(f"Error while processing task {tid}\n")
                raise

    def _move(self, group: Group, caller: Caller, tid: int) -> None:
        """Move one thread; 0 is the thread that writes."""
        self._accounting.settle(full=True)
        known = self._threads.from_namespace_of(caller.tid, tid) if tid else caller.tid
        thread = None if known is None else self._threads.identify(known)
        if thread is None:
            self._status.fail(errno.ESRCH, f"No task {tid}\n")
        # rdtgroup_task_write_permission: who writes now, not who opened.
        if caller.uid != self._superuser and caller.uid not in self._threads.uids(thread):
            self._status.fail(errno.EPERM, f"No permission to move task {tid or thread.tid}\n")
        if group.parent and self._membership.group_of(thread).control is not group.parent:
            self._status.fail(errno.EINVAL, "Can't move task to different control group\n")
        self._membership.move(thread, group)

    def _machine_but_control_groups(self, default: Group) -> list[int]:
        elsewhere = set(self._membership.in_order(lambda each: each.control is not default))
        return [tid for tid in self._all_tids() if tid not in elsewhere]

    def _all_tids(self) -> Iterator[int]:
        for pid in sorted(self._threads.processes()):
            yield from sorted(self._threads.threads_of(pid))
