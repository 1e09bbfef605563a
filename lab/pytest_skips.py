"""Skips tests whose machine lacks what they need."""

from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")


def found_or_skip(find: Callable[[], T], missing: type[Exception]) -> T:
    """What a function finds; the test skips where it finds nothing.

    Args:
        find: finds or makes it.
        missing: what it raises where it can't; the message is the reason.
    """
    try:
        return find()
    except missing as error:
        pytest.skip(str(error))
