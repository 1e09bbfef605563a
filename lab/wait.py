"""Waiting for a condition, with a deadline and a message that says what never came.

Seconds are those of an idle machine. On a slow or busy one they are stretched by how slow it is (`lab.speed`), which
is measured again before anybody gives up: load that came in the meantime counts too.
"""

import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from lab import speed

__all__ = ["GaveUpError", "Patience", "ends", "finish", "run", "until"]

T = TypeVar("T")

POLL_SECONDS = 0.05


class GaveUpError(TimeoutError):
    """A condition did not come true in time."""


class Patience:
    """A time limit of `seconds` on an idle machine, that begins now.

    Args:
        seconds: the limit; what is slower than `lab.speed.MOST` gets no more than that many times as long.
        measure: how slow the machine is now, 1 or above.
        clock: of time that goes by.
    """

    def __init__(
        self,
        seconds: float,
        measure: Callable[[], float] = speed.measure,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds = seconds
        self._measure = measure
        self._clock = clock
        self._began = clock()
        self._slowness = 1.0

    @property
    def is_over(self) -> bool:
        """Whether it has been long enough, for a machine as slow as it was found to be meanwhile."""
        if self.left_seconds > 0:
            return False
        self._slowness = max(self._slowness, self._measure())
        return self.left_seconds <= 0

    @property
    def left_seconds(self) -> float:
        """Until then, or until the machine is measured again; negative afterwards."""
        return self._began + self._seconds * self._slowness - self._clock()

    def __str__(self) -> str:
        stretched = f", {self._slowness:g} times as long as on an idle machine" if self._slowness > 1 else ""
        return f"{self._clock() - self._began:.0f} s{stretched}"


def until(
    what: str, condition: Callable[[], T | None], *, seconds: float = 30, poll_seconds: float = POLL_SECONDS
) -> T:
    """Call `condition` until it answers something true, and return that.

    Args:
        what: what is waited for, for the error message.
        condition: called again and again; None, False and empty mean "not yet".
        seconds: how long to wait on an idle machine.
        poll_seconds: from one call to the next.

    Raises:
        GaveUpError: the time went by.
    """
    patience = Patience(seconds)
    while True:
        over = patience.is_over  # before the last look: this process may have stood still in between
        answer = condition()
        if answer:
            return answer
        if over:
            raise GaveUpError(f"gave up after {patience} waiting for {what}")
        time.sleep(poll_seconds)


def ends(process: "subprocess.Popen[Any]", seconds: float) -> bool:
    """Wait for the end of a process; whether it came in time."""
    patience = Patience(seconds)
    while process.poll() is None:
        over = patience.is_over
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(patience.left_seconds, POLL_SECONDS))
            return True
        if over:
            return False
    return True


def finish(process: "subprocess.Popen[str]", seconds: float, input: str | None = None) -> tuple[str, str]:  # noqa: A002
    """Wait for the end of a process; what it wrote to its pipes.

    Raises:
        GaveUpError: it did not end in time, and was killed.
    """
    patience = Patience(seconds)
    while True:
        with suppress(subprocess.TimeoutExpired):
            out, err = process.communicate(input, timeout=max(patience.left_seconds, POLL_SECONDS))
            return out or "", err or ""
        input = None  # noqa: A001  it is kept where not all of it could be written yet
        if patience.is_over:
            process.kill()
            out, err = process.communicate()
            said = f"{out or ''}{err or ''}"[-2000:]
            raise GaveUpError(f"gave up after {patience} waiting for the end of {process.args!r}, which said: {said}")


def run(
    command: Sequence[str | Path],
    *,
    seconds: float,
    input: str | None = None,  # noqa: A002  the name that subprocess.run gives it
    check: bool = False,
    **how: Any,
) -> "subprocess.CompletedProcess[str]":
    """`subprocess.run` of a text command with its output caught, and with patience.

    Args:
        command: program and arguments.
        seconds: how long it may take on an idle machine.
        input: what it reads; nothing where absent.
        check: whether a failure is an error.
        how: further arguments of Popen.

    Raises:
        GaveUpError: it did not end in time.
        subprocess.CalledProcessError: it failed, and `check` is set.
    """
    stdin = subprocess.DEVNULL if input is None else subprocess.PIPE
    pipes = {"stdin": stdin, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how}
    with subprocess.Popen(command, text=True, **pipes) as process:
        try:
            out, err = finish(process, seconds, input)
        except BaseException:
            process.kill()
            raise
    done = subprocess.CompletedProcess(command, process.returncode, out, err)
    if check:
        done.check_returncode()
    return done
