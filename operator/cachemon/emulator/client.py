"""The control socket seen from a test: books, freeze, set values, cache blocks."""

import json
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Books", "ControlClient", "ControlError", "GroupBooks"]

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
        blocks: cache id -> event -> bytes or "Unavailable", "Error", "Unassigned". Its own RMID's, never
            summed with children.
    """

    rmid: int
    tids: tuple[int, ...]
    blocks: dict[int, dict[str, int | str]]


@dataclass(frozen=True, slots=True)
class Books:
    """Everything that the emulator knows.

    Attributes:
        groups: by path, `/` for the default group.
        capacity_bytes: by cache id, of online blocks.
        occupancy_bytes: by cache id, of all RMIDs together, those in limbo included.
        rmids: number of RMIDs.
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


class ControlClient:
    """Talks to `cachemon-resctrl-emulator --control PATH`. One connection per request.

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
            block: cache id.
            event: `llc_occupancy`, `mbm_total_bytes` or `mbm_local_bytes`.
            value: bytes, "Unavailable", "Error", "Unassigned"; None goes back to counting.

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
