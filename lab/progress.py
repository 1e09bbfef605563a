"""Progress of a long step, printed so that a person sees that it goes on."""

import sys
import time
from collections.abc import Callable
from typing import TextIO

Say = Callable[[str], None]

_LINE_SECONDS = 30
_CLEAR_LINE = "\r\x1b[K"


def say_on_stderr(line: str) -> None:
    """Print a line for a person, not for a pipe."""
    print(line, file=sys.stderr, flush=True)


class Progress:
    """Shows how long a step has been going on: one updating line on a terminal, else a line every 30 s.

    Args:
        what: the step.
        stream: standard error where absent.
        clock: seconds, monotonic.
    """

    def __init__(self, what: str, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._start = self._last_line = clock()

    def update(self, detail: str) -> None:
        """Call it about once a second."""
        now = self._clock()
        if self._stream.isatty():
            print(_CLEAR_LINE + self._line(now, detail), end="", file=self._stream, flush=True)
        elif now - self._last_line >= _LINE_SECONDS:
            self._last_line = now
            print(self._line(now, detail), file=self._stream, flush=True)

    def finish(self, detail: str) -> None:
        """The step's last line."""
        before = _CLEAR_LINE if self._stream.isatty() else ""
        print(before + self._line(self._clock(), detail), file=self._stream, flush=True)

    def _line(self, now: float, detail: str) -> str:
        minutes, seconds = divmod(int(now - self._start), 60)
        return f"  {self._what}  {minutes}:{seconds:02d}, {detail}"
