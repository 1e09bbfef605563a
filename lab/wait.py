"""Waiting for a condition, with a deadline and a message that says what never came."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.05


class GaveUpError(TimeoutError):
    """A condition did not come true in time."""


def until(
    what: str, condition: Callable[[], T | None], *, seconds: float = 30, poll_seconds: float = POLL_SECONDS
) -> T:
    """Call `condition` until it answers something true, and return that.

    Args:
        what: what is waited for, for the error message.
        condition: called again and again; None, False and empty mean "not yet".
        seconds: how long to wait.
        poll_seconds: from one call to the next.

    Raises:
        GaveUpError: `seconds` went by.
    """
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise GaveUpError(f"gave up after {seconds:g} s waiting for {what}")
        time.sleep(poll_seconds)
