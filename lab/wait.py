"""Waiting for a condition, with a deadline and a message that says what never came."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.05


class GaveUpError(TimeoutError):
    """A condition did not come true in time."""


def until(what: str, condition: Callable[[], T | None], *, seconds: float = 30) -> T:
    """Call `condition` until it answers something true, and return that.

    Args:
        what: what is waited for, for the error message.
        condition: called about twenty times a second; None, False and empty mean "not yet".
        seconds: how long to wait.

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
        time.sleep(POLL_SECONDS)
