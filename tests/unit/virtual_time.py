"""An event loop whose clock jumps: a pause takes no time, however long it is."""

import asyncio
import selectors

__all__ = ["VirtualLoop"]


class _JumpingSelector(selectors.DefaultSelector):
    """Instead of waiting for a time it makes it that time."""

    def __init__(self, now: float) -> None:
        super().__init__()
        self.now = now

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if not found:
            if timeout is None:
                raise RuntimeError("everything waits, and nothing has a time")
            self.now += max(0.0, timeout)
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs coroutines; `time` is theirs.

    Args:
        now: seconds at the start.
    """

    def __init__(self, now: float = 1000.0) -> None:
        self._jumping = _JumpingSelector(now)
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now
