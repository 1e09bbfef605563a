"""Waiting, in an event loop, for what other tasks do."""

import asyncio
from collections.abc import Callable


async def eventually(what: str, condition: Callable[[], object], *, seconds: float = 20) -> None:
    """Return when the condition holds; fail with `what` if it never does."""
    try:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - the condition is on values that have no event
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"{what} never came") from None
