"""Shorten a status that is too large to store, and say what is left out. Pure.

etcd stores at most 1.5 MiB an object. Server-side apply keeps the name of every field beside the fields, so an object
takes up to three times its status. 64 groups on 128 cache blocks are 1.4 MB of status.

Parts go from the last group backwards: first figures by cache block, then lists of vCPUs and messages, then whole
groups. The summary of all groups stays.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from cachemon.model.api import MONITORED
from cachemon.model.fitted_text import fit_text

MOST_STATUS_BYTES = 128 * 1024
"""As JSON: enough for 64 groups on 8 cache blocks. The API server compares field by field: this much takes it a
hundred times as long as a small status."""
LEAST_STATUS_BYTES = 4 * 1024  # below this no group is left: the rest of the object is too large

_LARGER_AGAIN_SECONDS = 600.0
_COMMA = ", "
_NAMED = 3
_LONGEST_NAME = 64
_LONGEST_TEXT = 1024  # maximum of `omitted` in the schema; three names of three kinds are well below
_LONGEST_MESSAGE = 4096
_FIGURES = ("cacheBlocks", "foreignMonGroups", "packages")
_DETAILS = ("vcpus", "message")

Status = dict[str, Any]


@dataclass(slots=True)
class StatusSizeLimit:
    """How large the status of an object may be: less than usual after the server found one too large."""

    most_bytes: int = MOST_STATUS_BYTES  # as JSON
    larger_again_at: float = 0.0  # when a larger status is tried again, in monotonic seconds
    last_bytes: int = 0  # of the last status as JSON, if a person watches the object

    def shrink(self, now: float) -> bool:
        """Halve the limit after the server found a status too large; False when nothing is left to leave out."""
        self.larger_again_at = now + _LARGER_AGAIN_SECONDS
        if self.most_bytes <= LEAST_STATUS_BYTES:
            return False
        self.most_bytes //= 2
        return True

    def note_success(self, now: float) -> None:
        """Double the limit again when it is time for that."""
        if self.most_bytes < MOST_STATUS_BYTES and now >= self.larger_again_at:
            self.most_bytes = min(MOST_STATUS_BYTES, self.most_bytes * 2)
            self.larger_again_at = now + _LARGER_AGAIN_SECONDS


class _LeftOut(IntEnum):
    """How much of a group is left out."""

    NOTHING = 0
    BLOCKS = 1
    DETAILS = 2
    GROUP = 3


_DESCRIPTIONS: Mapping[_LeftOut, str] = {
    _LeftOut.BLOCKS: "the figures by cache block of",
    _LeftOut.DETAILS: "all but the state of",
    _LeftOut.GROUP: "all about",
}


def fitted(status: Status, most_bytes: int) -> Status:
    """The agent's part of a CacheMonitorGroup's status, shortened if its JSON has more than `most_bytes`.

    A shorter one has `omitted`, which the condition quotes. All but `groups` stays whole, even beyond the limit.
    """
    groups: Sequence[Status] = status["groups"]
    whole = [_bytes(group) + len(_COMMA) for group in groups]
    total, others = sum(whole), _bytes(status | {"groups": []})
    if others + total <= most_bytes:
        return status
    room = most_bytes - others - 2 * _LONGEST_TEXT
    parts = [_LeftOut.NOTHING] * len(groups)
    sizes = [
        [size, *(_bytes(_less(group, part)) + len(_COMMA) for part in (_LeftOut.BLOCKS, _LeftOut.DETAILS)), 0]
        for group, size in zip(groups, whole, strict=True)
    ]
    for part in (_LeftOut.BLOCKS, _LeftOut.DETAILS, _LeftOut.GROUP):
        for place in reversed(range(len(groups))):
            if total <= room:
                break
            less, had = sizes[place][part], sizes[place][parts[place]]
            if less < had:
                total += less - had
                parts[place] = part
    kept = [_less(group, part) for group, part in zip(groups, parts, strict=True) if part is not _LeftOut.GROUP]
    return _with_omitted(status, kept, _text(parts, groups, most_bytes))


def _less(group: Status, part: _LeftOut) -> Status:
    if part is _LeftOut.NOTHING:
        return group
    left_out = _FIGURES if part is _LeftOut.BLOCKS else (*_FIGURES, *_DETAILS)
    return {name: value for name, value in group.items() if name not in left_out}


def _text(parts: Sequence[_LeftOut], groups: Sequence[Status], most_bytes: int) -> str:
    """Name each kind of part that is left out, the first groups, and their number."""
    found = []
    for part, description in _DESCRIPTIONS.items():
        names = [
            fit_text(group["name"], _LONGEST_NAME) for group, its in zip(groups, parts, strict=True) if its is part
        ]
        if names:
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            found.append(f"{description} {len(names)} of {len(groups)} groups ({', '.join(names[:_NAMED])}{more})")
    return f"left out, as the status would be larger than {most_bytes // 1024} KiB: {'; '.join(found)}"


def _with_omitted(status: Status, groups: Sequence[Status], omitted: str) -> Status:
    """Put it into the field `omitted`, and into the message of Monitored."""
    conditions = [
        condition | {"message": f"{fit_text(condition['message'], _LONGEST_MESSAGE - len(omitted) - 2)}; {omitted}"}
        if condition["type"] == MONITORED
        else condition
        for condition in status["conditions"]
    ]
    return status | {"groups": [*groups], "omitted": omitted, "conditions": conditions}


def _bytes(value: object) -> int:
    return len(json.dumps(value))
