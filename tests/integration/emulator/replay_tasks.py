"""Parts of the replay: threads, and who may move them."""

# System calls are what this is about, one by one.
# ruff: noqa: PTH101, PTH116
import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.wait import until
from tests.integration.emulator.replay_calls import Calls, die_with_parent, emit, libc_call

A = "/mon_groups/a/tasks"
CLONE_NEWPID = 0x20000000
ANYONE = 1000
PAGE_BYTES = 4096


class Children:
    """Processes that end with the replay."""

    def __init__(self) -> None:
        self._alive: set[int] = set()

    def spawn(self, *, busy: bool = False) -> int:
        """Start a process that sleeps, or that never does."""
        pid = os.fork()
        if pid == 0:
            die_with_parent()
            while True:
                if not busy:
                    signal.pause()
        self._alive.add(pid)
        return pid

    def adopt(self, pid: int) -> None:
        """Kill this one too."""
        self._alive.add(pid)

    def kill(self, pid: int) -> None:
        self._alive.discard(pid)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pid in self._alive:
            os.kill(pid, signal.SIGKILL)


def tasks_write(calls: Calls, children: Children, p: int, q: int) -> None:
    emit("## tasks write")
    calls.groups_of("child", p)
    calls.write(A, f"{p}\n")
    calls.groups_of("child", p)
    calls.read(A)
    calls.read("/tasks")
    calls.write(A, f"{q}")
    calls.read(A)
    calls.write(A, "0\n")
    calls.groups_of("self after 0", os.getpid())
    calls.read(A)
    calls.write("/tasks", "0\n")
    calls.groups_of("self after root 0", os.getpid())
    calls.write(A, "-1\n")
    calls.write(A, "-0\n")
    calls.write("/tasks", "0\n")
    for text in ("999999\n", "abc\n", "", "\n", " \n", "99999999999\n"):
        calls.write(A, text)
    with stand_in(calls, children, for_pid=1) as init:
        calls.write(A, f"+{init}\n")
        calls.write("/tasks", f"{init}\n")
    lists_of_tids(calls, children, p, q)
    whole_pages(calls, p)
    one_descriptor(calls, q)
    with stand_in(calls, children, for_pid=2) as kthreadd:
        calls.write(A, f"{kthreadd}\n")
        calls.groups_of("kthreadd", kthreadd)
        calls.write("/tasks", f"{kthreadd}\n")


@contextmanager
def stand_in(calls: Calls, children: Children, *, for_pid: int) -> Iterator[int]:
    """A process that is printed as another one, which a container may lack.

    The true init adopts orphans, and the true kthreadd makes kernel threads: those might come along.
    """
    pid = children.spawn()
    calls.aliases = {str(pid): str(for_pid)}
    yield pid
    calls.aliases = {}
    children.kill(pid)


def lists_of_tids(calls: Calls, children: Children, p: int, q: int) -> None:
    both = f"{p},{q}\n"
    for path, text in (
        ("/tasks", both), (A, both), ("/tasks", f"{p}, {q}\n"), (A, f"{p} {q}\n"), (A, f"{p}\n{q}\n"),
    ):  # fmt: skip
        calls.write(path, text)
    calls.read(A)
    for path, text in (
        (A, f"  {p}  \n"), ("/tasks", f"0x{p:x}\n"), (A, f"0{p:o}\n"), ("/tasks", f"{p},\n"), ("/tasks", f"{p},"),
        (A, f",{p}\n"), (A, f"{p},,{q}\n"),
    ):  # fmt: skip
        calls.write(path, text)
    with stand_in(calls, children, for_pid=1) as init:
        calls.write("/tasks", f"{init}\n")
    calls.write("/tasks", both)
    calls.write(A, f"{p},999999,{q}\n")
    calls.read(A, note="after partial failure: ")
    calls.write(A, f"{p}\0{str(q)[:2]}")


