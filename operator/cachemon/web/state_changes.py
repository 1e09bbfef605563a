"""What changed between two states of the page. No I/O."""

from collections.abc import Mapping
from typing import Generic, TypeVar

from cachemon.web.page_state import NodeState, PageChanges, PageState, VmState

T = TypeVar("T")

MOST_REMOVED = 20_000
"""Names that are kept after they are gone. A page that asks after older ones gets the whole state."""


def changed(before: Mapping[str, T], now: Mapping[str, T]) -> dict[str, T | None]:
    """The entries that are new or different, and None for those that are gone."""
    found: dict[str, T | None] = {
        name: entry
        for name, entry in now.items()
        if (known := before.get(name)) is not entry and known != entry  # mostly the same objects: this is quick
    }
    found.update((name, None) for name in before if name not in now)
    return found


class _Entries(Generic[T]):
    """One mapping of the state, with the sequence at which each entry last changed."""

    def __init__(self) -> None:
        self._entries: Mapping[str, T] = {}
        self._changed_at: dict[str, int] = {}

    def take(self, now: Mapping[str, T], sequence: int) -> bool:
        """Remember a new state; returns whether anything in it is different."""
        different = changed(self._entries, now)
        self._entries = now
        self._changed_at.update(dict.fromkeys(different, sequence))
        return bool(different)

    def since(self, sequence: int) -> dict[str, T | None]:
        """What changed after this sequence."""
        return {name: self._entries.get(name) for name, at in self._changed_at.items() if at > sequence}

    def forget_removed(self, most: int) -> bool:
        """Forget the names of entries that are gone, if they are more than `most`; returns whether they were."""
        if len(self._changed_at) - len(self._entries) <= most:
            return False
        self._changed_at = {name: at for name, at in self._changed_at.items() if name in self._entries}
        return True


class ChangeLog:
    """Answers any number of pages, each with what changed after its last answer.

    Args:
        most_removed: number of names that are kept after they are gone.
    """

    def __init__(self, most_removed: int = MOST_REMOVED) -> None:
        self._most_removed = most_removed
        self._sequence = 0
        self._oldest = 0
        self._nodes = _Entries[NodeState]()
        self._vms = _Entries[VmState]()

    def answer(self, now: PageState, after: int | None) -> PageChanges:
        """What a page lacks.

        Args:
            now: the state now.
            after: sequence of the answer that the page has; None where it has none.
        """
        different = [
            self._nodes.take(now["nodes"], self._sequence + 1),
            self._vms.take(now["vms"], self._sequence + 1),
        ]
        if any(different):
            self._sequence += 1
        forgotten = [it.forget_removed(self._most_removed) for it in (self._nodes, self._vms)]
        if any(forgotten):
            self._oldest = self._sequence
        if whole := after is None or not self._oldest <= after <= self._sequence:
            nodes: Mapping[str, NodeState | None] = now["nodes"]
            vms: Mapping[str, VmState | None] = now["vms"]
        else:
            nodes, vms = self._nodes.since(after), self._vms.since(after)
        return PageChanges(
            sequence=self._sequence,
            whole=whole,
            now=now["now"],
            source=now["source"],
            remarks=now["remarks"],
            nodes=nodes,
            vms=vms,
        )
