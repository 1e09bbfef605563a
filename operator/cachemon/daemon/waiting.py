"""Waiting for an event with a time limit."""

import asyncio
import math


async def wait_for(event: asyncio.Event, seconds: float) -> None:
    """Return when the event is set or the time is over; infinite seconds set no limit."""
    try:
        async with asyncio.timeout(None if math.isinf(seconds) else seconds):
            await event.wait()
    except TimeoutError:
        return
