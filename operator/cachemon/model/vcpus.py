"""vCPU lists in libvirt's syntax: `0-3,^1`.

libvirt's virBitmapParse (src/util/virbitmap.c) is followed in what a list means: ids are separated by
commas, `A-B` is a range with A <= B, `^N` takes one id away from what stands before it, blanks around numbers
do not count, ids are below 16384. `parse_bitmap` takes what libvirt takes; `parse_vcpus`, for lists that people
write for cachemon, refuses a trailing comma and an empty result.
"""

import re
from collections.abc import Collection, Iterable

from cachemon.model.errors import InvalidInputError

ALL = "all"
MAX_VCPU_ID = 16383

_ITEM = re.compile(r"\s*(?P<negated>\^)?(?P<first>\d{1,5})\s*(?:-\s*(?P<last>\d{1,5})\s*)?", re.ASCII)


def parse_vcpus(text: str) -> frozenset[int]:
    """The vCPU ids that a list names, e.g. `0-3,^1` -> {0, 2, 3}.

    Raises:
        InvalidInputError: the list is malformed or names no vCPU.
    """
    ids = _parse(text)
    if not ids:
        raise InvalidInputError(f"vCPU list {text!r} must name at least one vCPU")
    return ids


def parse_bitmap(text: str) -> frozenset[int]:
    """The same as libvirt has it: one trailing comma does no harm, and what is left may be empty, as of `^1`.

    Raises:
        InvalidInputError: the list is malformed.
    """
    return _parse(text[: text.rindex(",")] if text.rstrip().endswith(",") else text)


def _parse(text: str) -> frozenset[int]:
    ids: set[int] = set()
    for item in text.split(","):
        match = _ITEM.fullmatch(item)
        if match is None:
            raise InvalidInputError(f"vCPU list {text!r}: {item.strip()!r} must be N, N-M or ^N")
        first = int(match["first"])
        last = int(match["last"] or first)
        if match["negated"] and match["last"]:
            raise InvalidInputError(f"vCPU list {text!r}: {item.strip()!r} must name one vCPU after ^")
        if last < first:
            raise InvalidInputError(f"vCPU list {text!r}: {item.strip()!r} must not run backwards")
        if last > MAX_VCPU_ID:
            raise InvalidInputError(f"vCPU list {text!r}: {last} must not exceed {MAX_VCPU_ID}")
        if match["negated"]:
            ids.discard(first)
        else:
            ids.update(range(first, last + 1))
    return frozenset(ids)


def format_vcpus(ids: Iterable[int]) -> str:
    """The ids as virBitmapFormat writes them: ascending, runs of two or more as `A-B`; empty gives ``."""
    runs: list[list[int]] = []
    for vcpu in sorted(set(ids)):
        if runs and vcpu == runs[-1][1] + 1:
            runs[-1][1] = vcpu
        else:
            runs.append([vcpu, vcpu])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def expand_vcpus(ids: Collection[int]) -> str:
    """The ids one by one, as the 2018 RFC prints them in domstats: `0,1,2`."""
    return ",".join(map(str, sorted(ids)))
