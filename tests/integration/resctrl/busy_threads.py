"""Real threads, whose TIDs tests put into groups."""

import ctypes
import queue
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from cachemon.model.mon_groups import MonGroupName
from cachemon.model.threads import Thread, ThreadClass
from cachemon.qemu.proc_files import ProcFiles
from cachemon.resctrl.tree_reader import TreeReader
from lab.wait import until

_PR_SET_NAME = 15  # linux/prctl.h
PROC = ProcFiles(Path("/proc"))


class _Worker:
    def __init__(self, name: str) -> None:
        self._jobs: queue.Queue[tuple[float, threading.Event] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, args=(name,), daemon=True)
        self._born = threading.Event()
        self._thread.start()
        self._born.wait()
        assert self._thread.native_id
        self.tid = self._thread.native_id

    def burn(self, cpu_seconds: float) -> None:
        done = threading.Event()
        self._jobs.put((cpu_seconds, done))
        done.wait()

    def end(self) -> None:
        self._jobs.put(None)
        self._thread.join()  # which returns a moment before the kernel's thread has gone
        entry = Path(f"/proc/self/task/{self.tid}")
        until(f"thread {self.tid} to be gone", lambda: not entry.exists(), poll_seconds=0.001)

    def _run(self, name: str) -> None:
        ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode())
        self._born.set()
        while job := self._jobs.get():
            cpu_seconds, done = job
            end = time.thread_time() + cpu_seconds
            while time.thread_time() < end:
                sum(range(500))
            done.set()


class BusyThreads:
    """Threads of this process."""

    def __init__(self) -> None:
        self._workers: dict[int, _Worker] = {}

    def start(self, name: str = "waiting") -> int:
        """A new thread's TID."""
        worker = _Worker(name)
        self._workers[worker.tid] = worker
        return worker.tid

    def burn(self, tid: int, cpu_seconds: float = 0.1) -> None:
        """Let it use so much CPU time, and return when it has."""
        self._workers[tid].burn(cpu_seconds)

    def end(self, tid: int) -> None:
        """Let it end, and return when it has."""
        self._workers.pop(tid).end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for tid in list(self._workers):
            self.end(tid)


def as_thread(tid: int) -> Thread:
    """The value that a scan would have for it."""
    stat = PROC.stat(tid)
    assert stat
    return Thread(tid, stat.start_time, ThreadClass.EMULATOR, None)


def put_thread(tree: TreeReader, where: MonGroupName, tid: int) -> None:
    """Move a thread into any group, as other programs do."""
    (tree.directory(where) / "tasks").write_text(f"{tid}\n")


def is_alive(thread: Thread) -> bool:
    """Whether the TID still is that thread."""
    stat = PROC.stat(thread.tid)
    return stat is not None and stat.start_time == thread.start_time


class StandInQemu:
    """A directory that looks like /proc with one QEMU in it, whose threads are real ones of ours.

    Args:
        proc: where; must exist.
        pid: the number of the process.
        pod_uid: of its pod.
        guest: `<namespace>_<vmi>`.
    """

    def __init__(self, proc: Path, pid: int, pod_uid: str, guest: str) -> None:
        self._proc = proc
        self._directory = proc / str(pid)
        (self._directory / "task").mkdir(parents=True)
        (self._directory / "stat").symlink_to("/proc/self/stat")
        argv = ["qemu-system-x86_64", "-name", f"guest={guest},debug-threads=on"]
        (self._directory / "cmdline").write_bytes("\0".join(argv).encode() + b"\0")
        (self._directory / "cgroup").write_text(f"0::/kubepods/pod{pod_uid}/x\n")

    def add(self, tid: int) -> None:
        """One of our threads is a thread of the QEMU."""
        for directory in (self._directory / "task" / str(tid), self._proc / str(tid)):
            directory.mkdir()
            (directory / "stat").symlink_to(f"/proc/{tid}/stat")

    def drop(self, tid: int) -> None:
        """It has ended."""
        for directory in (self._directory / "task" / str(tid), self._proc / str(tid)):
            (directory / "stat").unlink()
            directory.rmdir()
