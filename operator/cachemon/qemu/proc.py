"""What files of /proc tell of a process: parsers.

They are pure and total: whatever a process wrote into its name or command line, the answer is a value or None,
never an exception.
"""

import re
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from cachemon.model.numbers import parse_count

__all__ = [
    "Stat",
    "domain_uuid",
    "guest_name",
    "names_its_threads",
    "parse_cmdline",
    "parse_stat",
    "pod_uid_of_cgroup",
    "pod_uid_of_mountinfo",
    "pod_uids_of_cgroup",
    "pod_uids_of_mountinfo",
]

_UID = r"[0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}"
# A whole name in the path: `pod<uid>` of cgroupfs, `kubelet-kubepods-burstable-pod<uid>.slice` of systemd.
_POD_IN_CGROUP = re.compile(rf"/(?:[^/]*kubepods(?:-[a-z]+)?-)?pod({_UID})(?:\.slice)?(?![^/])")
# What kubelet mounts into every container: the log of its end, /etc/hosts, and emptyDir volumes.
_POD_IN_MOUNT = re.compile(rf"/({_UID})/(?:volumes/kubernetes\.io~empty-dir/|containers/|etc-hosts(?![^/]))")
_DOMAIN_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_STATE_FIELD, _START_TIME_FIELD = 3, 22  # proc(5); fields count from 1, field 3 is the first after the name
_ROOT_FIELD = 3  # of a mountinfo line, counted from 0


class Stat(NamedTuple):
    """What cachemon needs of /proc/PID/stat or /proc/PID/task/TID/stat."""

    name: str
    state: str
    start_time: int
    """Clock ticks since boot."""

    @property
    def dead(self) -> bool:
        """Whether only the entry is left of it: a zombie that nobody has waited for."""
        return self.state in "ZXx"


def parse_stat(text: str) -> Stat | None:
    """Parse `1735 (qemu-system-x86) S 1700 ... 428349 ...`; None for anything else.

    The name is whatever the process chose, spaces, parentheses and line ends included: it ends at the
    last `)` of the text.
    """
    before, opening, rest = text.partition("(")
    name, closing, after = rest.rpartition(")")
    fields = after.split()
    if not (opening and closing and before.strip()) or len(fields) <= _START_TIME_FIELD - _STATE_FIELD:
        return None
    start_time = parse_count(fields[_START_TIME_FIELD - _STATE_FIELD])
    return None if start_time is None else Stat(name, fields[0], start_time)


def parse_cmdline(content: bytes) -> tuple[str, ...]:
    """Split /proc/PID/cmdline at its NUL bytes; empty for kernel threads, zombies and during exec."""
    return tuple(content.removesuffix(b"\0").decode(errors="replace").split("\0")) if content else ()


def guest_name(argv: Iterable[str]) -> str | None:
    """The guest's name from QEMU's `-name`; None where there is none.

    >>> guest_name(["qemu-kvm", "-name", "guest=tenant-a_db-0,debug-threads=on"])
    'tenant-a_db-0'
    """
    name = None
    for key, value in _name_options(argv):
        # `guest` is the implied key of the first item (QEMU system/vl.c, qemu_name_opts): `-name db-0`.
        if key in ("guest", ""):
            name = value
    return name or None


def domain_uuid(argv: Iterable[str]) -> str | None:
    """The domain's UUID from QEMU's `-uuid`, lower case with dashes; None where there is none, or no UUID.

    The last one counts, as it does to QEMU (system/vl.c, QEMU_OPTION_uuid).

    >>> domain_uuid(["qemu-kvm", "-uuid", "C7A5FDBD-EDAF-9455-926A-D65C16DB1809"])
    'c7a5fdbd-edaf-9455-926a-d65c16db1809'
    """
    uuid = None
    words = iter(argv)
    next(words, None)
    for word in words:
        if word in ("-uuid", "--uuid"):
            uuid = next(words, "").lower()
    return uuid if uuid and _DOMAIN_UUID.fullmatch(uuid) else None


