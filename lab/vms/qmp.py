"""QEMU's monitor protocol over a unix socket (QEMU docs/interop/qmp-spec.txt)."""

import json
import os
import socket
from pathlib import Path
from typing import Any

from lab.speed import allowance

TIMEOUT_SECONDS = 30.0


class QmpError(RuntimeError):
    """QEMU refused a command, or went away."""


class Qmp:
    """One connection. Events that arrive between answers are dropped."""

    def __init__(self, path: Path) -> None:
        """Connect and leave negotiation mode.

        Raises:
            OSError: nobody listens there (yet).
            QmpError: who listens there is no QEMU.
        """
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(allowance(TIMEOUT_SECONDS))
        # An address takes 107 bytes at most: go by the folder's descriptor, however deep the folder is.
        folder = os.open(path.parent, os.O_PATH | os.O_CLOEXEC)
        try:
            self._socket.connect(f"/proc/self/fd/{folder}/{path.name}")
        except OSError:
            self._socket.close()
            raise
        finally:
            os.close(folder)
        self._lines = self._socket.makefile("rb")
        try:
            self._receive("QMP")
            self.execute("qmp_capabilities")
        except BaseException:
            self.close()
            raise

    def execute(self, command: str, /, **arguments: Any) -> Any:
        """Run one command and return what it returns; `_` in argument names stands for QMP's `-`.

        Raises:
            QmpError: QEMU answered with an error, or ended.
        """
        named = {name.replace("_", "-"): value for name, value in arguments.items()}
        message = json.dumps({"execute": command, "arguments": named})
        try:
            self._socket.sendall(message.encode() + b"\n")
            return self._receive("return", command)
        except OSError as error:
            raise QmpError(f"{command}: {error}") from error

    def close(self) -> None:
        """End the connection; QEMU goes on."""
        self._lines.close()
        self._socket.close()

    def _receive(self, wanted: str, command: str = "greeting") -> Any:
        while line := self._lines.readline():
            answer = json.loads(line)
            if "error" in answer:
                raise QmpError(f"{command}: {answer['error']['desc']}")
            if wanted in answer:
                return answer[wanted]
        raise QmpError(f"{command}: QEMU closed the connection")
