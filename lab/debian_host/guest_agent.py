"""Commands in a guest, by Debian's QEMU guest agent: JSON over a virtio serial port (qemu-ga's own protocol)."""

import base64
import json
import secrets
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.speed import allowance
from lab.wait import until

PORT = "org.qemu.guest_agent.0"
"""The virtio serial port whose appearance starts qemu-ga in a Debian guest."""

_DELIMITER = b"\xff"  # qemu-ga drops what came before it, and puts it before its answer to guest-sync-delimited
_SILENT_SECONDS = 60
_POLL_SECONDS = 1


class GuestAgentError(Exception):
    """The guest agent refused a command, or does not answer."""


@dataclass(frozen=True, slots=True)
class Done:
    """A command that ended.

    Attributes:
        code: its exit code; 128 and the signal's number, as a shell says it, where a signal ended it.
        out: what it printed.
        err: what it printed on standard error.
    """

    code: int
    out: str
    err: str


class GuestAgent:
    """The guest agent of one guest, for one user at a time.

    Args:
        path: QEMU's socket.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: socket.socket | None = None
        self._unread = b""

    def answers(self) -> bool:
        """Whether it answers; connects anew, and drops answers to questions of before."""
        self.close()
        number = secrets.randbits(30)
        question = {"execute": "guest-sync-delimited", "arguments": {"id": number}}
        try:
            self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._connection.settimeout(allowance(_SILENT_SECONDS))
            self._connection.connect(str(self._path))
            self._connection.sendall(_DELIMITER + json.dumps(question).encode() + b"\n")
            while True:
                line = self._line().rpartition(_DELIMITER)[2]
                if line and json.loads(line).get("return") == number:
                    return True
        except (OSError, GuestAgentError, ValueError):
            self.close()
            return False

    def run(self, *command: str, seconds: float, environment: Mapping[str, str] | None = None) -> Done:
        """Run a program of the guest to its end.

        Args:
            command: the program's path and its arguments.
            seconds: how long it may take on an idle machine.
            environment: replaces that of the agent where given, as NAME: VALUE.

        Raises:
            GuestAgentError: it could not be started.
            GaveUpError: it did not end in time; it may go on.
        """
        more = {"env": [f"{name}={value}" for name, value in environment.items()]} if environment else {}
        arguments = {"path": command[0], "arg": list(command[1:]), "capture-output": True, **more}
        pid = self.ask("guest-exec", arguments)["pid"]
        ended = until(
            f"the end of {' '.join(command)}", self._end_of(pid), seconds=seconds, poll_seconds=_POLL_SECONDS
        )
        code = ended.get("exitcode", 128 + ended.get("signal", 0))
        return Done(code, *(_text(ended.get(f"{stream}-data", "")) for stream in ("out", "err")))

    def ask(self, command: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """Send a command of qemu-ga's protocol; returns its answer.

        Raises:
            GuestAgentError: it refused, or the connection ended.
        """
        self.send(command, arguments)
        answer = json.loads(self._line())
        if "error" in answer:
            raise GuestAgentError(f"{command}: {answer['error'].get('desc')}")
        return answer["return"]

    def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection.close()
        self._connection, self._unread = None, b""

    def send(self, command: str, arguments: Mapping[str, Any] | None = None) -> None:
        """Send a command that has no answer."""
        if self._connection is None:
            raise GuestAgentError("not connected")
        question = {"execute": command, "arguments": dict(arguments or {})}
        self._connection.sendall(json.dumps(question).encode() + b"\n")

    def _end_of(self, pid: int) -> Callable[[], Mapping[str, Any] | None]:
        def end() -> Mapping[str, Any] | None:
            status: Mapping[str, Any] = self.ask("guest-exec-status", {"pid": pid})
            return status if status["exited"] else None

        return end

    def _line(self) -> bytes:
        assert self._connection is not None
        while b"\n" not in self._unread:
            received = self._connection.recv(65536)
            if not received:
                raise GuestAgentError("the connection ended")
            self._unread += received
        line, _, self._unread = self._unread.partition(b"\n")
        return line


def _text(encoded: str) -> str:
    return base64.b64decode(encoded).decode(errors="replace")
