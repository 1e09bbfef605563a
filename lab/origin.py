"""A way of making the programs of the local Kubernetes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


class OriginFailedError(Exception):
    """One way of making the programs did not work; the next is tried."""


@dataclass(frozen=True, slots=True)
class Origin:
    """One way of making the programs.

    Args:
        folder: the name of its folder in the cache; it has every pinned version in it, so a new pin is a new
            folder.
        fill: puts the programs into an empty folder, or raises OriginFailedError.
    """

    folder: str
    fill: Callable[[Path], None]
