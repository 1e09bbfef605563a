"""vCPU lists in libvirt's syntax: `0-3,^1`.

libvirt's virBitmapParse (src/util/virbitmap.c) is followed in what a list means: ids are separated by
commas, `A-B` is a range with A <= B, `^N` takes one id away from what stands before it, blanks around numbers
do not count, ids are below 16384. `parse_bitmap` takes what libvirt takes; `parse_vcpus`, for lists that people
write for cachemon, refuses a trailing comma and an empty result.

Tenants write these lists. So a list is kept as ranges, in four bytes each: `0-16383` costs no more than `0`, and no
list costs more than its text.
"""

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Self

from cachemon.model.errors import InvalidInputError
from cachemon.model.fitted_text import fit_text

ALL = "all"
MAX_VCPU_ID = 16383

LONGEST_LIST = 1024
"""Characters of a list that people write for cachemon: every second vCPU of 512. `vcpus` of
crds/cachemonitorgroups.yaml has the same bound."""
MOST_ITEMS = 32
"""Items of such a list when it leaves out ids with `^`; from the same place."""

_LISTS_KEPT = 1024
_LONGEST_KEPT = 128
_LONGEST_QUOTE = 128
_RANGES_NAMED = 16
_ITEM = re.compile(r"\s*(?P<negated>\^)?(?P<first>\d{1,5})\s*(?:-\s*(?P<last>\d{1,5})\s*)?", re.ASCII)
_ONES = re.compile("1+")


@dataclass(frozen=True, slots=True)
class VcpuSet:
    """vCPU ids as ranges.

    Attributes:
        bounds: unsigned 16-bit numbers in the machine's order: the first id of a range and the first id after it, of
            each range in turn, ascending. Ranges neither overlap nor touch, so equal sets are equal values.
    """

    bounds: bytes = b""

    @classmethod
    def of(cls, ids: Iterable[int]) -> Self:
        """The set of these ids; each at least 0 and at most MAX_VCPU_ID."""
        bounds = array("H")
        for vcpu in sorted(set(ids)):
            if bounds and bounds[-1] == vcpu:
                bounds[-1] = vcpu + 1
            else:
                bounds.extend((vcpu, vcpu + 1))
        return cls(bounds.tobytes())

    @classmethod
    def below(cls, count: int) -> Self:
        """The ids 0 to `count` - 1, of those that there can be."""
        return cls(array("H", (0, min(count, MAX_VCPU_ID + 1))).tobytes()) if count > 0 else cls()

    @property
    def ranges(self) -> tuple[range, ...]:
        """The ranges, ascending."""
        bounds = self._bounds
        return tuple(map(range, bounds[::2], bounds[1::2]))

    @property
    def highest(self) -> int | None:
        """The highest id, or None without any."""
        return self._bounds[-1] - 1 if self.bounds else None

    def __contains__(self, vcpu: object) -> bool:
        return isinstance(vcpu, int) and bool(bisect_right(self._bounds, vcpu) % 2)

    def __bool__(self) -> bool:
        return bool(self.bounds)

    def __len__(self) -> int:
        return sum(map(len, self.ranges))

    def __iter__(self) -> Iterator[int]:
        """Every id: only for sets that a VM's threads bound, never for what somebody wrote."""
        return chain.from_iterable(self.ranges)

    def __and__(self, other: "VcpuSet") -> "VcpuSet":
        return self._sweep(other, inside=True)

    def __sub__(self, other: "VcpuSet") -> "VcpuSet":
        return self._sweep(other, inside=False)

    def __le__(self, other: "VcpuSet") -> bool:
        return not self - other

    def isdisjoint(self, other: "VcpuSet") -> bool:
        """Whether they have no id in common."""
        if not self.bounds or not other.bounds:
            return True
        ours, theirs = self._bounds, memoryview(other.bounds).cast("H")
        return ours[-1] <= theirs[0] or theirs[-1] <= ours[0] or not self & other

    def among(self, ids: "tuple[int, ...]") -> tuple[int, ...]:
        """Those of the ascending ids that are in the set, ascending; a lookup for each range, not for each id."""
        if not self.bounds or not ids:
            return ()
        places = [(bisect_left(ids, each.start), bisect_left(ids, each.stop)) for each in self.ranges]
        return tuple(chain.from_iterable(ids[first:end] for first, end in places))

    def named(self) -> str:
        """The list for a message: `0-3,8`, and of a long one the beginning and how many ids follow."""
        ranges = self.ranges
        text = _written(ranges[:_RANGES_NAMED])
        left = sum(map(len, ranges[_RANGES_NAMED:]))
        return f"{text} and {left} more" if left else text

    def __str__(self) -> str:
        """The list as virBitmapFormat writes it: ascending, runs of two or more as `A-B`; empty gives ``."""
        return _written(self.ranges)

    @property
    def _bounds(self) -> "memoryview[int]":
        return memoryview(self.bounds).cast("H")

    def _sweep(self, other: "VcpuSet", *, inside: bool) -> "VcpuSet":
        """What of the set is inside the other, or outside of it, in time of the ranges of both."""
        ours, theirs = self._bounds, memoryview(other.bounds).cast("H")
        edges = sorted((*((bound, 1) for bound in ours), *((bound, 2) for bound in theirs)))
        wanted = 3 if inside else 1
        bounds = array("H")
        state, was_in = 0, False
        for place, (bound, whose) in enumerate(edges):
            state ^= whose
            if place + 1 < len(edges) and edges[place + 1][0] == bound:
                continue
            if (state == wanted) != was_in:
                was_in = not was_in
                bounds.append(bound)
        return VcpuSet(bounds.tobytes())


