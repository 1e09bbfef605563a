"""The work of threads with profiles in one cache block: they miss, and what they bring in evicts what others hold."""

import math
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from resctrl_emulator.cache_lines import Pool, fill
from resctrl_emulator.thread_profile import ThreadProfile, Turn, take_turn

MOST_STEPS = 4
"""Steps of one count: in each, the lines of one cache come in, or more where this limit ends it. With it, the figures
are within 1 % of those of 1000 steps."""
NO_TURN = Turn(0, 0, 0, 0)


class ProfiledWork:
    """Counts the lines that threads with profiles bring into one cache block.

    Args:
        capacity_lines: lines of the cache.
    """

    def __init__(self, capacity_lines: int) -> None:
        self._capacity_lines = capacity_lines
        self._due: dict[Pool, tuple[ThreadProfile, int]] = {}
        self._missed_lines: dict[int, int] = {}
        self._fractions: dict[Pool, float] = {}

    @property
    def rmids(self) -> frozenset[int]:
        """The RMIDs that missed a line."""
        return frozenset(self._missed_lines)

    def charge(self, pool: Pool, profile: ThreadProfile, cpu_ns: int) -> None:
        """Add CPU time of the thread whose hot set is in a pool."""
        _, due = self._due.get(pool, (profile, 0))
        self._due[pool] = (profile, due + cpu_ns)

    def missed_lines(self, rmid: int) -> int:
        """The lines that the threads of an RMID missed."""
        return self._missed_lines.get(rmid, 0)

    def advance(
        self, held: Mapping[Pool, int], new: Mapping[Pool, int], dead: AbstractSet[int]
    ) -> tuple[dict[Pool, int], dict[Pool, Turn]]:
        """Let the threads work for the CPU time charged since the last call.

        Args:
            held: lines of each pool.
            new: lines that others bring in meanwhile.
            dead: RMIDs without a group; their lines go first.

        Returns:
            Lines of each pool, and what each thread did.
        """
        due, self._due = self._due, {}
        if not due and not any(new.values()):
            return dict(held), {}
        pools, done = dict(held), dict.fromkeys(due, NO_TURN)
        steps = self._steps(due, pools, new)
        for step in range(steps):
            part = {pool: lines * (step + 1) // steps - lines * step // steps for pool, lines in new.items()}
            old = {pool for pool in pools if pool.rmid in dead}
            for pool, turn in self._turns(due, steps, pools, sum(part.values()), old).items():
                self._bring(part, pool, turn)
                done[pool] += turn
            pools = fill(pools, part, self._capacity_lines, old)
        return self._without_empty(pools), done

    def _steps(
        self, due: Mapping[Pool, tuple[ThreadProfile, int]], held: Mapping[Pool, int], new: Mapping[Pool, int]
    ) -> int:
        if not due:
            return 1
        turns = self._turns(due, 1, held, 0, frozenset())
        coming = sum(new.values()) + sum(turn.missed_lines for turn in turns.values())
        return max(1, min(math.ceil(coming / self._capacity_lines), MOST_STEPS))

    def _turns(
        self,
        due: Mapping[Pool, tuple[ThreadProfile, int]],
        steps: int,
        held: Mapping[Pool, int],
        others_lines: int,
        dead: AbstractSet[Pool],
    ) -> dict[Pool, Turn]:
        """One turn of each thread, first without evictions, then with those that this causes."""

        def all_turns(evictions: float) -> dict[Pool, Turn]:
            return {
                pool: take_turn(profile, cpu_ns / steps, held.get(pool, 0), evictions)
                for pool, (profile, cpu_ns) in due.items()
            }

        turns = all_turns(0)
        room = self._capacity_lines - sum(lines for pool, lines in held.items() if pool not in dead)
        coming = others_lines + sum(turn.missed_lines for turn in turns.values())
        return turns if coming <= room else all_turns((coming - room) / self._capacity_lines)

    def _bring(self, part: dict[Pool, int], pool: Pool, turn: Turn) -> None:
        """Add the whole lines of a turn, and keep the fractions for the next."""
        for target, lines in ((pool, turn.hot_lines), (Pool(pool.rmid), turn.streamed_lines)):
            exact = self._fractions.get(target, 0) + lines
            whole = math.floor(exact)
            self._fractions[target] = exact - whole
            part[target] = part.get(target, 0) + whole
            self._missed_lines[pool.rmid] = self.missed_lines(pool.rmid) + whole

    def _without_empty(self, pools: Mapping[Pool, int]) -> dict[Pool, int]:
        """Forget the hot sets of which nothing is left, as those of threads that ended."""
        kept = {pool: lines for pool, lines in pools.items() if lines or not pool.tid}
        self._fractions = {pool: part for pool, part in self._fractions.items() if pool in kept}
        return kept
