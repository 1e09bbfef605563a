"""Waiting for a condition, with a deadline and a message that names the condition.

Seconds are those of an idle machine, multiplied by the slowness of this one (`lab.speed`). The slowness is measured
again before anybody gives up, because load may have come in the meantime.
"""

import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from lab import speed

T = TypeVar("T")

POLL_SECONDS = 0.05


class GaveUpError(TimeoutError):
    """A condition did not become true in time."""


class Deadline:
    """A time limit that begins now.

    Args:
        seconds: the limit on an idle machine; a slower one gets at most `lab.speed.MOST` times as long.
        measure: measures the slowness of the machine, 1 or above.
        clock: a monotonic clock.
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
        """Whether the time is over, with the slowness that was measured meanwhile."""
        if self.left_seconds > 0:
            return False
        self._slowness = max(self._slowness, self._measure())
        return self.left_seconds <= 0

    @property
    def left_seconds(self) -> float:
        """Seconds until the deadline, or until the slowness is measured again; negative afterwards."""
        return self._began + self._seconds * self._slowness - self._clock()

    def __str__(self) -> str:
        stretched = f", {self._slowness:g} times as long as on an idle machine" if self._slowness > 1 else ""
        return f"{self._clock() - self._began:.0f} s{stretched}"


def until(
    what: str, condition: Callable[[], T | None], *, seconds: float = 30, poll_seconds: float = POLL_SECONDS
) -> T:
    """Call `condition` until it returns something true, and return that.

    Args:
        what: the condition, for the error message.
        condition: called repeatedly; None, False and empty mean "not yet".
        seconds: how long to wait on an idle machine.
        poll_seconds: from one call to the next.

    Raises:
        GaveUpError: the condition did not become true in time.
    """
    deadline = Deadline(seconds)
    while True:
        over = deadline.is_over  # before the last call: this process may have been stopped in between
        answer = condition()
        if answer:
            return answer
        if over:
            raise GaveUpError(f"gave up after {deadline} waiting for {what}")
        time.sleep(poll_seconds)


def ends(process: "subprocess.Popen[Any]", seconds: float) -> bool:
    """Wait for the end of a process; return whether it came in time."""
    deadline = Deadline(seconds)
    while process.poll() is None:
        over = deadline.is_over
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(deadline.left_seconds, POLL_SECONDS))
            return True
        if over:
            return False
    return True


def finish(process: "subprocess.Popen[str]", seconds: float, input: str | None = None) -> tuple[str, str]:  # noqa: A002
    """Wait for the end of a process and return what it wrote to its pipes.

    Raises:
        GaveUpError: it did not end in time, and was killed.
    """
    deadline = Deadline(seconds)
    while True:
        with suppress(subprocess.TimeoutExpired):
            out, err = process.communicate(input, timeout=max(deadline.left_seconds, POLL_SECONDS))
            return out or "", err or ""
        input = None  # noqa: A001  it is kept where not all of it could be written yet
        if deadline.is_over:
            process.kill()
            out, err = process.communicate()
            output = f"{out or ''}{err or ''}"[-2000:]
            raise GaveUpError(
                f"gave up after {deadline} waiting for the end of {process.args!r}, with the output: {output}"
            )


def run(
    command: Sequence[str | Path],
    *,
    seconds: float,
    input: str | None = None,  # noqa: A002  the name that subprocess.run gives it
    check: bool = False,
    **how: Any,
) -> "subprocess.CompletedProcess[str]":
    """`subprocess.run` of a text command with its output caught and a time limit.

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
