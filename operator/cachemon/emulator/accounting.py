"""From threads' CPU time to the counters of RMIDs."""

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet

from cachemon.emulator.groups import Group
from cachemon.emulator.machine import Machine
from cachemon.emulator.membership import Member, Membership
from cachemon.emulator.threads import Identity, Threads
from cachemon.emulator.workload import BlockBooks

__all__ = ["READING_TEXTS", "Accounting"]

READING_TEXTS = ("Unavailable", "Error", "Unassigned")
"""What a mon_data file says instead of a number."""

FRESH_NS = 10_000_000
"""A read counts anew when the last time is longer ago than this."""
FULL_LOOK_NS = 1_000_000_000
"""So often every member is looked at for forked children, else only those that used CPU time."""


class Accounting:
    """Charges the CPU time of group members to the books of the cache block they ran on.

    What a thread uses between the last look and its death is not seen and counts for nobody.

    Args:
        machine: CPUs and cache blocks.
        threads: where CPU times come from.
        membership: who is in which group.
        now_ns: a monotonic clock.
        dead: RMIDs in limbo; their lines are the first to go.
    """

    def __init__(
        self,
        machine: Machine,
        threads: Threads,
        membership: Membership,
        now_ns: Callable[[], int],
        dead: Callable[[], AbstractSet[int]],
    ) -> None:
        self._machine = machine
        self._threads = threads
        self._membership = membership
        self._now_ns = now_ns
        self._dead = dead
        self._books = {block: BlockBooks(machine.blocks[block].capacity_bytes) for block in machine.online_blocks}
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
        """A group was made and has this RMID."""
        for books in self._books.values():
            books.reset_traffic(rmid)
        self._set_values = {key: value for key, value in self._set_values.items() if key[0] != rmid}

    def set_block_online(self, block_id: int, *, online: bool) -> None:
        """A cache block's CPUs go or come; what it counted is gone with it.

        Raises:
            ValueError: no such block, or the last one online.
        """
        self.settle(full=True)
        self._machine.set_online(block_id, online=online)
        if not online:
            self._books.pop(block_id, None)
            self._set_values = {key: value for key, value in self._set_values.items() if key[1] != block_id}
        elif block_id not in self._books:
            self._books[block_id] = BlockBooks(self._machine.blocks[block_id].capacity_bytes)

    def set_value(self, rmid: int, block_id: int, event: str, value: int | str | None) -> None:
        """Let an event file show something for an RMID until its group is removed; None takes it back."""
        if value is None:
            self._set_values.pop((rmid, block_id, event), None)
        else:
            self._set_values[rmid, block_id, event] = value

    def value(self, rmid: int, block_id: int, event: str) -> int | str:
        """What the hardware says for an RMID: bytes, or a text of `READING_TEXTS`."""
        try:
            return self._set_values[rmid, block_id, event]
        except KeyError:
            return self._books[block_id].value(rmid, event)

    def total(self, group: Group, block_id: int, event: str) -> int | str:
        """What a group's event file says: of a control group, the sum with its children that can be read."""
        self.settle()
        values = [self.value(each.rmid, block_id, event) for each in (group, *group.children)]
        numbers = [value for value in values if isinstance(value, int)]
        return sum(numbers) if numbers else values[-1]

    def occupancy(self, rmid: int) -> Iterable[int]:
        """Bytes that an RMID really holds, of each online block."""
        return (books.occupancy_bytes(rmid) for books in self._books.values())

    def block_occupancy(self, block_id: int) -> int:
        """Bytes of an online block that hold anybody's lines."""
        return self._books[block_id].total_occupancy_bytes()

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
        block = self._machine.block_for(self._threads.last_cpu(member.thread), member.thread.tid)
        self._books[block].charge(member.group.rmid, cpu_ns)
