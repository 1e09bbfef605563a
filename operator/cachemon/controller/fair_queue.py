"""A queue of objects in which no namespace waits for another. No I/O.

Namespaces take turns, so a thousand names of one namespace delay another's only name by a moment. A name that was
given out is held until its release. A held name is not given out again, and waits for its release when it is added.

A namespace holds at most a quarter of the slots while others wait, and leaves a quarter free when none does. A
namespace whose last work failed is in trouble, since each try may last until a time-out. It holds one slot at most,
and all such namespaces together hold a quarter. No operation takes longer when there are more names.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from cachemon.model.api import ObjectName

_BACKLOG_EVERY = 8
_TROUBLED_EVERY = 4  # every fourth turn is theirs, even while others wait

_MOST_IN_TROUBLE = 1000  # namespaces remembered as such; the oldest is forgotten, as it may be gone


@dataclass(slots=True)
class _NamespaceQueue:
    """The names of one namespace, longest waiting first, and how many of them are being worked on."""

    usual: dict[ObjectName, None] = field(default_factory=dict)
    backlog: dict[ObjectName, None] = field(default_factory=dict)
    working: int = 0

    @property
    def waits(self) -> bool:
        """Whether any name waits."""
        return bool(self.usual or self.backlog)


class _Rings:
    """Namespaces with names that wait, by the turn in which they come; a dict keeps their order."""

    def __init__(self) -> None:
        self.usual: dict[str, None] = {}
        self.backlog: dict[str, None] = {}
        self.troubled: dict[str, None] = {}
        self._served = 0

    @property
    def all(self) -> list[dict[str, None]]:
        """The usual names first, then the backlog, then namespaces in trouble."""
        return [self.usual, self.backlog, self.troubled]

    def next_order(self) -> list[dict[str, None]]:
        """The rings in the order of the next turn."""
        self._served += 1
        rings = self.all
        if self._served % _TROUBLED_EVERY == 0:
            rings.insert(0, rings.pop(2))
        elif self._served % _BACKLOG_EVERY == _BACKLOG_EVERY - 1:
            rings.insert(0, rings.pop(1))
        return rings

    def place(self, key: str, namespace: _NamespaceQueue, *, troubled: bool) -> None:
        """Put a namespace into the rings that it belongs to."""
        for ring, belongs in (
            (self.usual, bool(namespace.usual) and not troubled),
            (self.backlog, bool(namespace.backlog) and not troubled),
            (self.troubled, troubled and namespace.waits),
        ):
            if belongs:
                ring.setdefault(key)
            else:
                ring.pop(key, None)

    def remove(self, key: str) -> None:
        """Take a namespace out of all rings; placed again, it is last."""
        for ring in self.all:
            ring.pop(key, None)


class FairQueue:
    """Names, in the order of work; at most `slots` of them are worked on at a time."""

    def __init__(self, slots: int = 16) -> None:
        self._most_working = max(1, slots // 4)
        self._most_alone = max(1, slots - self._most_working)
        self._namespaces: dict[str, _NamespaceQueue] = {}
        self._rings = _Rings()
        self._in_trouble: dict[str, None] = {}
        self._held: dict[ObjectName, bool | None] = {}
        self._working: dict[ObjectName, bool] = {}

    def __iter__(self) -> Iterator[ObjectName]:
        """All names that wait, held ones too, in no particular order."""
        for namespace in self._namespaces.values():
            yield from namespace.usual
            yield from namespace.backlog
        yield from (name for name, added in self._held.items() if added is not None)

    def add(self, name: ObjectName, *, backlog: bool = False) -> bool:
        """Queue a name, in the backlog after all others of its namespace; False when it waits already."""
        if name in self._held:
            before, self._held[name] = self._held[name], backlog and self._held[name] is not False
            return before is None
        namespace = self._namespaces.setdefault(name.namespace, _NamespaceQueue())
        if name in namespace.usual or (backlog and name in namespace.backlog):
            return False
        known = namespace.backlog.pop(name, self) is None
        (namespace.backlog if backlog else namespace.usual)[name] = None
        self._place(name.namespace)
        return not known

    def discard(self, name: ObjectName) -> None:
        """Remove a name that waits."""
        if name in self._held:
            self._held[name] = None
        if namespace := self._namespaces.get(name.namespace):
            namespace.usual.pop(name, None)
            namespace.backlog.pop(name, None)
            self._place(name.namespace)

    def take(self) -> ObjectName | None:
        """The next name, which is held and worked on from now; None when none may be taken."""
        for ring in self._rings.next_order():
            if (key := self._first_allowed(ring)) is not None:
                return self._give(key, ring)
        if len(self._working) < self._most_alone:
            for ring in (self._rings.usual, self._rings.backlog):
                for key in ring:
                    return self._give(key, ring)
        return None

    def postpone(self, name: ObjectName) -> None:
        """End the work on a name; it stays held until its release."""
        self._end_work(name)
        self._held.setdefault(name, None)

    def release(self, name: ObjectName) -> None:
        """End the work on a name, or its pause."""
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
        troubled = ring is self._rings.troubled
        if troubled and sum(self._working.values()) >= self._most_working:
            return None
        most = 1 if troubled else self._most_working
        return next((key for key in ring if self._namespaces[key].working < most), None)

    def _give(self, key: str, ring: dict[str, None]) -> ObjectName:
        namespace = self._namespaces[key]
        names = namespace.backlog if ring is self._rings.backlog else namespace.usual or namespace.backlog
        name = next(iter(names))
        del names[name]
        self._held[name] = None
        self._working[name] = ring is self._rings.troubled
        namespace.working += 1
        self._rings.remove(key)
        self._place(key)
        return name

    def _end_work(self, name: ObjectName) -> None:
        if self._working.pop(name, None) is not None:
            self._namespaces[name.namespace].working -= 1

    def _place(self, key: str) -> None:
        self._rings.place(key, self._namespaces.get(key, _NamespaceQueue()), troubled=key in self._in_trouble)
        self._forget_if_empty(key)

    def _forget_if_empty(self, key: str) -> None:
        namespace = self._namespaces.get(key)
        if namespace and not (namespace.waits or namespace.working):
            del self._namespaces[key]
