"""Turns the CPU time of threads into the counters of RMIDs."""

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet

from resctrl_emulator.cache_lines import LINE_BYTES
from resctrl_emulator.machine import Domain, Machine
from resctrl_emulator.membership import Membership
from resctrl_emulator.profiled_threads import ProfiledThreads
from resctrl_emulator.telemetry import PackageTime
from resctrl_emulator.thread_profile import ThreadProfile
from resctrl_emulator.threads import Identity
from resctrl_emulator.transactions import EVERY_TRANSACTION
from resctrl_emulator.workload import EVENTS, BlockBooks

UNAVAILABLE, ERROR, UNASSIGNED = "Unavailable", "Error", "Unassigned"
READING_TEXTS = (UNAVAILABLE, ERROR, UNASSIGNED)
"""What a mon_data file may contain instead of a number."""

FRESH_NS = 10_000_000
"""A read counts again if the last count is older than this."""
FULL_SCAN_NS = 1_000_000_000
"""Period of scans of all members for forked children; other scans take only members that used CPU time."""


class Accounting:
    """Charges the CPU time of group members to the domain that they ran on.

    It misses the CPU time that a thread uses between the last scan and its end.

    Args:
        machine: CPUs and cache blocks.
        threads: the source of CPU times.
        membership: the threads of each group.
        now_ns: a monotonic clock.
        dead: RMIDs in limbo; their lines are evicted first.
        scale_bytes: unit of the values shown.
        transactions: the transactions that the hardware can distinguish.
    """

    def __init__(
        self,
        machine: Machine,
        threads: ProfiledThreads,
        membership: Membership,
        now_ns: Callable[[], int],
        dead: Callable[[], AbstractSet[int]],
        *,
        scale_bytes: int = LINE_BYTES,
        transactions: int = EVERY_TRANSACTION,
    ) -> None:
        self._machine = machine
        self._threads = threads
        self._membership = membership
        self._now_ns = now_ns
        self._dead = dead
        self._scale_bytes = scale_bytes
        self._transactions = transactions
        self._books = {domain: self._new_books(domain) for domain in machine.online_domains}
        self._package_times: dict[tuple[int, int], PackageTime] = {}
        self._unmoved_ns: dict[Identity, int] = {}
        self._unavailable_once: set[tuple[int, int, str]] = set()
        self._set_values: dict[tuple[int, int, str], int | str] = {}
        self._settled_ns = self._full_scan_ns = now_ns()
        self.frozen = False

    def settle(self, *, full: bool = False) -> None:
        """Count up to now.

        Args:
            full: scan every member for children, even if the last count is recent.
        """
        now = self._now_ns()
        if not full and now - self._settled_ns < FRESH_NS:
            return
        full = full or now - self._full_scan_ns >= FULL_SCAN_NS
        ran = self._charge()
        self._membership.refresh(lambda member: full or member.thread in ran)
        if full:
            self._full_scan_ns = now
        if not self.frozen:
            self._advance(now - self._settled_ns)
        self._settled_ns = now

    def freeze(self) -> None:
        """Stop all counters where they are."""
        self._settle_newborn()
        self.frozen = True

    def thaw(self) -> None:
        """Resume counting; CPU time used meanwhile is not counted."""
        self._settle_newborn()
        self.frozen = False

    def new_owner(self, rmid: int) -> None:
        """Reset the traffic of an RMID that a new group gets. The counts of packages stay, as in the kernel."""
        for books in self._books.values():
            books.reset_traffic(rmid)
        self._set_values = {key: value for key, value in self._set_values.items() if key[0] != rmid}
        self._unavailable_once = {key for key in self._unavailable_once if key[0] != rmid}

    def assigned(self, rmid: int, domain: int, event: str) -> None:
        """Reset an event of an RMID that gets a counter."""
        self.settle()
        self._books[domain].reset_traffic(rmid, (event,))

    def configure(self, domain: int, event: str, transactions: int, rmids: Iterable[int]) -> None:
        """Change the transactions of an MBM event: it restarts at zero, and its next reading is Unavailable."""
        self.settle()
        self._books[domain].reset_all_traffic(event, transactions)
        self._unavailable_once.update((rmid, domain, event) for rmid in rmids)

    def restart(self, event: str, transactions: int | None = None) -> None:
        """Restart an MBM event at zero everywhere, with other transactions if these are given."""
        self.settle()
        for books in self._books.values():
            books.reset_all_traffic(event, transactions)

    def set_block_online(self, block_id: int, *, online: bool) -> None:
        """Take a cache block offline or online; it loses its counts.

        Raises:
            ValueError: no such block, or the last one online.
        """
        self.settle(full=True)
        self._machine.set_online(block_id, online=online)
        for domain in self._machine.domains_of(block_id):
            if not online:
                del self._books[domain]
                self._unavailable_once = {key for key in self._unavailable_once if key[1] != domain}
                self._set_values = {
                    key: value for key, value in self._set_values.items() if key[1:] not in _keys(domain)
                }
            else:
                self._books[domain] = self._new_books(domain)

    def set_value(self, rmid: int, domain: int, event: str, value: int | str | None) -> None:
        """Set what an event file shows for an RMID until its group is removed; None restores counting.

        Args:
            rmid: the RMID.
            domain: id of the domain; for a telemetry event, of the package.
            event: which file.
            value: a number, a text, or None.
        """
        if value is None:
            self._set_values.pop((rmid, domain, event), None)
        else:
            self._set_values[rmid, domain, event] = value

    def set_value_of(self, rmid: int, domain: int, event: str) -> int | str | None:
        """The value of `set_value`, or None."""
        return self._set_values.get((rmid, domain, event))

    def value(self, rmid: int, domain: int, event: str) -> int | str:
        """The hardware's value for an RMID: bytes, or one of `READING_TEXTS`."""
        try:
            return self._set_values[rmid, domain, event]
        except KeyError:
            return self._books[domain].value(rmid, event)

    def read(self, rmid: int, domain: int, event: str) -> int | str:
        """Like `value`, as the kernel reads it: the first reading after `configure` is Unavailable."""
        if self._unavailable_once and (rmid, domain, event) in self._unavailable_once:
            self._unavailable_once.discard((rmid, domain, event))
            return UNAVAILABLE
        return self.value(rmid, domain, event)

    def package_time(self, rmid: int, package: int) -> PackageTime:
        """CPU time that threads with an RMID used on a package, since the emulator started."""
        return self._package_times.setdefault((package, rmid), PackageTime())

    def occupancy(self, rmid: int) -> Iterable[int]:
        """The bytes that an RMID holds, for each online domain."""
        return (books.occupancy_bytes(rmid) for books in self._books.values())

    def block_occupancy(self, block_id: int) -> int:
        """The bytes of an online block that all RMIDs together hold."""
        return sum(self._books[domain].total_occupancy_bytes() for domain in self._machine.domains_of(block_id))

    def _new_books(self, domain: int) -> BlockBooks:
        return BlockBooks(self._machine.domains[domain].capacity_bytes, self._scale_bytes, self._transactions)

    def _settle_newborn(self) -> None:
        """Count, and count again for the threads that the first count found."""
        self.settle(full=True)
        self.settle(full=True)

    def _charge(self) -> set[Identity]:
        ran: set[Identity] = set()
        for member in list(self._membership.members()):
            used = self._threads.cpu_ns(member.thread)
            if used is None:
                self._membership.drop(member)
            elif used > member.counted_ns:
                ran.add(member.thread)
                if not self.frozen:
                    self._charge_thread(member.thread, member.group.rmid, used - member.counted_ns)
                member.counted_ns = used
        self._charge_unmoved()
        return ran

    def _charge_unmoved(self) -> None:
        """Charge the threads with a profile that are in no group to RMID 0."""
        before, self._unmoved_ns = self._unmoved_ns, {}
        for thread in self._threads.profiled():
            used = self._threads.cpu_ns(thread)
            if used is not None and self._membership.group_of(thread).rmid == 0:
                self._unmoved_ns[thread] = used
                if thread in before and not self.frozen:
                    self._charge_thread(thread, 0, used - before[thread])

    def _charge_thread(self, thread: Identity, rmid: int, cpu_ns: int) -> None:
        profile = self._threads.profile_of(thread)
        domain = self._domain_of(thread, profile)
        time = self.package_time(rmid, domain.package)
        time.cpu_ns += cpu_ns
        if profile is None:
            self._books[domain.id].charge(rmid, cpu_ns)
        else:
            time.profiled_ns += cpu_ns
            self._books[domain.id].charge_profiled(rmid, thread.tid, profile, cpu_ns)

    def _domain_of(self, thread: Identity, profile: ThreadProfile | None) -> Domain:
        chosen = None
        if profile and profile.block is not None:
            chosen = self._machine.domain_in(profile.block, thread.tid)
        return chosen or self._machine.domain_for(self._threads.last_cpu(thread), thread.tid)

    def _advance(self, elapsed_ns: int) -> None:
        """Move lines in every block, and count what threads with a profile did."""
        dead = self._dead()
        for domain, books in self._books.items():
            for (rmid, tid), turn in books.advance(elapsed_ns, dead).items():
                time = self.package_time(rmid, self._machine.domains[domain].package)
                time.stalled_ns += turn.cpu_ns - turn.work_ns
                self._threads.worked(tid, turn)


def _keys(domain: int) -> set[tuple[int, str]]:
    """The keys of set values that belong to a domain; those of packages have other events."""
    return {(domain, event) for event in EVENTS}
