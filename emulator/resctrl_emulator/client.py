"""The control socket seen from a test: books, freeze, set values, cache blocks."""

import json
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Books", "ControlClient", "ControlError", "GroupBooks", "InjectedFault"]

TIMEOUT_SECONDS = 30.0


class ControlError(Exception):
    """The emulator refused a request; the text says why."""


@dataclass(frozen=True, slots=True)
class GroupBooks:
    """What the emulator knows of one group.

    Attributes:
        rmid: counts for this group alone.
        tids: its threads, without those of child groups; of the default group only those that once were in
            another one or were made by one that is.
        blocks: cache id (with SNC, node id) -> event -> bytes or "Unavailable", "Error", "Unassigned". Its own
            RMID's, never summed with children.
        packages: CPU package -> telemetry event -> what it counted, also its own RMID's; core_energy and activity
            in units of 2^-18.
        closid: its class of service.
    """

    rmid: int
    tids: tuple[int, ...]
    blocks: dict[int, dict[str, int | str]]
    packages: dict[int, dict[str, int | str]] = field(default_factory=dict)
    closid: int = 0


@dataclass(frozen=True, slots=True)
class Books:
    """Everything that the emulator knows.

    Attributes:
        groups: by path, `/` for the default group.
        capacity_bytes: by cache id, of online blocks.
        occupancy_bytes: by cache id, of all RMIDs together, those in limbo included.
        rmids: number of RMIDs that groups can have, the default group's included.
        free_rmids: next one first.
        limbo_rmids: of removed groups, not free yet.
        frozen: whether counting is stopped.
    """

    groups: dict[str, GroupBooks]
    capacity_bytes: dict[int, int]
    occupancy_bytes: dict[int, int]
    rmids: int
    free_rmids: tuple[int, ...]
    limbo_rmids: tuple[int, ...]
    frozen: bool


@dataclass(frozen=True, slots=True)
class InjectedFault:
    """A fault that was asked for.

    Attributes:
        operation: what it strikes, or `*`.
        path: where.
        errno: with which error; None for a mere delay.
        hits: how often it struck.
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
        """Everything the emulator knows, counted up to now."""
        answer = self.request({"op": "books"})
        return Books(
            groups={
                path: GroupBooks(
                    rmid=group["rmid"],
                    tids=tuple(group["tids"]),
                    blocks={int(block): dict(events) for block, events in group["blocks"].items()},
                    packages={int(package): dict(events) for package, events in group["packages"].items()},
                    closid=group["closid"],
                )
                for path, group in answer["groups"].items()
            },
            capacity_bytes={int(block): size for block, size in answer["capacity"].items()},
            occupancy_bytes={int(block): size for block, size in answer["occupancy"].items()},
            rmids=answer["rmids"]["total"],
            free_rmids=tuple(answer["rmids"]["free"]),
            limbo_rmids=tuple(answer["rmids"]["limbo"]),
            frozen=answer["frozen"],
        )

    def freeze(self) -> None:
        """Stop all counting, so that sums can be compared exactly."""
        self.request({"op": "freeze"})

    def thaw(self) -> None:
        """Count on. What threads used meanwhile counts for nobody."""
        self.request({"op": "thaw"})

    def set_value(self, group: str, block: int, event: str, value: int | str | None) -> None:
        """Let a group's own RMID show something else.

        Args:
            group: its path, `/` for the default group.
            block: cache id; with SNC, node id; for a telemetry event, CPU package.
            event: `llc_occupancy`, `mbm_total_bytes`, `mbm_local_bytes`, or one of telemetry.
            value: bytes (core_energy and activity: in units of 2^-18), "Unavailable", "Error", "Unassigned";
                None goes back to counting.

        Raises:
            ControlError: no such group, block, event or text.
        """
        self.request({"op": "set", "group": group, "block": block, "event": event, "value": value})

    def set_block_online(self, block: int, *, online: bool) -> None:
        """Unplug all CPUs of a cache block, or plug them.

        Raises:
            ControlError: no such block, or it is the last one online.
        """
        self.request({"op": "block", "id": block, "online": online})

    def replace_content(self, path: str, text: str) -> None:
        """Let a file say something else until `heal`.

        Args:
            path: from the root of the file system, without wildcards.
            text: its content; bytes that are no UTF-8 as surrogates (`surrogateescape`).
        """
        self.request({"op": "content", "path": path, "text": text})

    def fail(self, operation: str, path: str, number: int, *, times: int | None = 1, skip: int = 0) -> None:
        """Let system calls fail.

        Args:
            operation: getattr, opendir, readdir, mkdir, rmdir, rename, open, read, write, or `*`.
            path: from the root of the file system, with wildcards; `*` also crosses `/`.
            number: the errno.
            times: how often; None is for ever.
            skip: so many matching calls go well first.

        Raises:
            ControlError: no such operation or errno.
        """
        self.request(
            {"op": "fault", "operation": operation, "path": path, "errno": number, "times": times, "skip": skip}
        )

    def delay(self, operation: str, path: str, milliseconds: float, *, times: int | None = None) -> None:
        """Let system calls take longer, all others waiting meanwhile as they would for rdtgroup_mutex.

        Args:
            operation: as for `fail`.
            path: as for `fail`; `*/mon_L3_01/*` is one cache block.
            milliseconds: how much longer.
            times: how often; None is for ever.

        Raises:
            ControlError: no such operation.
        """
        self.request(
            {"op": "fault", "operation": operation, "path": path, "milliseconds": milliseconds, "times": times}
        )

    def faults(self) -> tuple[InjectedFault, ...]:
        """The faults asked for since the last `heal`, and how often each struck."""
        return tuple(
            InjectedFault(fault["operation"], fault["path"], fault["errno"], fault["hits"])
            for fault in self.request({"op": "faults"})["faults"]
        )

    def calls(self) -> dict[str, int]:
        """How many system calls reached the file system since the last `heal`, by operation."""
        return dict(self.request({"op": "faults"})["calls"])

    def heal(self) -> None:
        """Let nothing fail any more, and count calls from zero."""
        self.request({"op": "heal"})

    def request(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send one request and wait for its answer.

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
