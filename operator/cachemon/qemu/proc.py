"""Parsers of files of /proc.

They are pure and total: whatever a process writes into its name or command line, the result is a value or None,
never an exception.
"""

import re
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from cachemon.model.numbers import parse_count

_UID = r"[0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}"
# A whole name in the path: `pod<uid>` of cgroupfs, `kubelet-kubepods-burstable-pod<uid>.slice` of systemd.
_POD_IN_CGROUP = re.compile(rf"/(?:[^/]*kubepods(?:-[a-z]+)?-)?pod({_UID})(?:\.slice(?::[^/]*)?)?(?![^/])")
# What kubelet mounts into every container: the log of its end, /etc/hosts, and emptyDir volumes.
_POD_IN_MOUNT = re.compile(rf"/({_UID})/(?:volumes/kubernetes\.io~empty-dir/|containers/|etc-hosts(?![^/]))")
_DOMAIN_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_STATE_FIELD, _START_TIME_FIELD = 3, 22  # proc(5); fields count from 1, field 3 is the first after the name
_ROOT_FIELD = 3  # of a mountinfo line, counted from 0


class Stat(NamedTuple):
    """The fields of /proc/PID/stat or /proc/PID/task/TID/stat that cachemon uses."""

    name: str
    state: str
    start_time: int
    """Clock ticks since boot."""

    @property
    def dead(self) -> bool:
        """Whether it is a zombie: it has ended, and its parent has not called wait yet."""
        return self.state in "ZXx"


def parse_stat(text: str) -> Stat | None:
    """Parse `1735 (qemu-system-x86) S 1700 ... 428349 ...`; None for anything else.

    The process chooses the name, which may contain spaces, parentheses and line ends. It ends at the last `)` of the
    text.
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
    """Return the guest's name from QEMU's `-name`; None if there is none.

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
    """Return the domain's UUID from QEMU's `-uuid`, lower case with dashes; None if there is none or it is not valid.

    The last `-uuid` counts, as in QEMU (system/vl.c, QEMU_OPTION_uuid).

    >>> domain_uuid(["qemu-kvm", "-uuid", "C7A5FDBD-EDAF-9455-926A-D65C16DB1809"])
    'c7a5fdbd-edaf-9455-926a-d65c16db1809'
    """
    uuid = None
    arguments = iter(argv)
    next(arguments, None)
    for argument in arguments:
        if argument in ("-uuid", "--uuid"):
            uuid = next(arguments, "").lower()
    return uuid if uuid and _DOMAIN_UUID.fullmatch(uuid) else None


def names_its_threads(argv: Iterable[str]) -> bool:
    """Whether the command line asks for `debug-threads=on`."""
    wanted = False
    for key, value in _name_options(argv):
        if key == "debug-threads":
            wanted = value in ("on", "yes", "true", "y")
    return wanted


def pod_uid_of_cgroup(text: str, around: AbstractSet[str] = frozenset()) -> str | None:
    """Return the UID of the pod that /proc/PID/cgroup names, lower case with dashes; None if it names none.

    Accepts the form of systemd (`kubepods-burstable-pod<uid with _>.slice/...`) and of cgroupfs
    (`kubepods/burstable/pod<uid>/...`), with a prefix (nested nodes), relative to a private cgroup namespace
    (`/../../kubepods...`) and with names below (`/container`, `/housekeeping`). The UIDs of static pods are hashes
    and do not match.

    The outermost pod counts. A container can't leave its cgroup, but with delegated cgroups it can create others of
    any name below. Lines that name different pods (cgroup v1) count as none.

    Args:
        text: the content of the file.
        around: pods that the node itself runs in; they don't count.
    """
    return _only(_first(_POD_IN_CGROUP, path, around) for path in _cgroup_paths(text))


def pod_uid_of_mountinfo(text: str, around: AbstractSet[str] = frozenset()) -> str | None:
    """Return the UID of the pod whose volumes /proc/PID/mountinfo shows; None if it shows none or several.

    Only the root of a mount counts (`/var/lib/kubelet/pods/<uid>/volumes/kubernetes.io~empty-dir/sockets`), not its
    mount point. Of several UIDs in it the outermost counts: the owner of a volume can create folders of any name in
    it and mount them (`subPath`). A process that may mount or chroot can forge all of this: read /proc/PID/cgroup
    first.

    Args:
        text: the content of the file.
        around: pods that the node itself runs in; they don't count.
    """
    return _only(_first(_POD_IN_MOUNT, root, around) for root in _mount_roots(text))


def pod_uids_of_cgroup(text: str) -> frozenset[str]:
    """Return every pod that /proc/PID/cgroup names: that of the process, pods around it and pods below."""
    return frozenset(_dashed(uid) for path in _cgroup_paths(text) for uid in _POD_IN_CGROUP.findall(path))


def pod_uids_of_mountinfo(text: str) -> frozenset[str]:
    """Return every pod that the roots of mounts in /proc/PID/mountinfo name."""
    return frozenset(_dashed(uid) for root in _mount_roots(text) for uid in _POD_IN_MOUNT.findall(root))


def _cgroup_paths(text: str) -> Iterator[str]:
    """Yield the path of every line that may name a pod.

    Only a line feed ends a line: names of cgroups may contain other line ends.
    """
    for line in text.split("\n"):
        if "pod" in line:
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
    """Return the one value that is not None; None if there are several or none."""
    uids = {uid for uid in found if uid}
    return uids.pop() if len(uids) == 1 else None


def _name_options(argv: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield (key, value) of every `-name` option; the first item's key may be missing and is then empty.

    A comma inside a value is doubled (QEMU util/keyval.c and qemu-option.c, get_opt_value).
    """
    arguments = iter(argv)
    next(arguments, None)
    for argument in arguments:
        if argument not in ("-name", "--name"):
            continue
        for position, item in enumerate(_split_at_single_commas(next(arguments, ""))):
            key, equals, value = item.partition("=")
            if equals:
                yield key, value
            elif position == 0:
                yield "", item


def _split_at_single_commas(text: str) -> list[str]:
    return [item.replace("\0", ",") for item in text.replace("\0", "").replace(",,", "\0").split(",")]
