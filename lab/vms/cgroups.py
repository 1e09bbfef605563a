"""Where a process of the lab may make a cgroup that looks like a pod's."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

COUNT_NOTHING = ("", "name=systemd", "pids", "freezer", "perf_event")
"""Version 2, which has the empty name, and version 1 hierarchies that count nothing."""


def writable_home(proc_self: Path = Path("/proc/self"), hierarchies: Sequence[str] = COUNT_NOTHING) -> Path | None:
    """The directory of this process's own cgroup in a hierarchy where it may make others; None without one.

    A child of the own cgroup keeps every limit of it. The first of the hierarchies is preferred.
    """
    for home in _homes((proc_self / "mountinfo").read_text(), (proc_self / "cgroup").read_text(), hierarchies):
        probe = home / f"cachemon-probe-{os.getpid()}"
        try:
            probe.mkdir()
        except OSError:
            continue
        # A group can be made by whoever owns the directory; to move into it takes cgroup.procs of both.
        writable = os.access(probe / "cgroup.procs", os.W_OK) and os.access(home / "cgroup.procs", os.W_OK)
        probe.rmdir()
        if writable:
            return home
    return None


def pod_cgroup(home: Path, pod_uid: str, container_id: str) -> Path:
    """The cgroup of a container as a kubelet with the cgroupfs driver names it, below `home`."""
    return home / "kubepods" / "burstable" / f"pod{pod_uid}" / container_id


def remove_pod_cgroup(home: Path, group: Path) -> None:
    """Remove a container's cgroup, those made below it, and what is empty then up to `home`. What is in use stays."""
    with suppress(OSError):
        for below, _, _ in os.walk(group, topdown=False):
            Path(below).rmdir()
        while (group := group.parent) != home:
            if group.exists():
                group.rmdir()


def _homes(mountinfo: str, cgroup: str, hierarchies: Sequence[str]) -> Iterator[Path]:
    own: dict[str, str] = {}  # path of this process by controller; version 2 has the empty name
    for line in cgroup.splitlines():
        _, controllers, path = line.split(":", 2)
        own |= dict.fromkeys(controllers.split(","), path)
    for wanted in hierarchies:
        for line in mountinfo.splitlines():
            mount, _, kind_source_options = line.partition(" - ")
            root, target = mount.split(" ")[3:5]
            kind, _, options = kind_source_options.split(" ", 2)
            fits = wanted in options.split(",") and kind == "cgroup" if wanted else kind == "cgroup2"
            if fits and wanted in own and (own[wanted] + "/").startswith(root.rstrip("/") + "/"):
                yield Path(target) / own[wanted].removeprefix(root).lstrip("/")
