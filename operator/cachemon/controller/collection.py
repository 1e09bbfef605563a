"""The objects of one resource as values, by name, and indices of them.

Objects arrive in any order: from watches, from lists, and from answers to our own writes. Every object carries the
resourceVersion of its last change. Within one resource these can be compared as numbers (KEP-5504; every API server
that stores in etcd has done so before). Older objects are ignored, so any order leads to the same collection.

An object that can't be read counts as absent, and the log names it. The API server checks what it stores, but an
older schema may have let an object in, and not every server is as strict.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from cachemon.model.api import ObjectName, name_of
from cachemon.model.fitted_text import fit_text
from cachemon.model.resource_versions import version_number

log = logging.getLogger(__name__)

PARSE_ERRORS = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What code that reads an object raises when the object is not valid."""

_LONGEST_QUOTE = 300

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Change(Generic[T]):
    """An object before and after; None where it did not exist."""

    name: ObjectName
    before: T | None
    after: T | None


@dataclass(frozen=True, slots=True)
class ParsedObject(Generic[T]):
    """An object at a resourceVersion, as a value."""

    name: ObjectName
    version: int
    value: T


@dataclass(frozen=True, slots=True)
class UnreadableObject:
    """An object that can't be read, and why."""

    name: ObjectName
    problem: str


Entry = ParsedObject[T] | UnreadableObject


class Collection(Generic[T]):
    """The objects of one resource, as values that `parse` makes; `kind` is for the log."""

    def __init__(self, parse: Callable[[Mapping[str, Any]], T], kind: str = "object") -> None:
        self._parse = parse
        self._kind = kind
        self._unreadable: dict[ObjectName, str] = {}
        self._items: dict[ObjectName, ParsedObject[T]] = {}
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
    def unreadable(self) -> int:
        """Number of objects that can't be read; may be called from another thread."""
        return len(self._unreadable)

    def put(self, obj: Mapping[str, Any]) -> Change[T] | None:
        """Store an object as it is now; None when it is older than the stored one, or unreadable and unknown."""
        name = _name_of(obj)
        if name is None:
            return None
        with suppress(*PARSE_ERRORS):  # `read` reports it
            if version_number(obj["metadata"]["resourceVersion"]) <= self._newest(name):
                return None
        return self._take(self.read(obj))

    def read(self, obj: Mapping[str, Any]) -> "Entry[T] | None":
        """An object as `replace` takes it; a version that is stored already is not parsed again.

        None for what has no name, and so is no object.
        """
        name = _name_of(obj)
        if name is None:
            return None
        try:
            version, known = version_number(obj["metadata"]["resourceVersion"]), self._items.get(name)
            return known if known and known.version == version else ParsedObject(name, version, self._parse(obj))
        except PARSE_ERRORS as err:
            return UnreadableObject(name, fit_text(f"{type(err).__name__}: {err}", _LONGEST_QUOTE))

    def _take(self, entry: "Entry[T] | None") -> Change[T] | None:
        if entry is None:
            return None
        return self._put_unreadable(entry) if isinstance(entry, UnreadableObject) else self._put(entry)

    def _newest(self, name: ObjectName) -> int:
        known = self._items.get(name)
        return known.version if known else max(self._listed, self._removed.get(name, 0))

    def _put(self, item: ParsedObject[T]) -> Change[T] | None:
        if item.version <= self._newest(item.name):
            return None
        known = self._items.get(item.name)
        self._unreadable.pop(item.name, None)
        self._removed.pop(item.name, None)
        self._items[item.name] = item
        return Change(item.name, known.value if known else None, item.value)

    def _put_unreadable(self, entry: UnreadableObject) -> Change[T] | None:
        if self._unreadable.get(entry.name) != entry.problem:
            self._unreadable[entry.name] = entry.problem
            log.error(
                "%s %s can't be read and is left out: %s; correct or delete it", self._kind, entry.name, entry.problem
            )
        known = self._items.pop(entry.name, None)
        return None if known is None else Change(entry.name, known.value, None)

    def remove(self, obj: Mapping[str, Any]) -> Change[T] | None:
        """Remove a deleted object, given with the resourceVersion of its deletion; None when that is older."""
        name = _name_of(obj)
        if name is None:
            return None
        known = self._items.get(name)
        try:
            version = version_number(obj["metadata"]["resourceVersion"])
        except PARSE_ERRORS:
            version = known.version if known else 0
        if known and version < known.version:
            return None
        self._unreadable.pop(name, None)
        self._removed[name] = max(version, self._removed.get(name, 0))
        if known is None:
            return None
        del self._items[name]
        return Change(name, known.value, None)

    def replace(self, objects: "Iterable[Entry[T] | None]", version: int) -> list[Change[T]]:
        """Take over a complete list, as of `version`: what is not in it is gone, unless it is newer.

        Lists are made one after another. So a version that goes down means another history (etcd restored from
        a backup), and only the list counts.
        """
        if version < self._listed:
            self._removed.clear()
            self._items = {name: ParsedObject(name, 0, item.value) for name, item in self._items.items()}
        self._listed = 0  # what the list has may have changed long before the list before it
        entries = [entry for entry in objects if entry is not None]
        changes = [change for entry in entries if (change := self._take(entry)) is not None]
        changes += self._drop_absent((entry.name for entry in entries), version)
        self._listed = version
        self._removed = {name: at for name, at in self._removed.items() if at > version}
        return changes

    def retain(self, names: Iterable[ObjectName], version: int) -> list[Change[T]] | None:
        """Take over the names of a complete list, as of `version`: what is not among them is gone.

        New objects come by the watch. None when the version goes down: only a list of whole objects helps then.
        """
        if version < self._listed:
            return None
        changes = self._drop_absent(names, version)
        self._removed |= {change.name: version for change in changes}
        return changes

    def _drop_absent(self, names: Iterable[ObjectName], version: int) -> list[Change[T]]:
        there = set(names)
        for name in self._unreadable.keys() - there:
            del self._unreadable[name]
        absent = self._items.keys() - there
        gone = sorted(name for name in absent if self._items[name].version <= version)
        return [Change(name, self._items.pop(name).value, None) for name in gone]


class Index:
    """Names of objects by something that they refer to."""

    def __init__(self) -> None:
        self._names: defaultdict[object, set[ObjectName]] = defaultdict(set)

    def __getitem__(self, key: object) -> Iterable[ObjectName]:
        return self._names.get(key, ())

    def move(self, name: ObjectName, before: object, after: object) -> None:
        """The object referred to `before` and refers to `after` now; None is nothing."""
        if before is not None:
            self._names[before].discard(name)
            if not self._names[before]:
                del self._names[before]
        if after is not None:
            self._names[after].add(name)


def _name_of(obj: Mapping[str, Any]) -> ObjectName | None:
    """Namespace and name; None for what has no name, and so is no object."""
    try:
        name = name_of(obj)
    except PARSE_ERRORS:
        return None
    return name if isinstance(name.name, str) and isinstance(name.namespace, str) else None
