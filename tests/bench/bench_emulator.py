"""What profiles of threads cost the emulator: to read its files, and to count."""

from collections.abc import Iterator

from resctrl_emulator.thread_profile import ThreadProfile
from resctrl_emulator.workload import EVENTS
from tests.bench.bench_sampler import interleaved, per_value
from tests.bench.measure import Bench, Figure
from tests.integration.emulator.fakes import MI, Box

GROUPS = 50
BLOCKS = (0, 1)
TICK_SECONDS = 0.1
ROUNDS = 51
READER = ThreadProfile(MI // 2, 10_000_000, streaming_share=0.02, sensitivity=1)
STREAMER = ThreadProfile(0, 2_000_000, streaming_share=1)


class Node:
    """An emulated node in memory whose groups have one busy thread each."""

    def __init__(self, groups: int, profiles: tuple[ThreadProfile | None, ...]) -> None:
        self._box = Box(rmids=groups + 1)
        self._tids: list[int] = []
        self._paths: list[str] = []
        for number in range(groups):
            self._add(number, profiles[number % len(profiles)])
        for _ in range(10):
            self.count()

    def _add(self, number: int, profile: ThreadProfile | None) -> None:
        path = f"/mon_groups/g{number}"
        self._box.mkdir(path)
        tid = self._box.threads.process()
        self._box.write(f"{path}/tasks", str(tid))
        thread = self._box.threads.identify(tid)
        if thread is None:
            raise AssertionError(f"thread {tid} has ended")
        self._box.resctrl.threads.set_profile(thread, profile)
        self._tids.append(tid)
        self._paths += [f"{path}/mon_data/mon_L3_{block:02d}/{event}" for block in BLOCKS for event in EVENTS]

    def count(self) -> None:
        """Charge what the threads used since the last tick."""
        for number, tid in enumerate(self._tids):
            self._box.threads.burn(tid, TICK_SECONDS / 2, cpu=number % len(BLOCKS))
        self._box.run(TICK_SECONDS)

    def read(self) -> None:
        """Read every file, with nothing to count."""
        for path in self._paths:
            self._box.read(path)


def run(divisor: int) -> Iterator[Figure]:
    """GROUPS groups in two cache blocks, with and without profiles."""
    groups = max(2, GROUPS // divisor)
    plain, profiled = Node(groups, (None,)), Node(groups, (READER, STREAMER))
    rounds = max(3, ROUNDS // divisor)
    read = interleaved(
        {"profiled": per_value(profiled.read, 1), "plain": per_value(plain.read, 1)}, rounds, 5, plain.count
    )
    count = interleaved(
        {"profiled": per_value(profiled.count, 1), "plain": per_value(plain.count, 1)}, rounds, 1, plain.count
    )
    yield Figure("emulator.profiled_read_vs_plain", read["profiled"] / read["plain"], "ratio")
    yield Figure("emulator.profiled_count_vs_plain", count["profiled"] / count["plain"], "ratio")
    yield Figure("emulator.profiled_count_share_of_tick", count["profiled"] / (TICK_SECONDS * 1e7), "%")


BENCH = Bench(
    "emulator",
    "CPU time of the emulator, in memory, with 50 groups x 2 cache blocks x 3 events: to read every file where each "
    "thread has a profile / where none has; to count the threads once, as well; such a count / the 0.1 s between two",
    run,
)
