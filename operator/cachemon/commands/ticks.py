"""When something that goes on is done again."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable


async def ticks(
    interval_seconds: float,
    duration_seconds: float | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[int]:
    """At once, then each interval, without drift; what took longer than an interval makes no others come faster.

    Args:
        interval_seconds: above 0.
        duration_seconds: when to end, after the start; None for never.
        clock: monotonic, in seconds.
        sleep: waits.

    Yields:
        The number of intervals since the start.
    """
    start, number = clock(), 0
    while duration_seconds is None or number * interval_seconds < duration_seconds:
        yield number
        elapsed = clock() - start
        number = max(number + 1, math.ceil(elapsed / interval_seconds))
        following = number * interval_seconds
        end = following if duration_seconds is None else min(following, duration_seconds)
        await sleep(max(0.0, end - elapsed))
