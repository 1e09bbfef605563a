"""An event loop whose clock jumps to the next timer when there is nothing to do: hours pass in no time."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

MOST_SECONDS = 100_000.0


class _JumpingSelector(selectors.DefaultSelector):
    """Instead of waiting for a time it makes it that time."""

    def __init__(self, now: float) -> None:
        super().__init__()
        self.now = now
        self._end = now + MOST_SECONDS

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if not found:
            if timeout is None or self.now > self._end:
                raise AssertionError(f"nothing will ever happen again, at {self.now} s")
            self.now += max(0.0, timeout)
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs coroutines; `time()` is theirs.

    Args:
        now: seconds at the start.
    """

    def __init__(self, now: float = 0.0) -> None:
        self._jumping = _JumpingSelector(now)
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def run(work: Coroutine[Any, Any, T]) -> T:
    """As asyncio.run, in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


def time() -> float:
    """Virtual seconds since the start."""
    return asyncio.get_running_loop().time()
