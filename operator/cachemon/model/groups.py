"""Monitoring groups: what a person wants watched of one VMI."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from cachemon.model.errors import InvalidInputError
from cachemon.model.fitted_text import fit_text
from cachemon.model.group_limit import MOST_GROUPS
from cachemon.model.threads import Thread, ThreadClass
from cachemon.model.vcpus import ALL, VcpuSet, check_list, parse_vcpus

GROUP_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.,^]{0,61}[A-Za-z0-9])?")
"""`name` of spec.groups in crds/cachemonitorgroups.yaml. The RFC's set, [a-zA-Z0-9,-_]+, ends at the same letters."""

LONGEST_NAME = 63
MOST_LISTED = 8192
"""Characters that the vCPU lists of one object have together; from the same place."""

_LONGEST_QUOTE = 128
_LONGEST_KEPT = 128
_DIGEST_CHARACTERS = 8

_OTHER_CLASSES = tuple(name for name in ThreadClass if name is not ThreadClass.VCPU)
_MOST_CLASSES = len(_OTHER_CLASSES)
_LONGEST_CLASS = 16

_GROUPS_KEPT = 4096


class GroupKey(NamedTuple):
    """One monitoring group among all of a node: the object that wants it, and its name there."""

    object_uid: str
    group: str


@dataclass(frozen=True, slots=True)
class MonitoringGroup:
    """An item of `spec.groups`.

    Attributes:
        name: unique in its object; `default_name` of the list as written when the item has none.
        vcpus: the ids wanted, or None when the item does not ask for vCPUs by number.
        all_vcpus: whether every vCPU is wanted, hot-plugged ones included.
        threads: classes of other QEMU threads that belong to the group.
    """

    name: str
    vcpus: VcpuSet | None
    all_vcpus: bool
    threads: frozenset[ThreadClass]

    def wants(self, thread: Thread) -> bool:
        """Whether a thread belongs to this group."""
        if thread.thread_class is not ThreadClass.VCPU:
            return thread.thread_class in self.threads
        if self.all_vcpus:
            return True
        return self.vcpus is not None and thread.vcpu in self.vcpus

    @property
    def wants_vcpus(self) -> bool:
        """Whether the group has any vCPU in it."""
        return self.all_vcpus or self.vcpus is not None


ALL_VCPUS = MonitoringGroup(name=f"vcpus_{ALL}", vcpus=None, all_vcpus=True, threads=frozenset())


def check_name(name: object) -> str:
    """The name, if a group can have it.

    Raises:
        InvalidInputError: it is no string, or has other characters than group names have.
    """
    if isinstance(name, str) and GROUP_NAME.fullmatch(name):
        return name
    quoted = fit_text(repr(name[: 2 * _LONGEST_QUOTE]) if isinstance(name, str) else repr(name), _LONGEST_QUOTE + 2)
    raise InvalidInputError(
        f"bad resource monitoring group ID {quoted}: use up to 63 letters, digits, '-', '_', '.', ',' and '^', "
        "with a letter or digit at both ends"
    )


def parse_group(item: Mapping[str, Any]) -> MonitoringGroup:
    """An item of `spec.groups` as the API server hands it out.

    Raises:
        InvalidInputError: a list or a thread class is not valid.
    """
    name, text, classes = item.get("name"), item.get("vcpus"), tuple(item.get("threads", ()))
    return (_shared_group if len(text or "") <= _LONGEST_KEPT else _group)(name, text, classes)


def _group(name: str | None, text: str | None, classes: tuple[str, ...]) -> MonitoringGroup:
    try:
        threads = frozenset(ThreadClass(each) for each in classes)
    except ValueError as err:
        raise InvalidInputError(f"threads: {err}; must be one of {', '.join(ThreadClass)}") from err
    if ThreadClass.VCPU in threads:
        raise InvalidInputError("threads must not name VCPU; use `vcpus`")
    if text is None and not threads:
        raise InvalidInputError("a group must have `vcpus` or `threads`")
    all_vcpus = text == ALL
    return MonitoringGroup(
        name=name or default_name(str(text)),
        vcpus=None if text is None or all_vcpus else parse_vcpus(text),
        all_vcpus=all_vcpus,
        threads=threads,
    )


