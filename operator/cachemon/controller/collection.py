"""The objects of one resource as values, by name, and indices of them.

News comes in any order: from a watch, from a watch that lists again, from our own lists, from answers to our own
writes. Every object carries the resourceVersion of its last change; within one resource these can be compared as
numbers (KEP-5504; every API server that stores in etcd has done so before). Older news is ignored, so a collection
ends up the same in whatever order it hears.

An object that can't be read is put aside: it counts as absent, and the others as ever. The API server checks what it
stores, but an older schema may have let an object in, and not every server is as strict.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from cachemon.model.api import ObjectName, name_of

__all__ = ["ODD", "Change", "Collection", "Entry", "Index", "Parsed", "Unreadable"]

log = logging.getLogger(__name__)

ODD = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What code that reads an object raises when the object is not as it should be."""

_LONGEST_QUOTE = 300

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Change(Generic[T]):
    """An object before and after; None where it was not, or is no more."""

    name: ObjectName
    before: T | None
    after: T | None


@dataclass(frozen=True, slots=True)
class Parsed(Generic[T]):
    """An object as it was at a resourceVersion, as a value."""

    name: ObjectName
    version: int
    value: T


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An object that is not as it should be, and what is wrong with it."""

    name: ObjectName
    problem: str


Entry = Parsed[T] | Unreadable


class Collection(Generic[T]):
    """The objects of one resource, as values.

    Args:
        parse: from the object as the API has it to the value.
        kind: what the log calls the objects.
    """

    def __init__(self, parse: Callable[[Mapping[str, Any]], T], kind: str = "object") -> None:
        self._parse = parse
        self._kind = kind
        self._aside: dict[ObjectName, str] = {}
        self._items: dict[ObjectName, Parsed[T]] = {}
        self._removed: dict[ObjectName, int] = {}
        self._listed = 0

    def __len__(self) -> int:
        return len(self._items)

    def get(self, name: ObjectName) -> T | None:
        """The value, or None."""
        item = self._items.get(name)
        return None if item is None else item.value

    def names(self) -> list[ObjectName]:
        """All names."""
        return list(self._items)

    def values(self) -> list[T]:
        """All values; may be called from another thread."""
        return [item.value for item in list(self._items.values())]

    @property
    def aside(self) -> int:
        """How many objects can't be read; may be asked for from another thread."""
        return len(self._aside)

    def put(self, obj: Mapping[str, Any]) -> Change[T] | None:
        """An object as it is now; None when that is old news, or can't be read and was not known."""
        name = _name_of(obj)
        if name is None:
            return None
        with suppress(*ODD):  # then `read` says so
            if _version_of(obj) <= self._newest(name):
                return None
        return self._take(self.read(obj))

    def read(self, obj: Mapping[str, Any]) -> "Entry[T] | None":
        """An object as `replace` takes it; what is known of this very version is not parsed again.

        None for what has no name, and so is no object.
        """
        name = _name_of(obj)
        if name is None:
            return None
        try:
            version, known = _version_of(obj), self._items.get(name)
            return known if known and known.version == version else Parsed(name, version, self._parse(obj))
        except ODD as err:
            return Unreadable(name, f"{type(err).__name__}: {err}"[:_LONGEST_QUOTE])

    def _take(self, entry: "Entry[T] | None") -> Change[T] | None:
        if entry is None:
            return None
        return self._put_aside(entry) if isinstance(entry, Unreadable) else self._put(entry)

    def _newest(self, name: ObjectName) -> int:
        known = self._items.get(name)
        return known.version if known else max(self._listed, self._removed.get(name, 0))

    def _put(self, item: Parsed[T]) -> Change[T] | None:
        if item.version <= self._newest(item.name):
            return None
        known = self._items.get(item.name)
        self._aside.pop(item.name, None)
        self._removed.pop(item.name, None)
        self._items[item.name] = item
        return Change(item.name, known.value if known else None, item.value)

    def _put_aside(self, odd: Unreadable) -> Change[T] | None:
        if self._aside.get(odd.name) != odd.problem:
            self._aside[odd.name] = odd.problem
            log.error(
                "%s %s is left out, it can't be read (%s); correct or delete it", self._kind, odd.name, odd.problem
            )
        known = self._items.pop(odd.name, None)
        return None if known is None else Change(odd.name, known.value, None)

    def remove(self, obj: Mapping[str, Any]) -> Change[T] | None:
        """An object as it was deleted, with the resourceVersion of that; None when that is old news."""
        name = _name_of(obj)
        if name is None:
            return None
        known = self._items.get(name)
        try:
            version = _version_of(obj)
        except ODD:
            version = known.version if known else 0
        if known and version < known.version:
            return None
        self._aside.pop(name, None)
        self._removed[name] = max(version, self._removed.get(name, 0))
        if known is None:
            return None
        del self._items[name]
        return Change(name, known.value, None)

    def replace(self, objects: "Iterable[Entry[T] | None]", version: int) -> list[Change[T]]:
        """A complete list, as of `version`: what is not in it is gone, unless we heard of it later.

        Lists are made one after another, so a version that goes down means another history (etcd restored from
        a backup): then the list is all that is known.
        """
        if version < self._listed:
            self._removed.clear()
            self._items = {name: Parsed(name, 0, item.value) for name, item in self._items.items()}
        self._listed = 0  # what the list has may have changed long before the list before it
        entries = [entry for entry in objects if entry is not None]
        changes = [change for entry in entries if (change := self._take(entry)) is not None]
        changes += self._drop_absent((entry.name for entry in entries), version)
        self._listed = version
        self._removed = {name: at for name, at in self._removed.items() if at > version}
        return changes

    def retain(self, names: Iterable[ObjectName], version: int) -> list[Change[T]] | None:
        """The names of a complete list, as of `version`: what is not among them is gone.

        What is new is left to whoever tells of it. None when the version goes down: only a list of whole objects
        helps then.
        """
        if version < self._listed:
            return None
        changes = self._drop_absent(names, version)
        self._removed |= {change.name: version for change in changes}
        return changes

    def _drop_absent(self, names: Iterable[ObjectName], version: int) -> list[Change[T]]:
        there = set(names)
        for name in self._aside.keys() - there:
            del self._aside[name]
        absent = self._items.keys() - there
        gone = sorted(name for name in absent if self._items[name].version <= version)
        return [Change(name, self._items.pop(name).value, None) for name in gone]


class Index:
    """Names of objects by something that they name."""

    def __init__(self) -> None:
        self._names: defaultdict[object, set[ObjectName]] = defaultdict(set)

    def __getitem__(self, key: object) -> Iterable[ObjectName]:
        return self._names.get(key, ())

    def move(self, name: ObjectName, before: object, after: object) -> None:
        """The object named `before` and names `after` now; None is nothing."""
        if before is not None:
            self._names[before].discard(name)
            if not self._names[before]:
                del self._names[before]
        if after is not None:
            self._names[after].add(name)


def _name_of(obj: Mapping[str, Any]) -> ObjectName | None:
    """Where it is; None for what has no name, and so is no object."""
    try:
        name = name_of(obj)
    except ODD:
        return None
    return name if isinstance(name.name, str) and isinstance(name.namespace, str) else None


def _version_of(obj: Mapping[str, Any]) -> int:
    return int(obj["metadata"]["resourceVersion"])