def whole_pages(calls: Calls, p: int) -> None:
    one = f"{p},".encode()
    text = one * -(-(PAGE_BYTES - 6) // len(one))
    for size in (PAGE_BYTES - 1, PAGE_BYTES, PAGE_BYTES + 1):
        calls.write(A, text[:size].ljust(size, b"\0"))


def one_descriptor(calls: Calls, q: int) -> None:
    text = f"{q}\n".encode()
    descriptor = os.open(calls.at(A), os.O_RDWR)
    emit(f"pwrite at off 100 -> {os.pwrite(descriptor, text, 100)} OK")
    emit(f"two writes same fd -> {os.write(descriptor, text)} {os.write(descriptor, text)}")
    os.lseek(descriptor, 0, os.SEEK_SET)
    data = os.read(descriptor, 65536)
    shown = data.decode().replace("\n", "\\n")
    emit(f'read same fd -> {len(data)} "{shown}"')
    os.close(descriptor)
    descriptor = os.open(calls.at(A), os.O_WRONLY | os.O_APPEND)
    emit(f"O_APPEND write -> {os.write(descriptor, text)} OK")
    os.close(descriptor)


def threads(calls: Calls, children: Children) -> None:
    emit("## threads and inheritance")
    orders, answers = os.pipe(), os.pipe()
    leader = os.fork()
    if leader == 0:
        die_with_parent()
        _be_a_process_with_threads(orders[0], answers[1])

    def answer() -> list[int]:
        return [int(number) for number in json.loads(os.read(answers[0], 1000))]

    tids = answer()
    calls.write(A, f"{leader}\n")
    calls.read(A)
    emit(f"(tgid={leader} only; other threads are tgid+1..+3)")
    os.write(orders[1], b"go")
    (forked,) = answer()
    children.adopt(forked)
    calls.read(A, note="after main thread makes a new thread and forks: ")
    calls.write(A, f"{tids[1]}\n")
    calls.read(A)
    calls.groups_of("tid", tids[1])
    os.kill(leader, signal.SIGKILL)
    state = Path(f"/proc/{leader}/stat")
    until("the process to be a zombie", lambda: ") Z " in state.read_text())
    until("its threads to be gone", lambda: len(list(Path(f"/proc/{leader}/task").iterdir())) == 1)
    calls.read(A, note="after SIGKILL, before reaping (zombie leader): ")
    os.waitpid(leader, 0)
    calls.read(A, note="after reaping: ")


def _be_a_process_with_threads(orders: int, answers: int) -> None:
    """Start three threads; on an order, one more and a process, all by the main thread."""
    tids: list[int] = []
    for _ in range(3):
        thread = threading.Thread(target=threading.Event().wait, daemon=True)
        thread.start()
        tids.append(thread.native_id or 0)
    os.write(answers, json.dumps(tids).encode())
    os.read(orders, 10)
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    forked = os.fork()
    if forked:
        os.write(answers, json.dumps([forked]).encode())
    while True:
        signal.pause()


def permissions(calls: Calls, p: int) -> None:
    emit("## permissions: non-root")
    tasks, groups = "/mon_groups/u/tasks", calls.at("/mon_groups")
    calls.mkdir("/mon_groups/u")
    os.chown(calls.at(tasks), ANYONE, ANYONE)

    def in_one_given_tasks() -> None:
        calls.write("/mon_groups/u/cpus", "1\n")
        calls.write(tasks, f"{p}\n")
        calls.write(tasks, "0\n")
        calls.read(tasks)
        calls.read("/mon_groups/u/mon_data/mon_L3_00/llc_occupancy")
        calls.mkdir("/mon_groups/u2")
        calls.read(tasks)
        calls.rmdir("/mon_groups/u")

    def with_mon_groups_given() -> None:
        calls.mkdir("/mon_groups/u2")
        calls.listing("/mon_groups/u2")
        owners = [os.stat(calls.at(path)).st_uid for path in ("/mon_groups/u2/tasks", "/mon_groups/u2")]
        emit(f"owner of new group's tasks={owners[0]} dir={owners[1]}")
        calls.write("/mon_groups/u2/tasks", "0\n")
        calls.write("/mon_groups/u2/tasks", f"{p}\n")
        calls.rmdir("/mon_groups/u2")

    _as_anyone(in_one_given_tasks)
    os.chmod(calls.at("/mon_groups/u"), 0o755)
    os.chown(groups, ANYONE, ANYONE)
    os.chmod(groups, 0o755)
    emit("chown mon_groups 1000 + chmod 0755 -> OK")
    _as_anyone(with_mon_groups_given)
    os.chown(groups, 0, 0)
    os.chmod(groups, 0o555)
    calls.rmdir("/mon_groups/u")


def namespaces(calls: Calls, p: int, q: int) -> None:
    emit("## pid namespaces")
    tasks = "/mon_groups/ns/tasks"
    calls.mkdir("/mon_groups/ns")
    calls.write(tasks, f"{p},{q}\n")
    made = os.fork()
    if made == 0:
        libc_call("unshare", CLONE_NEWPID)
        done, written = os.pipe(), os.pipe()
        first = os.fork()
        if first == 0:
            emit(f"in new pidns getpid={os.getpid()}")
            calls.read(tasks, note="inside, before: ")
            calls.write(tasks, "1\n")
            calls.read(tasks, note="inside, after: ")
            calls.write("/tasks", f"{p}\n")
            os.write(written[1], b"done")
            os.read(done[0], 1)
            os._exit(0)
        os.read(written[0], 10)
        calls.read(tasks, note="outside: ")
        os.write(done[1], b"!")
        os.waitpid(first, 0)
        os._exit(0)
    os.waitpid(made, 0)
    calls.rmdir("/mon_groups/ns")


def _as_anyone(work: object) -> None:
    pid = os.fork()
    if pid == 0:
        os.setgid(ANYONE)
        os.setuid(ANYONE)
        assert callable(work)
        work()
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert status == 0