_shared_group = lru_cache(_GROUPS_KEPT)(_group)
"""Equal items share one value: most objects of a cluster have groups that others have, too."""


def parse_unchecked_group(item: Mapping[str, Any]) -> MonitoringGroup:
    """The same of an item that no API server has checked: it has the bounds of the CRD, its list as written and read.

    Raises:
        InvalidInputError: the item is not valid.
    """
    threads = item.get("threads", ())
    if len(threads) > _MOST_CLASSES or any(len(name) > _LONGEST_CLASS for name in threads):
        raise InvalidInputError(f"threads must name up to {_MOST_CLASSES} of {', '.join(_OTHER_CLASSES)}")
    if item.get("vcpus") is not None:
        check_list(item["vcpus"])
    group = parse_group(item)
    if group.vcpus is not None:
        check_list(str(group.vcpus))
    return group


def render_group(group: MonitoringGroup) -> dict[str, Any]:
    """The item of `spec.groups` that says so; a name that it would have anyhow is left out."""
    item: dict[str, Any] = {}
    if group.wants_vcpus:
        item["vcpus"] = ALL if group.all_vcpus else str(group.vcpus or "")
    if group.threads:
        item["threads"] = [str(name) for name in ThreadClass if name in group.threads]
    if group.name != default_name(item.get("vcpus", "")):
        item = {"name": group.name, **item}
    return item


def digest_of(groups: Iterable[MonitoringGroup]) -> bytes:
    """A digest of groups in 16 bytes; compare it within one process only."""
    digest = hashlib.blake2b(digest_size=16)
    for group in groups:
        bounds = None if group.vcpus is None else group.vcpus.bounds
        digest.update(repr((group.name, bounds, group.all_vcpus, sorted(group.threads))).encode())
    return digest.digest()


def default_name(vcpus: str) -> str:
    """The name of a group of this vCPU list when it has no other; as in libvirt and the RFC, where it fits.

    A longer name has the first items, the number of the others, and a digest that differs for every other list:
    `vcpus_0,2,4,6,8,10,12,14,16,18,20,22_and_52_more_0b8f2a11`.
    """
    text = "".join(vcpus.split())
    if len(name := f"vcpus_{text}") <= LONGEST_NAME:
        return name
    items = text.split(",")
    digest = hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_CHARACTERS]
    kept = len(items)
    while len(name := f"vcpus_{','.join(items[:kept])}_and_{len(items) - kept}_more_{digest}") > LONGEST_NAME:
        kept -= 1
    return name


def check_groups(groups: Iterable[MonitoringGroup], *, number: int | None = None) -> None:
    """Refuse groups that one object, or one domain's metadata, can't have together.

    Args:
        groups: of one VM.
        number: how many there are, where only the first ones are given.

    Raises:
        InvalidInputError: a group has a name or a list that is not valid, or there are too many of them.
    """
    groups = tuple(groups)
    if (number := number or len(groups)) > MOST_GROUPS:
        raise InvalidInputError(f"there are {number} groups, and at most {MOST_GROUPS} are allowed")
    for name, times in Counter(group.name for group in groups).items():
        check_name(name)
        if times > 1:
            raise InvalidInputError(f"two groups have the name {name!r}")
    lists = [str(group.vcpus) for group in groups if group.vcpus is not None]
    for text in lists:
        check_list(text)
    if (listed := sum(map(len, lists))) > MOST_LISTED:
        raise InvalidInputError(
            f"the vCPU lists of the groups have {listed} characters together, and at most {MOST_LISTED} are valid"
        )


def parse_groups(items: Iterable[Mapping[str, Any]] | None) -> tuple[MonitoringGroup, ...]:
    """`spec.groups`; absent means one group of all vCPUs.

    Raises:
        InvalidInputError: an item is not valid, or two have the same name.
    """
    if items is None:
        return (ALL_VCPUS,)
    groups = tuple(map(parse_group, items))
    names = [group.name for group in groups]
    if len(set(names)) < len(names):
        raise InvalidInputError("group names must be unique in spec.groups")
    return groups
