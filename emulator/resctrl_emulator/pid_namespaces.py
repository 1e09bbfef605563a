"""Translates thread ids between PID namespaces (pid_nr_ns and find_task_by_vpid of kernel/pid.c)."""

import fcntl
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

NS_GET_PARENT = 0xB702


class PidNamespaces:
    """Translates between our thread ids and those of a reader or writer.

    Args:
        proc: where a proc file system of our namespace is mounted.
    """

    def __init__(self, proc: Path) -> None:
        self._proc = proc

    def same(self, tid: int) -> bool:
        """Whether a thread is in our PID namespace; True also for one that has ended."""
        theirs = self._namespace(tid)
        return theirs is None or theirs == self._namespace(os.getpid())

    def seen_from(self, viewer: int, tids: Iterable[int]) -> list[int]:
        """TIDs of others in the PID namespace of a thread."""
        place = self._place(viewer)
        return [number for tid in tids if (number := self._number(tid, place)) is not None] if place else []

    def from_namespace_of(self, viewer: int, number: int) -> int | None:
        """Our TID of the thread that has a number in the PID namespace of another."""
        place = self._place(viewer)
        if place is None:
            return None
        return next((tid for tid in self._all_tids() if self._number(tid, place) == number), None)

    def _place(self, viewer: int) -> tuple[int, int] | None:
        namespace, numbers = self._namespace(viewer), self._numbers(viewer)
        return (namespace, len(numbers)) if namespace and numbers else None

    def _number(self, tid: int, place: tuple[int, int]) -> int | None:
        namespace, depth = place
        numbers = self._numbers(tid)
        if len(numbers) < depth or self._namespace(tid, levels_up=len(numbers) - depth) != namespace:
            return None
        return numbers[depth - 1]

    def _numbers(self, tid: int) -> list[int]:
        """A thread's id in our namespace and, going down, in each below it."""
        try:
            status = (self._proc / str(tid) / "status").read_text()
        except OSError:
            return []
        line = next((line for line in status.splitlines() if line.startswith("NSpid:")), "")
        return [int(number) for number in line.split()[1:]]

    def _namespace(self, tid: int, levels_up: int = 0) -> int | None:
        """The inode of a thread's PID namespace, or of an ancestor that many levels above it."""
        try:
            descriptor = os.open(self._proc / str(tid) / "ns" / "pid", os.O_RDONLY)
        except OSError:
            return None
        try:
            for _ in range(levels_up):
                above = fcntl.ioctl(descriptor, NS_GET_PARENT)
                os.close(descriptor)
                descriptor = above
            return os.fstat(descriptor).st_ino
        except OSError:
            return None
        finally:
            os.close(descriptor)

    def _all_tids(self) -> Iterator[int]:
        for process in self._proc.iterdir():
            if process.name.isdigit():
                try:
                    yield from (int(task.name) for task in (process / "task").iterdir())
                except OSError:
                    continue
