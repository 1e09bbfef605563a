"""A machine made of plain values, and a resctrl on it."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from resctrl_emulator.kernel import Resctrl
from resctrl_emulator.kernfs import Caller, Directory
from resctrl_emulator.machine import CacheBlock, Machine
from resctrl_emulator.options import Options
from resctrl_emulator.profile import PROFILES
from resctrl_emulator.threads import Identity
from resctrl_emulator.workload import EVENTS

MI = 1 << 20
SECOND_NS = 1_000_000_000
ROOT = Caller(uid=0, gid=0, tid=0)


@dataclass(slots=True)
class FakeThread:
    identity: Identity
    uids: frozenset[int] = frozenset({0})
    cpu_ns: int = 0
    cpu: int = 0
    children: set[int] = field(default_factory=set)


class FakeThreads:
    def __init__(self) -> None:
        self.alive: dict[int, FakeThread] = {}
        self._next_tid = 100
        self._started = 0

    def process(self, parent: int | None = None, uid: int = 0) -> int:
        tid = self._next_tid
        return self._start(tid, tid, parent, uid)

    def thread(self, tgid: int) -> int:
        return self._start(self._next_tid, tgid, None, 0)

    def reuse(self, tid: int) -> None:
        self._start(tid, tid, None, 0)

    def burn(self, tid: int, seconds: float, cpu: int = 0) -> None:
        self.alive[tid].cpu_ns += int(seconds * SECOND_NS)
        self.alive[tid].cpu = cpu

    def kill(self, tid: int) -> None:
        del self.alive[tid]
        for other in self.alive.values():
            other.children.discard(tid)

    def _start(self, tid: int, tgid: int, parent: int | None, uid: int) -> int:
        self._next_tid = max(self._next_tid, tid + 1)
        self._started += 1
        self.alive[tid] = FakeThread(Identity(tid, tgid, self._started), frozenset({uid}))
        if parent is not None:
            self.alive[parent].children.add(tid)
        return tid

    def _find(self, thread: Identity) -> FakeThread | None:
        found = self.alive.get(thread.tid)
        return found if found and found.identity == thread else None

    def identify(self, tid: int) -> Identity | None:
        return self.alive[tid].identity if tid in self.alive else None

    def uids(self, thread: Identity) -> frozenset[int]:
        found = self._find(thread)
        return found.uids if found else frozenset()

    def cpu_ns(self, thread: Identity) -> int | None:
        found = self._find(thread)
        return found.cpu_ns if found else None

    def last_cpu(self, thread: Identity) -> int:
        found = self._find(thread)
        return found.cpu if found else 0

    def children(self, thread: Identity) -> frozenset[int]:
        found = self._find(thread)
        return frozenset(found.children) if found else frozenset()

    def threads_of(self, tgid: int) -> frozenset[int]:
        return frozenset(tid for tid, thread in self.alive.items() if thread.identity.tgid == tgid)

    def processes(self) -> list[int]:
        return sorted({thread.identity.tgid for thread in self.alive.values()})

    def seen_from(self, _viewer: int, tids: list[int]) -> list[int]:
        return tids

    def from_namespace_of(self, _viewer: int, tid: int) -> int | None:
        return tid

    def forget(self, thread: Identity) -> None:
        pass


class FakeClock:
    def __init__(self) -> None:
        self.ns = 0

    def __call__(self) -> int:
        return self.ns

    def advance(self, seconds: float) -> None:
        self.ns += int(seconds * SECOND_NS)


class Box:
    """A resctrl with its machine and clock, and system calls in short."""

    def __init__(
        self,
        *,
        profile: str = "7.3",
        rmids: int = 64,
        closids: int = 0,
        events: tuple[str, ...] | None = None,
        cpus: int = 2,
        blocks: dict[int, int] | None = None,
        **more: Any,
    ) -> None:
        self.threads = FakeThreads()
        self.clock = FakeClock()
        cache_blocks = [CacheBlock(id_, size) for id_, size in (blocks or {0: 32 * MI, 1: 32 * MI}).items()]
        options = Options(rmids, events or EVENTS, PROFILES[profile], closids, **more)
        self.resctrl = Resctrl(
            options,
            Machine(range(cpus), cache_blocks, nodes=options.nodes, packages=max(options.packages, 1)),
            self.threads,
            ROOT,
            now_ns=self.clock,
            wall_ns=self.clock,
        )

    def read(self, path: str, caller: Caller = ROOT) -> str:
        return self.resctrl.read(self.resctrl.open(path, 0), 1 << 16, 0, caller).decode()

    def write(self, path: str, text: str, caller: Caller = ROOT) -> int:
        return self.resctrl.write(self.resctrl.open(path, 1), text.encode(), caller)

    def mkdir(self, path: str, mode: int = 0o755, caller: Caller = ROOT) -> None:
        self.resctrl.mkdir(path, mode, caller)

    def rmdir(self, path: str) -> None:
        self.resctrl.rmdir(path)

    def rename(self, old: str, new: str) -> None:
        self.resctrl.rename(old, new)

    def names(self, path: str) -> list[str]:
        directory = self.resctrl.kernfs.find(path)
        assert isinstance(directory, Directory)
        return sorted(directory.children)

    def tids(self, path: str) -> list[int]:
        return [int(line) for line in self.read(f"{path}/tasks").split()]

    @property
    def status(self) -> str:
        return self.read("/info/last_cmd_status")

    def run(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.resctrl.tick()


@contextmanager
def refuses(number: int) -> Iterator[None]:
    """The block must raise OSError with this errno."""
    with pytest.raises(OSError) as refusal:
        yield
    got = errno.errorcode.get(refusal.value.errno or 0)
    assert got == errno.errorcode[number]