def parse_vcpus(text: str) -> VcpuSet:
    """The vCPU ids that a list names, e.g. `0-3,^1` -> {0, 2, 3}.

    Raises:
        InvalidInputError: the list is malformed or names no vCPU.
    """
    ids = _parse(text)
    if not ids:
        raise InvalidInputError(f"vCPU list {_quoted(text)} must name at least one vCPU")
    return ids


def parse_bitmap(text: str) -> VcpuSet:
    """The same as libvirt has it: one trailing comma does no harm, and what is left may be empty, as of `^1`.

    Raises:
        InvalidInputError: the list is malformed.
    """
    return _parse(text[: text.rindex(",")] if text.rstrip().endswith(",") else text)


def check_list(text: str) -> None:
    """Refuse a list that the API server would refuse for its length, where no API server has seen it.

    Raises:
        InvalidInputError: it is too long, or has too many items.
    """
    if len(text) > LONGEST_LIST:
        raise InvalidInputError(
            f"vCPU list {_quoted(text)} has {len(text)} characters, and at most {LONGEST_LIST} are valid"
        )
    if "^" in text and text.count(",") >= MOST_ITEMS:
        raise InvalidInputError(
            f"vCPU list {_quoted(text)} must not have more than {MOST_ITEMS} items when it leaves out ids with ^"
        )


def _parse(text: str) -> VcpuSet:
    return _parse_short(text) if len(text) <= _LONGEST_KEPT else _parse_list(text)


def _parse_list(text: str) -> VcpuSet:
    """In time of the text's length: an item costs one operation on a number of 16384 bits."""
    mask = 0
    for item in text.split(","):
        match = _ITEM.fullmatch(item)
        if match is None:
            raise InvalidInputError(f"vCPU list {_quoted(text)}: {_quoted(item.strip())} must be N, N-M or ^N")
        first = int(match["first"])
        last = int(match["last"] or first)
        if match["negated"] and match["last"]:
            raise InvalidInputError(f"vCPU list {_quoted(text)}: {_quoted(item.strip())} must name one vCPU after ^")
        if last < first:
            raise InvalidInputError(f"vCPU list {_quoted(text)}: {_quoted(item.strip())} must not run backwards")
        if last > MAX_VCPU_ID:
            raise InvalidInputError(f"vCPU list {_quoted(text)}: {last} must not exceed {MAX_VCPU_ID}")
        bits = ((1 << (last - first + 1)) - 1) << first
        mask = mask & ~bits if match["negated"] else mask | bits
    bounds = array("H", chain.from_iterable(run.span() for run in _ONES.finditer(f"{mask:b}"[::-1])))
    return VcpuSet(bounds.tobytes())


_parse_short = lru_cache(_LISTS_KEPT)(_parse_list)
"""Equal short texts share one value: most groups of a cluster have one of a few lists."""


def _quoted(text: str) -> str:
    return repr(fit_text(text, _LONGEST_QUOTE))


def _written(ranges: Iterable[range]) -> str:
    return ",".join(f"{each.start}-{each.stop - 1}" if len(each) > 1 else str(each.start) for each in ranges)


def format_vcpus(ids: Iterable[int]) -> str:
    """The ids as virBitmapFormat writes them; see VcpuSet."""
    return str(VcpuSet.of(ids))


def expand_vcpus(ids: Collection[int]) -> str:
    """The ids one by one, as the 2018 RFC prints them in domstats: `0,1,2`."""
    return ",".join(map(str, sorted(ids)))
