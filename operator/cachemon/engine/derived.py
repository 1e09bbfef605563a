"""Figures that are computed when they are read, by the key under which others know a sum. Pure."""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import NamedTuple, TypeVar

from cachemon.engine.reading_plan import GuestKey, ObjectKey, SumKey
from cachemon.model.groups import GroupKey

K = TypeVar("K")
S = TypeVar("S")
V = TypeVar("V")


class Derived(Mapping[K, V]):
    """A mapping whose values are computed once, when they are read.

    Args:
        sources: what each value is derived from.
        derive: computes a value.
    """

    def __init__(self, sources: Mapping[K, S], derive: Callable[[S], V]) -> None:
        self._sources = sources
        self._derive = derive
        self._known: dict[K, V] = {}

    def __getitem__(self, key: K) -> V:
        if key not in self._known:
            self._known[key] = self._derive(self._sources[key])
        return self._known[key]

    def __iter__(self) -> Iterator[K]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)


class SumKeys(NamedTuple):
    """Groups, objects by their UID, and guests by their name, that have figures."""

    groups: Mapping[GroupKey, SumKey] = {}
    objects: Mapping[str, SumKey] = {}
    guests: Mapping[str, SumKey] = {}


def keys_of(sums: Collection[SumKey]) -> SumKeys:
    """The keys of these sums."""
    return SumKeys(
        {key: key for key in sums if isinstance(key, GroupKey)},
        {key.uid: key for key in sums if isinstance(key, ObjectKey)},
        {key.name: key for key in sums if isinstance(key, GuestKey)},
    )
