"""How many writes of groups may be in flight, in total and by namespace. Pure."""

from collections import Counter
from collections.abc import Set as AbstractSet

__all__ = ["IN_FLIGHT", "IN_FLIGHT_OF_ONE_NAMESPACE", "WriteSlots"]

IN_FLIGHT = 4
"""Writes at once: one that the server takes long for holds up no other."""
IN_FLIGHT_OF_ONE_NAMESPACE = 2

_SLOW_SECONDS = 1.0
"""A namespace whose last write took longer never gets the last slot."""


class WriteSlots:
    """The writes in flight, by namespace."""

    def __init__(self) -> None:
        self._in_flight: Counter[str] = Counter()
        self._slow: set[str] = set()

    def is_free(self, namespace: str) -> bool:
        """Whether a write of this namespace may begin."""
        slots = IN_FLIGHT - 1 if namespace in self._slow else IN_FLIGHT
        return self._in_flight.total() < slots and self._in_flight[namespace] < IN_FLIGHT_OF_ONE_NAMESPACE

    def begin(self, namespace: str) -> None:
        """Take a slot."""
        self._in_flight[namespace] += 1

    def end(self, namespace: str, seconds: float) -> None:
        """Give the slot back, after a write that took this long."""
        self._in_flight[namespace] -= 1
        self._in_flight += Counter()  # keeps those above 0
        (self._slow.add if seconds > _SLOW_SECONDS else self._slow.discard)(namespace)

    def retain(self, namespaces: AbstractSet[str]) -> None:
        """Forget how slow other namespaces were."""
        self._slow &= namespaces
