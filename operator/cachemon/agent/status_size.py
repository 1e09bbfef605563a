"""A status that would be too large to store: what is left out of it, and how that is named. Pure.

etcd stores 1.5 MiB an object, and server-side apply keeps the name of every field beside the fields: an object takes
up to three times its status. 64 groups on 128 cache blocks are 1.4 MB of status.

Parts are left out from the last group backwards: first figures by cache block, then lists of vCPUs and messages, then
whole groups. The summary stays: it is of all groups.
"""

import json
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any

__all__ = ["LEAST_STATUS_BYTES", "MOST_STATUS_BYTES", "fitted"]

MOST_STATUS_BYTES = 128 * 1024
"""As JSON: enough for 64 groups on 8 cache blocks. The API server takes a hundred times as long for it as for a small
status, as it compares field by field."""
LEAST_STATUS_BYTES = 4 * 1024
"""Below this no group is left: the rest of an object is what is too large."""

_COMMA = ", "
_NAMED = 3
_LONGEST_NAME = 64
_LONGEST_TEXT = 1024
"""Maximum of `omitted` in the schema; three names of three kinds are well below."""
_LONGEST_MESSAGE = 4096
_DETAILS = ("vcpus", "message")

Status = dict[str, Any]


class _Part(IntEnum):
    """How much of a group is left out."""

    NOTHING = 0
    BLOCKS = 1
    DETAILS = 2
    GROUP = 3


_WORDS: Mapping[_Part, str] = {
    _Part.BLOCKS: "the figures by cache block of",
    _Part.DETAILS: "all but the state of",
    _Part.GROUP: "all about",
}


def fitted(status: Status, most_bytes: int) -> Status:
    """The status, or as much of it as fits.

    Args:
        status: the agent's part of a CacheMonitorGroup's status.
        most_bytes: its JSON is to be no larger. What is not in `groups` stays whole, whatever that takes.

    Returns:
        The same object if all of it fits; else another one with `omitted`, which the condition quotes.
    """
    groups: Sequence[Status] = status["groups"]
    whole = [_bytes(group) + len(_COMMA) for group in groups]
    total, others = sum(whole), _bytes(status | {"groups": []})
    if others + total <= most_bytes:
        return status
    room = most_bytes - others - 2 * _LONGEST_TEXT
    parts = [_Part.NOTHING] * len(groups)
    sizes = [
        [size, *(_bytes(_less(group, part)) + len(_COMMA) for part in (_Part.BLOCKS, _Part.DETAILS)), 0]
        for group, size in zip(groups, whole, strict=True)
    ]
    for part in (_Part.BLOCKS, _Part.DETAILS, _Part.GROUP):
        for place in reversed(range(len(groups))):
            if total <= room:
                break
            less, had = sizes[place][part], sizes[place][parts[place]]
            if less < had:
                total += less - had
                parts[place] = part
    kept = [_less(group, part) for group, part in zip(groups, parts, strict=True) if part is not _Part.GROUP]
    return _with_omitted(status, kept, _text(parts, groups, most_bytes))


def _less(group: Status, part: _Part) -> Status:
    if part is _Part.NOTHING:
        return group
    left_out = ("cacheBlocks",) if part is _Part.BLOCKS else ("cacheBlocks", *_DETAILS)
    return {name: value for name, value in group.items() if name not in left_out}


def _text(parts: Sequence[_Part], groups: Sequence[Status], most_bytes: int) -> str:
    """Names every kind of thing that is left out, with the first groups and how many there are."""
    said = []
    for part, words in _WORDS.items():
        names = [group["name"][:_LONGEST_NAME] for group, its in zip(groups, parts, strict=True) if its is part]
        if names:
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            said.append(f"{words} {len(names)} of {len(groups)} groups ({', '.join(names[:_NAMED])}{more})")
    return f"left out, as the status would be larger than {most_bytes // 1024} KiB: {'; '.join(said)}"


def _with_omitted(status: Status, groups: Sequence[Status], omitted: str) -> Status:
    """It stands in a field, and in every condition: there is one."""
    conditions = [
        condition | {"message": f"{condition['message'][: _LONGEST_MESSAGE - len(omitted) - 2]}; {omitted}"}
        for condition in status["conditions"]
    ]
    return status | {"groups": [*groups], "omitted": omitted, "conditions": conditions}


def _bytes(value: object) -> int:
    return len(json.dumps(value))
