"""Waiting, in an event loop, for what other tasks do."""

import asyncio
from collections.abc import Callable

from lab.wait import Patience


async def eventually(what: str, condition: Callable[[], object], *, seconds: float = 20) -> None:
    """Return when the condition holds; fail with `what` if it never does."""
    patience = Patience(seconds)
    while not condition():
        if patience.is_over and not condition():
            raise AssertionError(f"{what} never came in {patience}")
        await asyncio.sleep(0.005)
