"""Keeps the group of each thread.

The kernel copies CLOSID and RMID from the thread that calls fork or clone. A file system in user space gets no notice
of either call, so this module scans /proc:

* a new child process is in the group of the thread that forked it (/proc/TID/task/TID/children). This is exact unless
  the child ended or got another parent before the scan. A process that adopts orphans (init, a subreaper) appears to
  have forked them;
* a new thread is in the group of its process's leader. This is exact while all threads of the process are in one
  group. Otherwise the kernel follows the creating thread, which /proc does not name.

A thread that was never moved, and that no member created, is in the default group and not tracked.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from resctrl_emulator.groups import Group
from resctrl_emulator.threads import Identity, Threads


@dataclass(slots=True)
class Member:
    """A thread of a process that has threads in groups.

    Attributes:
        thread: the thread.
        group: its group; may be the default group.
        counted_ns: CPU time that is already charged, or must not be.
        children: known processes that it forked.
    """

    thread: Identity
    group: Group
    counted_ns: int
    children: frozenset[int] = frozenset()


class Membership:
    """The threads of every group.

    Args:
        threads: the threads of the machine.
        default: the default group, which has every thread that is not tracked.
    """

    def __init__(self, threads: Threads, default: Group) -> None:
        self._threads = threads
        self._default = default
        self._processes: dict[int, dict[int, Member]] = {}

    def group_of(self, thread: Identity) -> Group:
        """The group of a thread."""
        member = self._processes.get(thread.tgid, {}).get(thread.tid)
        return member.group if member and member.thread == thread else self._default

    def members(self) -> Iterator[Member]:
        """Tracked threads that are not in the default group."""
        for process in self._processes.values():
            for member in process.values():
                if member.group is not self._default:
                    yield member

    def in_order(self, belongs: Callable[[Group], bool]) -> list[int]:
        """TIDs of tracked threads by group, in the order of for_each_process_thread: processes, then threads."""
        found: list[tuple[int, int, int, int]] = []
        for tgid, process in self._processes.items():
            leader = process.get(tgid)
            start = leader.thread.start_ticks if leader else 0
            found.extend(
                (start, tgid, member.thread.start_ticks, member.thread.tid)
                for member in process.values()
                if belongs(member.group)
            )
        return [tid for *_, tid in sorted(found)]

    def move(self, thread: Identity, group: Group) -> None:
        """Move a thread to a group. Call `refresh` before, so that its earlier children stay in its old group."""
        if thread.tgid not in self._processes:
            if group is self._default:
                return
            self._track(thread.tgid, self._default)
        process = self._processes.setdefault(thread.tgid, {})
        member = process.get(thread.tid)
        if member is None or member.thread != thread:
            member = process[thread.tid] = Member(thread, self._default, 0)
        if member.group is self._default:
            member.counted_ns = self._threads.cpu_ns(thread) or 0
            member.children = self._threads.children(thread)
        member.group = group

    def move_all(self, groups: list[Group], heir: Group) -> None:
        """Give the threads of removed groups to another group."""
        for member in self.members():
            if member.group in groups:
                member.group = heir

    def refresh(self, ran: Callable[[Member], bool] = lambda _: True) -> None:
        """Find new threads, and drop threads that have ended.

        Args:
            ran: whether a member may have forked since the last time.
        """
        for tgid in list(self._processes):
            self._refresh_threads(tgid)
        scanned: set[Identity] = set()
        while found := self._forks(ran, scanned):
            for pid, group in found.items():
                self._track(pid, group)

    def drop(self, member: Member) -> None:
        """Remove a thread that has ended."""
        process = self._processes.get(member.thread.tgid, {})
        process.pop(member.thread.tid, None)
        self._threads.forget(member.thread)

    def _forks(self, ran: Callable[[Member], bool], scanned: set[Identity]) -> dict[int, Group]:
        """New processes of members not scanned yet; a new one may have forked too, so the caller repeats this."""
        found: dict[int, Group] = {}
        for member in self.members():
            if member.thread in scanned or not (member.counted_ns == 0 or ran(member)):
                continue
            scanned.add(member.thread)
            children = self._threads.children(member.thread)
            for pid in children - member.children:
                if pid not in self._processes:
                    found[pid] = member.group
            member.children = children
        return found

    def _refresh_threads(self, tgid: int) -> None:
        process = self._processes[tgid]
        leader = process.get(tgid)
        if all(member.group is self._default for member in process.values()):
            for member in list(process.values()):
                self.drop(member)
            del self._processes[tgid]
            return
        present = self._threads.threads_of(tgid)
        for tid in process.keys() - present:
            self.drop(process[tid])
        for tid in present - process.keys():
            thread = self._threads.identify(tid)
            if thread and thread.tgid == tgid:
                process[tid] = Member(thread, leader.group if leader else self._default, 0)

    def _track(self, tgid: int, group: Group) -> None:
        """Track a process whose threads are all in one group."""
        threads = [self._threads.identify(tid) for tid in self._threads.threads_of(tgid)]
        self._processes[tgid] = {
            thread.tid: Member(thread, group, 0) for thread in threads if thread and thread.tgid == tgid
        }
