"""Waiting, in an event loop, for what other tasks do."""

import asyncio
from collections.abc import Callable

from lab.wait import Deadline


async def eventually(what: str, condition: Callable[[], object], *, seconds: float = 20) -> None:
    """Return when the condition holds; fail with `what` if it never does."""
    deadline = Deadline(seconds)
    while not condition():
        if deadline.is_over and not condition():
            raise AssertionError(f"{what} never came in {deadline}")
        await asyncio.sleep(0.005)
