"""Back-off after a mkdir without a free RMID, and which control groups are full. No I/O."""

from collections import Counter
from collections.abc import Callable, Mapping

from cachemon.model.backoff import Backoff
from cachemon.model.mon_groups import Observed
from cachemon.resctrl.apply import Applied

_FIRST_WAIT_SECONDS = 1.0  # a freed RMID is not reused for about a second (limbo worker, fs/resctrl/monitor.c)
_LAST_WAIT_SECONDS = 30.0
_ROOM_HOLDS_SECONDS = 60.0


class RmidMemory:
    """Remembers refused mkdirs: when to try again, and how many mon_groups a control group takes.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._backoff = Backoff(_FIRST_WAIT_SECONDS, _LAST_WAIT_SECONDS)
        self._create_again_at = 0.0
        self._others = 0
        self._rooms: dict[str, tuple[int, float]] = {}

    @property
    def may_create(self) -> bool:
        """Whether to try mkdir; False for a while after one failed."""
        return self._clock() >= self._create_again_at

    @property
    def rooms(self) -> Mapping[str, int]:
        """By control group how many mon_groups of ours it takes, where that is fewer than the node's count allows.

        Believed for a minute: an RMID in limbo may have made the control group look smaller than it is.
        """
        now = self._clock()
        self._rooms = {where: known for where, known in self._rooms.items() if now < known[1]}
        return {where: room for where, (room, _) in self._rooms.items()}

    def see(self, observed: Observed) -> None:
        """Try again at once when other programs have freed RMIDs."""
        if observed.other_rmids < self._others:
            self._end_wait()
        self._others = observed.other_rmids

    def note(self, applied: Applied, observed: Observed, *, tried: bool) -> None:
        """Learn from a plan that was result out.

        Args:
            applied: its result.
            observed: what the kernel had before.
            tried: whether mkdir was allowed.
        """
        full = self._note_rooms(applied, observed)
        unexplained = [where for where in applied.without_rmid if where.control_group not in full]
        if applied.removed or not unexplained:
            self._end_wait()
        elif tried:
            self._create_again_at = self._clock() + self._backoff.next_seconds()

    def _note_rooms(self, applied: Applied, observed: Observed) -> set[str]:
        """ENOSPC while the node's count says that there are RMIDs: the control group itself is full."""
        own = {*observed.own_mon_groups, *applied.created}
        if observed.other_rmids + len(own) >= observed.num_rmids:
            return set()
        by_home = Counter(name.control_group for name in own)
        full = {where.control_group for where in applied.refused_outright}
        for where in full:
            self._rooms[where] = (by_home[where], self._clock() + _ROOM_HOLDS_SECONDS)
        return full

    def _end_wait(self) -> None:
        self._backoff.reset()
        self._create_again_at = 0.0
