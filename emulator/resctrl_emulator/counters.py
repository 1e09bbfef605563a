"""Assignable MBM counters (AMD ABMC): the `mbm_event` mode of fs/resctrl/monitor.c since 6.18."""

import errno
import re
from collections.abc import Callable, Iterable

from resctrl_emulator.accounting import Accounting
from resctrl_emulator.groups import Group
from resctrl_emulator.machine import Machine
from resctrl_emulator.options import Options
from resctrl_emulator.status import CommandStatus
from resctrl_emulator.transactions import bits_of, default_transactions, names_of
from resctrl_emulator.workload import MBM_EVENTS

UNSIGNED = re.compile(r"\+?[0-9]+")
TRUE = re.compile(r"[yYtT1]|[oO][nN]")
FALSE = re.compile(r"[nNfF0]|[oO][fF]")
NOT_ENABLED = "mbm_event counter assignment mode is not enabled\n"


class Counters:
    """Assigns counters to events of RMIDs in each domain, and provides the files that show and change this.

    Writers and readers of info/ clear the status by themselves; for `mbm_L3_assignments` that comes with the
    group's lock.

    Attributes:
        enabled: whether MBM events count only where a counter is assigned.
    """

    def __init__(self, options: Options, machine: Machine, status: CommandStatus, accounting: Accounting) -> None:
        self._machine = machine
        self._status = status
        self._accounting = accounting
        self._many = options.counters
        self._supported = options.transactions
        self._events = tuple(event for event in options.events if event in MBM_EVENTS)
        self._assigned: dict[int, set[tuple[int, str]]] = {}
        self._on_mkdir = True
        self._filters = self._default_filters()
        self.enabled = options.counters > 0

    def counts(self, rmid: int, domain: int, event: str) -> bool:
        """Whether an event's file has a number."""
        return not self.enabled or event not in self._events or (rmid, event) in self._assigned.get(domain, ())

    def made(self, group: Group) -> None:
        """Assign free counters to a new group; a failure is only noted in the status."""
        if not (self.enabled and self._on_mkdir):
            return
        for event in self._events:
            self._assign_all(group, event)

    def removed(self, rmid: int) -> None:
        """A group is gone, and its assignments with it."""
        for assigned in self._assigned.values():
            assigned -= {(rmid, event) for event in self._events}

    def domain_gone(self, domain: int) -> None:
        """A domain went offline; it returns without assignments."""
        self._assigned.pop(domain, None)

    def show_mode(self) -> str:
        """info/L3_MON/mbm_assign_mode: the active one in brackets comes first."""
        if not self._many:
            return "[default]\n"
        return "[mbm_event]\ndefault\n" if self.enabled else "[default]\nmbm_event\n"

    def store_mode(self, text: str) -> bool:
        """Switch the mode; this resets assignments, filters and MBM counts.

        Returns:
            Whether it changed.

        Raises:
            OSError: EINVAL.
        """
        self._status.clear()
        if not text.endswith("\n"):
            self._status.fail(errno.EINVAL, "mbm_assign_mode: Invalid input\n")
        if text == "mbm_event\n" and not self._many:
            self._status.fail(errno.EINVAL, "mbm_event mode is not supported\n")
        if text not in {"default\n", "mbm_event\n"}:
            self._status.fail(errno.EINVAL, "Unsupported assign mode\n")
        wanted = text == "mbm_event\n"
        if wanted == self.enabled:
            return False
        self.enabled = wanted
        self._on_mkdir = self._on_mkdir or wanted
        self._assigned.clear()
        self._filters = self._default_filters()
        for event, bits in self._filters.items():
            self._accounting.restart(event, bits)
        return True

    def show_number(self) -> str:
        """info/L3_MON/num_mbm_cntrs."""
        return self._by_domain(lambda _: str(self._many))

    def show_available(self) -> str:
        """info/L3_MON/available_mbm_cntrs."""
        self._status.clear()
        self._require_mode()
        return self._by_domain(lambda domain: str(self._many - len(self._assigned.get(domain, ()))))

    def show_on_mkdir(self) -> str:
        """info/L3_MON/mbm_assign_on_mkdir."""
        self._status.clear()
        self._require_mode()
        return f"{int(self._on_mkdir)}\n"

    def store_on_mkdir(self, text: str) -> None:
        """Set whether new groups get counters; what kstrtobool reads.

        Raises:
            OSError: EINVAL.
        """
        self._status.clear()
        if not (TRUE.match(text) or FALSE.match(text)):
            self._status.fail(errno.EINVAL, "mbm_assign_on_mkdir: Invalid input\n")
        self._require_mode()
        self._on_mkdir = bool(TRUE.match(text))

    def show_filter(self, event: str) -> str:
        """info/L3_MON/event_configs/EVENT/event_filter."""
        self._status.clear()
        self._require_mode()
        return names_of(self._filters[event]) + "\n"

    def store_filter(self, event: str, text: str) -> None:
        """Set what an event counts; its assigned counters restart at zero.

        Raises:
            OSError: EINVAL.
        """
        self._status.clear()
        if not text.endswith("\n"):
            self._status.fail(errno.EINVAL, "event_filter: Invalid input\n")
        self._require_mode()
        try:
            bits = bits_of(text[:-1])
        except KeyError as error:
            self._status.fail(errno.EINVAL, f"Invalid memory transaction type {error.args[0]}\n")
        if bits != self._filters[event]:
            self._filters[event] = bits
            self._accounting.restart(event, bits)

    def show_assignments(self, group: Group) -> str:
        """A group's mbm_L3_assignments."""
        self._require_mode()
        lines = (
            f"{event}:" + self._by_domain(lambda domain, event=event: self._letter(group, domain, event))  # type: ignore[misc]
            for event in self._events
        )
        return "".join(lines)

    def store_assignments(self, group: Group, text: str) -> None:
        """Assign or release a group's counters: lines as `mbm_total_bytes:0=e;1=_` or `mbm_local_bytes:*=e`.

        Raises:
            OSError: EINVAL; ENOENT for no such event; ENOSPC without a free counter. What was done before stays.
        """
        if not text.endswith("\n"):
            self._status.fail(errno.EINVAL, "mbm_L3_assignments: Invalid input\n")
        if not self.enabled:
            self._status.fail(errno.EINVAL, "mbm_event mode is not enabled\n")
        for line in text[:-1].split("\n"):
            event, _, rest = line.partition(":")
            if event not in self._events:
                self._status.fail(errno.ENOENT, f"Invalid event {event}\n")
            self._store_line(group, event, rest)

    def _store_line(self, group: Group, event: str, text: str) -> None:
        rest = text
        while rest:
            item, _, rest = rest.partition(";")
            domain_text, equals, letter = item.strip().partition("=")
            # What stands for a missing state is how the kernel prints a null pointer.
            written = letter if equals else "(null)"
            if domain_text.startswith("*"):
                self._modify(group, event, self._machine.online_domains, letter, f"{event}:*={written}")
                return
            if not UNSIGNED.fullmatch(domain_text):
                self._status.fail(errno.EINVAL, "Missing domain id\n")
            domain = int(domain_text)
            if domain not in self._machine.online_domains:
                self._status.fail(errno.EINVAL, f"Invalid domain id {domain}\n")
            self._modify(group, event, (domain,), letter, f"{event}:{domain}={written}")

    def _modify(self, group: Group, event: str, domains: Iterable[int], letter: str, operation: str) -> None:
        failed = 0 if letter in {"e", "_"} else errno.EINVAL
        for domain in domains:
            if letter == "_":
                self._assigned.get(domain, set()).discard((group.rmid, event))
            elif letter == "e" and not self._assign(group, domain, event):
                failed = errno.ENOSPC
        if failed:
            self._status.fail(failed, f"Assign operation '{operation}' failed\n")

    def _assign_all(self, group: Group, event: str) -> None:
        for domain in self._machine.online_domains:
            self._assign(group, domain, event)

    def _assign(self, group: Group, domain: int, event: str) -> bool:
        assigned = self._assigned.setdefault(domain, set())
        if (group.rmid, event) in assigned:
            return True
        if len(assigned) >= self._many:
            self._status.add(f"Failed to allocate counter for {event} in domain {domain}\n")
            return False
        assigned.add((group.rmid, event))
        self._accounting.assigned(group.rmid, domain, event)
        return True

    def _letter(self, group: Group, domain: int, event: str) -> str:
        return "e" if (group.rmid, event) in self._assigned.get(domain, ()) else "_"

    def _require_mode(self) -> None:
        if not self.enabled:
            self._status.fail(errno.EINVAL, NOT_ENABLED)

    def _default_filters(self) -> dict[str, int]:
        return {event: default_transactions(event, self._supported) for event in self._events}

    def _by_domain(self, text: Callable[[int], str]) -> str:
        return ";".join(f"{domain}={text(domain)}" for domain in self._machine.online_domains) + "\n"
