import threading
import time
from collections.abc import Iterator

import pytest

from cachemon.qemu.command_lines import CommandLine, CommandLines, Process
from lab.wait import until

MINE, THEIRS, OTHER = Process(10, 100), Process(20, 200), Process(30, 300)


class Kernel:
    """Answers reads of command lines; those of some processes wait until they are let go."""

    def __init__(self) -> None:
        self.held: dict[int, threading.Event] = {}
        self.begun: list[int] = []
        self.now = 1000.0
        self.lines = CommandLines(self.read, clock=lambda: self.now)

    def hold(self, process: Process) -> None:
        self.held[process.pid] = threading.Event()

    def let_go(self, process: Process) -> None:
        self.held.pop(process.pid).set()

    def read(self, pid: int) -> CommandLine | None:
        self.begun.append(pid)
        if event := self.held.get(pid):
            event.wait()
        return None if pid == OTHER.pid else ("qemu", str(pid))


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    kernel = Kernel()
    yield kernel
    for event in kernel.held.values():
        event.set()


def line_of(process: Process) -> CommandLine:
    return ("qemu", str(process.pid))


def test_command_lines_come_at_once_and_a_process_that_has_gone_has_none(kernel: Kernel) -> None:
    assert kernel.lines.read({"a": [MINE, THEIRS], "b": [OTHER]}) == {
        MINE: line_of(MINE),
        THEIRS: line_of(THEIRS),
        OTHER: None,
    }
    assert kernel.lines.held_up_by("a") is None


def test_a_process_that_can_not_be_read_holds_up_its_owner_alone(kernel: Kernel) -> None:
    kernel.hold(THEIRS)
    assert kernel.lines.read({"them": [THEIRS, OTHER], "me": [MINE]}) == {MINE: line_of(MINE)}
    assert kernel.lines.held_up_by("them") == THEIRS.pid
    assert kernel.lines.held_up_by("me") is None


def test_a_read_that_hangs_is_waited_for_once_and_has_no_second_thread(kernel: Kernel) -> None:
    kernel.hold(THEIRS)
    kernel.lines.read({"them": [THEIRS]})
    threads, began = threading.active_count(), time.monotonic()
    for _ in range(20):
        kernel.now += 100
        assert kernel.lines.read({"them": [THEIRS], "me": [MINE]}) == {MINE: line_of(MINE)}
    assert kernel.begun.count(THEIRS.pid) == 1
    assert threading.active_count() <= threads
    assert time.monotonic() - began < 20 * 0.2


def test_what_comes_late_is_taken_when_it_comes(kernel: Kernel) -> None:
    kernel.hold(THEIRS)
    assert kernel.lines.read({"them": [THEIRS]}) == {}
    kernel.let_go(THEIRS)
    until("the late answer", lambda: kernel.lines.read({}) == {THEIRS: line_of(THEIRS)}, seconds=10)
    assert kernel.begun == [THEIRS.pid]


def test_an_owner_that_was_slow_rests_longer_each_time(kernel: Kernel) -> None:
    rests = []
    for _ in range(9):
        kernel.hold(THEIRS)
        since = kernel.now
        while not (kernel.lines.read({"them": [THEIRS]}) or kernel.lines.held_up_by("them")):
            kernel.now += 0.5
        rests.append(kernel.now - since)
        reader = kernel.lines._readers["them"]
        kernel.let_go(THEIRS)
        reader.done.wait()
        reader.seconds = 1.0
        kernel.lines.read({})
    assert rests == [0.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]


def test_owners_are_waited_for_together(kernel: Kernel) -> None:
    for pid in range(100, 120):
        kernel.hold(Process(pid, 1))
    began = time.monotonic()
    kernel.lines.read({str(pid): [Process(pid, 1)] for pid in range(100, 120)})
    assert time.monotonic() - began < 20 * 0.2


def test_the_number_of_threads_has_a_limit(kernel: Kernel) -> None:
    lines = CommandLines(kernel.read, most_readers=3, wait_seconds=0.01)
    for pid in range(100, 110):
        kernel.hold(Process(pid, 1))
    lines.read({str(pid): [Process(pid, 1)] for pid in range(100, 110)})
    assert len(kernel.begun) == 3


def test_where_no_descriptor_is_left_the_process_is_asked_for_again() -> None:
    errors = iter([OSError(24, "Too many open files")])

    def read(_pid: int) -> CommandLine | None:
        for error in errors:
            raise error
        return ("qemu",)

    lines = CommandLines(read)
    assert lines.read({"me": [MINE]}) == {}
    assert lines.read({"me": [MINE]}) == {MINE: ("qemu",)}
