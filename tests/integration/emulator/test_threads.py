import os
import time
from pathlib import Path

import pytest

from resctrl_emulator.threads import Identity, ProcThreads
from tests.integration.emulator.worker_process import Worker

STAT = "{tid} (a ) b) S " + " ".join(str(field) for field in range(4, 53)) + "\n"


def write_thread(proc: Path, tid: int, start: int) -> Path:
    task = proc / str(tid) / "task" / str(tid)
    task.mkdir(parents=True, exist_ok=True)
    (proc / "self").mkdir(exist_ok=True)
    fields = STAT.format(tid=tid).replace(" 22 ", f" {start} ")
    (task / "stat").write_text(fields)
    (proc / str(tid) / "status").write_text(f"Name:\tx\nTgid:\t{tid}\nUid:\t1000\t0\t1001\t0\n")
    return task


def test_a_thread_is_known_by_its_process_and_start_time(worker: Worker) -> None:
    threads = ProcThreads()
    tid = worker.thread()
    thread = threads.identify(tid)
    assert thread is not None
    assert (thread.tid, thread.tgid) == (tid, worker.pid)
    assert threads.threads_of(worker.pid) == {worker.pid, tid}
    assert worker.pid in threads.processes()
    assert tid not in threads.processes()


def test_cpu_time_is_counted_per_thread_to_the_nanosecond() -> None:
    threads = ProcThreads()
    me = threads.identify(os.getpid())
    assert me is not None
    before, end = threads.cpu_ns(me), time.thread_time() + 0.05
    while time.thread_time() < end:
        pass
    after = threads.cpu_ns(me)
    assert before is not None
    assert after is not None
    assert after - before >= 40_000_000
    assert threads.last_cpu(me) in os.sched_getaffinity(0)


def test_children_are_those_of_the_very_thread(worker: Worker) -> None:
    threads = ProcThreads()
    thread, leader = threads.identify(worker.thread()), threads.identify(worker.pid)
    child = worker.fork()
    assert thread is not None
    assert leader is not None
    assert threads.children(leader) == {child}
    assert threads.children(thread) == frozenset()


def test_a_dead_thread_has_no_cpu_time_even_if_its_files_were_open() -> None:
    worker, threads = Worker(), ProcThreads()
    thread = threads.identify(worker.pid)
    assert thread is not None
    assert threads.cpu_ns(thread) is not None
    worker.stop()
    assert threads.cpu_ns(thread) is None
    assert threads.children(thread) == frozenset()
    assert threads.uids(thread) == frozenset()
    threads.forget(thread)
    assert threads.identify(worker.pid) is None


def test_without_schedstat_clock_ticks_are_counted(tmp_path: Path) -> None:
    write_thread(tmp_path, 7, start=22)
    threads = ProcThreads(tmp_path)
    thread = Identity(7, 7, 22)
    assert threads.identify(7) == thread
    assert threads.cpu_ns(thread) == (14 + 15) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    assert threads.last_cpu(thread) == 39
    assert threads.uids(thread) == {1000, 1001}
    threads.forget(thread)


def test_a_tid_that_has_another_start_time_is_another_thread(tmp_path: Path) -> None:
    write_thread(tmp_path, 7, start=22)
    threads = ProcThreads(tmp_path)
    write_thread(tmp_path, 7, start=99)
    assert threads.cpu_ns(Identity(7, 7, 22)) is None


@pytest.mark.parametrize("text", ["", "garbage"])
def test_what_proc_garbles_is_a_thread_that_is_gone(tmp_path: Path, text: str) -> None:
    task = write_thread(tmp_path, 7, start=22)
    (task / "stat").write_text(text)
    assert ProcThreads(tmp_path).identify(7) is None
