"""From threads' CPU time to the counters of RMIDs."""

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet

from resctrl_emulator.machine import Machine
from resctrl_emulator.membership import Member, Membership
from resctrl_emulator.threads import Identity, Threads
from resctrl_emulator.transactions import EVERY_TRANSACTION
from resctrl_emulator.workload import EVENTS, LINE_BYTES, BlockBooks

__all__ = ["ERROR", "READING_TEXTS", "UNASSIGNED", "UNAVAILABLE", "Accounting"]

UNAVAILABLE, ERROR, UNASSIGNED = "Unavailable", "Error", "Unassigned"
READING_TEXTS = (UNAVAILABLE, ERROR, UNASSIGNED)
"""What a mon_data file says instead of a number."""

FRESH_NS = 10_000_000
"""A read counts anew when the last time is longer ago than this."""
FULL_LOOK_NS = 1_000_000_000
"""So often every member is looked at for forked children, else only those that used CPU time."""


class Accounting:
    """Charges the CPU time of group members to the books of the domain they ran on.

    What a thread uses between the last look and its death is not seen and counts for nobody.

    Args:
        machine: CPUs and cache blocks.
        threads: where CPU times come from.
        membership: who is in which group.
        now_ns: a monotonic clock.
        dead: RMIDs in limbo; their lines are the first to go.
        scale_bytes: what is shown is a multiple of it.
        transactions: those that the hardware tells apart.
    """

    def __init__(
        self,
        machine: Machine,
        threads: Threads,
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
        self._package_cpu_ns: dict[tuple[int, int], int] = {}
        self._unavailable_once: set[tuple[int, int, str]] = set()
        self._set_values: dict[tuple[int, int, str], int | str] = {}
        self._settled_ns = self._full_look_ns = now_ns()
        self.frozen = False

    def settle(self, *, full: bool = False) -> None:
        """Count up to now.

        Args:
            full: look at every member for children, and however short ago the last time is.
        """
        now = self._now_ns()
        if not full and now - self._settled_ns < FRESH_NS:
            return
        full = full or now - self._full_look_ns >= FULL_LOOK_NS
        ran = self._charge()
        self._membership.refresh(lambda member: full or member.thread in ran)
        if full:
            self._full_look_ns = now
        if not self.frozen:
            dead = self._dead()
            for books in self._books.values():
                books.advance(now - self._settled_ns, dead)
        self._settled_ns = now

    def freeze(self) -> None:
        """Stop all counters where they are."""
        self._settle_newborn()
        self.frozen = True

    def thaw(self) -> None:
        """Count on; what was used meanwhile counts for nobody."""
        self._settle_newborn()
        self.frozen = False

    def new_owner(self, rmid: int) -> None:
        """A group was made and has this RMID. What packages counted for it stays, as in the kernel."""
        for books in self._books.values():
            books.reset_traffic(rmid)
        self._set_values = {key: value for key, value in self._set_values.items() if key[0] != rmid}
        self._unavailable_once = {key for key in self._unavailable_once if key[0] != rmid}

    def assigned(self, rmid: int, domain: int, event: str) -> None:
        """A counter was given to an event of an RMID: it counts from zero."""
        self.settle()
        self._books[domain].reset_traffic(rmid, (event,))

    def configure(self, domain: int, event: str, transactions: int, rmids: Iterable[int]) -> None:
        """An MBM event counts other transactions: all from zero; the next reading of each is Unavailable."""
        self.settle()
        self._books[domain].reset_all_traffic(event, transactions)
        self._unavailable_once.update((rmid, domain, event) for rmid in rmids)

    def restart(self, event: str, transactions: int | None = None) -> None:
        """An MBM event counts from zero everywhere, and other transactions if these are given."""
        self.settle()
        for books in self._books.values():
            books.reset_all_traffic(event, transactions)

    def set_block_online(self, block_id: int, *, online: bool) -> None:
        """A cache block's CPUs go or come; what it counted is gone with it.

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
        """Let an event file show something for an RMID until its group is removed; None takes it back.

        Args:
            rmid: whose.
            domain: id of the domain; of a telemetry event, of the package.
            event: which file.
            value: a number, a text, or None.
        """
        if value is None:
            self._set_values.pop((rmid, domain, event), None)
        else:
            self._set_values[rmid, domain, event] = value

    def set_value_of(self, rmid: int, domain: int, event: str) -> int | str | None:
        """What `set_value` set, if anything."""
        return self._set_values.get((rmid, domain, event))

    def value(self, rmid: int, domain: int, event: str) -> int | str:
        """What the hardware says for an RMID: bytes, or a text of `READING_TEXTS`."""
        try:
            return self._set_values[rmid, domain, event]
        except KeyError:
            return self._books[domain].value(rmid, event)

    def read(self, rmid: int, domain: int, event: str) -> int | str:
        """As `value`, by the kernel: the first reading after a change of what is counted is lost."""
        if self._unavailable_once and (rmid, domain, event) in self._unavailable_once:
            self._unavailable_once.discard((rmid, domain, event))
            return UNAVAILABLE
        return self.value(rmid, domain, event)

    def package_cpu_ns(self, rmid: int, package: int) -> int:
        """CPU time that threads with an RMID used on a package, since the emulator was started."""
        return self._package_cpu_ns.get((package, rmid), 0)

    def occupancy(self, rmid: int) -> Iterable[int]:
        """Bytes that an RMID really holds, of each online domain."""
        return (books.occupancy_bytes(rmid) for books in self._books.values())

    def block_occupancy(self, block_id: int) -> int:
        """Bytes of an online block that hold anybody's lines."""
        return sum(self._books[domain].total_occupancy_bytes() for domain in self._machine.domains_of(block_id))

    def _new_books(self, domain: int) -> BlockBooks:
        return BlockBooks(self._machine.domains[domain].capacity_bytes, self._scale_bytes, self._transactions)

    def _settle_newborn(self) -> None:
        """Settle members, and then those that this found."""
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
                    self._charge_member(member, used - member.counted_ns)
                member.counted_ns = used
        return ran

    def _charge_member(self, member: Member, cpu_ns: int) -> None:
        domain = self._machine.domain_for(self._threads.last_cpu(member.thread), member.thread.tid)
        self._books[domain.id].charge(member.group.rmid, cpu_ns)
        key = (domain.package, member.group.rmid)
        self._package_cpu_ns[key] = self._package_cpu_ns.get(key, 0) + cpu_ns


def _keys(domain: int) -> set[tuple[int, str]]:
    """Of set values that go with a domain; those of packages have other events."""
    return {(domain, event) for event in EVENTS}
