"""What there is to do about objects, so that no namespace waits for another. No I/O.

Names are taken in turn by namespace, so a thousand of one namespace cost another's only name a moment. While a name
is held (somebody works on it, or it rests after a failure) it is not given out, and whatever is added meanwhile
waits for its release. A namespace holds at most a quarter of the slots while others wait, and leaves a quarter free
when none does. A namespace whose last work failed is in trouble: it may hold one slot, and all such namespaces
together a quarter, since each try may last until a time-out. Nothing here takes longer when there are more names.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from cachemon.model.api import ObjectName

__all__ = ["FairQueue"]

_BACKLOG_EVERY = 8
_TROUBLED_EVERY = 4
"""One turn in so many is theirs, even while others wait."""

_MOST_IN_TROUBLE = 1000
"""Namespaces remembered as such; the oldest is forgotten, as it may be gone."""


@dataclass(slots=True)
class _Namespace:
    """The names of one namespace, longest waiting first, and how many of them are being worked on."""

    usual: dict[ObjectName, None] = field(default_factory=dict)
    backlog: dict[ObjectName, None] = field(default_factory=dict)
    working: int = 0


class FairQueue:
    """Names, in the order in which they are to be looked at.

    Args:
        slots: how many are worked on at a time.
    """

    def __init__(self, slots: int = 16) -> None:
        self._most_working = max(1, slots // 4)
        self._most_alone = max(1, slots - self._most_working)
        self._namespaces: dict[str, _Namespace] = {}
        self._usual: dict[str, None] = {}
        self._backlog: dict[str, None] = {}
        self._troubled: dict[str, None] = {}
        self._in_trouble: dict[str, None] = {}
        self._troubled_working = 0
        self._held: dict[ObjectName, bool | None] = {}
        self._working: dict[ObjectName, bool] = {}
        self._turn = 0

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __iter__(self) -> Iterator[ObjectName]:
        """All names that wait, held ones too; in no order that means anything."""
        for namespace in self._namespaces.values():
            yield from namespace.usual
            yield from namespace.backlog
        yield from (name for name, added in self._held.items() if added is not None)

    def add(self, name: ObjectName, *, backlog: bool = False) -> bool:
        """It has to be looked at, after all others of its namespace if it may wait; False when it waits already."""
        if name in self._held:
            before, self._held[name] = self._held[name], backlog and self._held[name] is not False
            return before is None
        namespace = self._namespaces.setdefault(name.namespace, _Namespace())
        if name in namespace.usual or (backlog and name in namespace.backlog):
            return False
        known = namespace.backlog.pop(name, self) is None
        (namespace.backlog if backlog else namespace.usual)[name] = None
        self._place(name.namespace)
        return not known

    def discard(self, name: ObjectName) -> None:
        """There is nothing to look at."""
        if name in self._held:
            self._held[name] = None
        if namespace := self._namespaces.get(name.namespace):
            namespace.usual.pop(name, None)
            namespace.backlog.pop(name, None)
            self._place(name.namespace)

    def take(self) -> ObjectName | None:
        """The next name, which is held and worked on from now; None when there is none that may be."""
        self._turn += 1
        rings = [self._usual, self._backlog, self._troubled]
        if self._turn % _TROUBLED_EVERY == 0:
            rings.insert(0, rings.pop(2))
        elif self._turn % _BACKLOG_EVERY == _BACKLOG_EVERY - 1:
            rings.insert(0, rings.pop(1))
        for ring in rings:
            if (key := self._first_allowed(ring)) is not None:
                return self._give(key, ring)
        if len(self._working) < self._most_alone:
            for ring in (self._usual, self._backlog):
                for key in ring:
                    return self._give(key, ring)
        return None

    def rest(self, name: ObjectName) -> None:
        """Work on it has ended; it stays held until its release."""
        self._end_work(name)
        self._held.setdefault(name, None)

    def release(self, name: ObjectName) -> None:
        """Nobody works on it, and it does not rest."""
        self._end_work(name)
        added = self._held.pop(name, None)
        if added is not None:
            self.add(name, backlog=added)
        self._forget_if_empty(name.namespace)

    def note(self, namespace: str, *, failed: bool) -> None:
        """How the last work on a namespace's name ended."""
        if failed == (namespace in self._in_trouble):
            return
        if not failed:
            del self._in_trouble[namespace]
        else:
            self._in_trouble[namespace] = None
            if len(self._in_trouble) > _MOST_IN_TROUBLE:
                self.note(next(iter(self._in_trouble)), failed=False)
        self._place(namespace)

    def _first_allowed(self, ring: dict[str, None]) -> str | None:
        if ring is self._troubled and self._troubled_working >= self._most_working:
            return None
        most = 1 if ring is self._troubled else self._most_working
        return next((key for key in ring if self._namespaces[key].working < most), None)

    def _give(self, key: str, ring: dict[str, None]) -> ObjectName:
        namespace = self._namespaces[key]
        names = namespace.backlog if ring is self._backlog else namespace.usual or namespace.backlog
        name = next(iter(names))
        del names[name]
        troubled = ring is self._troubled
        self._held[name] = None
        self._working[name] = troubled
        namespace.working += 1
        self._troubled_working += troubled
        for known in (self._usual, self._backlog, self._troubled):
            known.pop(key, None)  # and back at its end
        self._place(key)
        return name

    def _end_work(self, name: ObjectName) -> None:
        troubled = self._working.pop(name, None)
        if troubled is not None:
            self._namespaces[name.namespace].working -= 1
            self._troubled_working -= troubled

    def _place(self, key: str) -> None:
        """Put a namespace into the rings that it belongs to."""
        namespace = self._namespaces.get(key, _Namespace())
        troubled = key in self._in_trouble
        for ring, belongs in (
            (self._usual, bool(namespace.usual) and not troubled),
            (self._backlog, bool(namespace.backlog) and not troubled),
            (self._troubled, troubled and bool(namespace.usual or namespace.backlog)),
        ):
            if belongs:
                ring.setdefault(key)
            else:
                ring.pop(key, None)
        self._forget_if_empty(key)

    def _forget_if_empty(self, key: str) -> None:
        namespace = self._namespaces.get(key)
        if namespace and not (namespace.usual or namespace.backlog or namespace.working):
            del self._namespaces[key]
