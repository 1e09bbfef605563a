"""A program on a terminal of its own, and what a person sees there."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

_HOME = "\x1b[H"
_FIRST_FRAME = 2
"""What stands before the second homing of the cursor opens the screen."""

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
_END_SECONDS = 30


class LiveProgram:
    """A program that draws its screen again and again; it is ended when the context is left.

    Args:
        command: program and arguments.
        environment: all of its variables but TERM, and the size, which the terminal has.
        columns: of the terminal.
        lines: of the terminal.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], *, columns: int = 80, lines: int = 24
    ) -> None:
        self._command = command
        self._environment = {key: value for key, value in environment.items() if key not in ("COLUMNS", "LINES")}
        self._environment["TERM"] = "xterm-256color"
        self._size = struct.pack("HHHH", lines, columns, 0, 0)
        self._shown = bytearray()

    def __enter__(self) -> Self:
        """Start it."""
        self._terminal, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, self._size)
        self._process = subprocess.Popen(
            self._command, env=self._environment, stdin=other, stdout=other, stderr=other, start_new_session=True
        )
        os.close(other)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(_END_SECONDS)
        os.close(self._terminal)

    @property
    def frames(self) -> list[str]:
        """The whole drawings so far, with their colours: another one follows each."""
        while select.select([self._terminal], [], [], 0)[0]:
            try:
                read = os.read(self._terminal, 65536)
            except OSError:  # EIO: the program has ended
                break
            self._shown += read
        return self._shown.decode(errors="replace").split(_HOME)[_FIRST_FRAME:-1]

    @property
    def screen(self) -> list[str]:
        """The lines of the newest whole drawing, without colours; none before there is one."""
        return [line.rstrip() for line in _ESCAPE.sub("", self.frames[-1]).splitlines()] if self.frames else []