def names_its_threads(argv: Iterable[str]) -> bool:
    """Whether the command line asks for `debug-threads=on`."""
    wanted = False
    for key, value in _name_options(argv):
        if key == "debug-threads":
            wanted = value in ("on", "yes", "true", "y")
    return wanted


def pod_uid_of_cgroup(text: str, around: AbstractSet[str] = frozenset()) -> str | None:
    """The UID of the pod that /proc/PID/cgroup names; lower case with dashes, None where it names none.

    Knows systemd's form (`kubepods-burstable-pod<uid with _>.slice/...`), cgroupfs's
    (`kubepods/burstable/pod<uid>/...`), prefixes in front of either (nested nodes), paths out of a private
    cgroup namespace (`/../../kubepods...`) and names below (`/container`, `/housekeeping`). The hash UIDs of
    static pods are no match.

    The outermost pod counts: a container can't leave its cgroup, but where cgroups are delegated it can make
    some below of any name. Lines that differ (cgroup v1) name no pod.

    Args:
        text: of the file.
        around: pods that the node itself runs in; they don't count.
    """
    return _only(_first(_POD_IN_CGROUP, path, around) for path in _cgroup_paths(text))


def pod_uid_of_mountinfo(text: str, around: AbstractSet[str] = frozenset()) -> str | None:
    """The UID of the pod whose volumes and files /proc/PID/mountinfo shows; None where it shows none, or several.

    Only a mount's root is looked at (`/var/lib/kubelet/pods/<uid>/volumes/kubernetes.io~empty-dir/sockets`),
    not where it is mounted, and of several UIDs in it the outermost: whoever owns a volume makes folders of any
    name in it and may have them mounted (`subPath`). A process that may mount or chroot can show what it
    likes: ask /proc/PID/cgroup first.

    Args:
        text: of the file.
        around: pods that the node itself runs in; they don't count.
    """
    return _only(_first(_POD_IN_MOUNT, root, around) for root in _mount_roots(text))


def pod_uids_of_cgroup(text: str) -> frozenset[str]:
    """Every pod that /proc/PID/cgroup names: that of the process, those around it and those below."""
    return frozenset(_dashed(uid) for path in _cgroup_paths(text) for uid in _POD_IN_CGROUP.findall(path))


def pod_uids_of_mountinfo(text: str) -> frozenset[str]:
    """Every pod that the roots of /proc/PID/mountinfo name."""
    return frozenset(_dashed(uid) for root in _mount_roots(text) for uid in _POD_IN_MOUNT.findall(root))


def _cgroup_paths(text: str) -> Iterator[str]:
    """The path of every line. Only a line feed ends one: a cgroup's name may have other line ends in it."""
    for line in text.split("\n"):
        _, _, rest = line.partition(":")
        yield rest.partition(":")[2]


def _mount_roots(text: str) -> Iterator[str]:
    for line in text.split("\n"):
        fields = line.split(" ", _ROOT_FIELD + 1)
        if len(fields) > _ROOT_FIELD:
            yield fields[_ROOT_FIELD]


def _first(pattern: re.Pattern[str], path: str, around: AbstractSet[str]) -> str | None:
    return next((uid for uid in map(_dashed, pattern.findall(path)) if uid not in around), None)


def _dashed(uid: str) -> str:
    return uid.replace("_", "-")


def _only(found: Iterable[str | None]) -> str | None:
    """What all that say anything agree upon."""
    uids = {uid for uid in found if uid}
    return uids.pop() if len(uids) == 1 else None


def _name_options(argv: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(key, value) of every `-name` option; the first item's key may be missing and is then empty.

    A comma inside a value is written twice (QEMU util/keyval.c and qemu-option.c, get_opt_value).
    """
    words = iter(argv)
    next(words, None)
    for word in words:
        if word not in ("-name", "--name"):
            continue
        for position, item in enumerate(_split_at_single_commas(next(words, ""))):
            key, equals, value = item.partition("=")
            if equals:
                yield key, value
            elif position == 0:
                yield "", item


def _split_at_single_commas(text: str) -> list[str]:
    return [item.replace("\0", ",") for item in text.replace("\0", "").replace(",,", "\0").split(",")]
