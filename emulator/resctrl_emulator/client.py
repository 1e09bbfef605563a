"""The client of the control socket: exact values, frozen counters, set values, faults."""

import json
import socket
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from resctrl_emulator.thread_profile import ThreadProfile

TIMEOUT_SECONDS = 30.0


class ControlError(Exception):
    """The emulator refused a request; the message says why."""


@dataclass(frozen=True, slots=True)
class GroupBooks:
    """The exact state of one group.

    Attributes:
        rmid: its RMID.
        tids: its threads, without those of child groups. For the default group only threads that were in another
            group, or that such a thread created.
        blocks: cache id (with SNC, node id) -> event -> bytes or "Unavailable", "Error", "Unassigned", of its own
            RMID alone, without child groups.
        closid: its class of service.
        packages: CPU package -> telemetry event -> value, of its own RMID alone; core_energy and activity are
            fixed-point numbers with 18 fraction bits.
    """

    rmid: int
    tids: tuple[int, ...]
    blocks: dict[int, dict[str, int | str]]
    closid: int = 0
    packages: dict[int, dict[str, int | str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ThreadBooks:
    """What a thread did since it got its first profile.

    Attributes:
        cpu_ns: the CPU time that it used.
        work_ns: the CPU time that the same work takes without a cache miss.
        missed_bytes: memory that it brought into a cache.
    """

    cpu_ns: int
    work_ns: int
    missed_bytes: int


@dataclass(frozen=True, slots=True)
class Books:
    """The exact state of the emulator.

    Attributes:
        groups: by path, `/` for the default group.
        capacity_bytes: capacity of online blocks, by cache id.
        occupancy_bytes: occupancy of all RMIDs together, by cache id, including RMIDs in limbo.
        rmids: number of RMIDs, including the default group's.
        free_rmids: free RMIDs in the order in which groups get them.
        limbo_rmids: RMIDs of removed groups that are not free yet.
        frozen: whether counting is stopped.
        threads: threads that have or had a profile, by TID.
    """

    groups: dict[str, GroupBooks]
    capacity_bytes: dict[int, int]
    occupancy_bytes: dict[int, int]
    rmids: int
    free_rmids: tuple[int, ...]
    limbo_rmids: tuple[int, ...]
    frozen: bool
    threads: dict[int, ThreadBooks] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InjectedFault:
    """An injected fault.

    Attributes:
        operation: the operation that it applies to, or `*`.
        path: the path that it applies to, with wildcards.
        errno: the error; None for a delay alone.
        hits: how often it was applied.
    """

    operation: str
    path: str
    errno: int | None
    hits: int


class ControlClient:
    """Talks to `resctrl-emulator --control PATH`. One connection per request.

    Args:
        path: the socket.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def books(self) -> Books:
        """Return the exact state, counted up to now."""
        answer = self.request({"op": "books"})
        return Books(
            groups={
                path: GroupBooks(
                    rmid=group["rmid"],
                    tids=tuple(group["tids"]),
                    blocks={int(block): dict(events) for block, events in group["blocks"].items()},
                    closid=group["closid"],
                    packages={int(package): dict(events) for package, events in group["packages"].items()},
                )
                for path, group in answer["groups"].items()
            },
            capacity_bytes={int(block): size for block, size in answer["capacity"].items()},
            occupancy_bytes={int(block): size for block, size in answer["occupancy"].items()},
            rmids=answer["rmids"]["total"],
            free_rmids=tuple(answer["rmids"]["free"]),
            limbo_rmids=tuple(answer["rmids"]["limbo"]),
            frozen=answer["frozen"],
            threads={int(tid): ThreadBooks(**work) for tid, work in answer["threads"].items()},
        )

    def freeze(self) -> None:
        """Stop all counting, so that sums can be compared exactly."""
        self.request({"op": "freeze"})

    def thaw(self) -> None:
        """Resume counting. CPU time used meanwhile is not counted."""
        self.request({"op": "thaw"})

    def set_value(self, group: str, block: int, event: str, value: int | str | None) -> None:
        """Set the value that a group's own RMID shows.

        Args:
            group: its path, `/` for the default group.
            block: cache id; with SNC, node id; for a telemetry event, CPU package.
            event: `llc_occupancy`, `mbm_total_bytes`, `mbm_local_bytes`, or a telemetry event.
            value: bytes, "Unavailable", "Error" or "Unassigned"; None restores counting.

        Raises:
            ControlError: no such group, block, event or text.
        """
        self.request({"op": "set", "group": group, "block": block, "event": event, "value": value})

    def set_thread_profile(self, tid: int, profile: ThreadProfile | None) -> None:
        """Give a thread a profile, so that its traffic, occupancy and work depend on what the cache holds.

        Args:
            tid: the thread; it need not be in a group yet, and keeps the profile when it is moved.
            profile: None restores the constant rate.

        Raises:
            ControlError: no such thread or cache block.
        """
        self.request({"op": "thread_profile", "tid": tid, "profile": profile and asdict(profile)})

    def schedstat(self, tid: int) -> str | None:
        """Return what /proc/TID/schedstat has to say of a thread; None if its profile has no CPU share.

        Raises:
            ControlError: no such thread.
        """
        text: str | None = self.request({"op": "schedstat", "tid": tid})["text"]
        return text

    def set_block_online(self, block: int, *, online: bool) -> None:
        """Take all CPUs of a cache block offline or online.

        Raises:
            ControlError: no such block, or it is the last one online.
        """
        self.request({"op": "block", "id": block, "online": online})

    def replace_content(self, path: str, text: str) -> None:
        """Replace the content of a file until `heal`.

        Args:
            path: from the root of the file system, without wildcards.
            text: the content; bytes that are not UTF-8 as surrogates (`surrogateescape`).
        """
        self.request({"op": "content", "path": path, "text": text})

    def fail(self, operation: str, path: str, number: int, *, times: int | None = 1, skip: int = 0) -> None:
        """Make system calls fail.

        Args:
            operation: getattr, opendir, readdir, mkdir, rmdir, rename, open, read, write, or `*`.
            path: from the root of the file system, with wildcards; `*` also crosses `/`.
            number: the errno.
            times: how often; None for always.
            skip: number of matching calls that succeed first.

        Raises:
            ControlError: no such operation or errno.
        """
        self.request(
            {"op": "fault", "operation": operation, "path": path, "errno": number, "times": times, "skip": skip}
        )

    def delay(self, operation: str, path: str, milliseconds: float, *, times: int | None = None) -> None:
        """Delay system calls; all others wait meanwhile, as for rdtgroup_mutex.

        Args:
            operation: as for `fail`.
            path: as for `fail`; `*/mon_L3_01/*` is one cache block.
            milliseconds: the delay.
            times: how often; None for always.

        Raises:
            ControlError: no such operation.
        """
        self.request(
            {"op": "fault", "operation": operation, "path": path, "milliseconds": milliseconds, "times": times}
        )

    def faults(self) -> tuple[InjectedFault, ...]:
        """Return the faults injected since the last `heal`."""
        return tuple(
            InjectedFault(fault["operation"], fault["path"], fault["errno"], fault["hits"])
            for fault in self.request({"op": "faults"})["faults"]
        )

    def calls(self) -> dict[str, int]:
        """Return the number of system calls since the last `heal`, by operation."""
        return dict(self.request({"op": "faults"})["calls"])

    def heal(self) -> None:
        """Remove all faults, and count calls from zero."""
        self.request({"op": "heal"})

    def request(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send one request and return the answer.

        Raises:
            ControlError: the emulator refused it.
            OSError: no emulator listens.
        """
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(TIMEOUT_SECONDS)
            connection.connect(str(self._path))
            with connection.makefile("rwb") as stream:
                stream.write(json.dumps(request).encode() + b"\n")
                stream.flush()
                answer: dict[str, Any] = json.loads(stream.readline())
        if "error" in answer:
            raise ControlError(answer["error"])
        return answer
