"""The part of the cgroup hierarchies that one node of a real cluster has for its pods."""

import os
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from lab.wait import until

_MOUNT = Path("/sys/fs/cgroup")
_PREFIX = "cachemon-lab-"
"""The process id of the lab follows: later it shows which cgroups are left over."""

_REMOVE_SECONDS = 20


class NodeCgroups:
    """A directory of the node's own in every hierarchy, below one of the lab's; two kubelets must not meet.

    Args:
        node: its name.
        mount: where the hierarchies are.
        pid: of the lab.
    """

    def __init__(self, node: str, mount: Path = _MOUNT, pid: int | None = None) -> None:
        self._lab = f"{_PREFIX}{os.getpid() if pid is None else pid}"
        self._node = node
        self._mount = mount

    @property
    def path(self) -> str:
        """For the kubelet's `cgroupRoot`."""
        return f"/{self._lab}/{self._node}"

    def make(self) -> None:
        """Make them, ready for pods."""
        for hierarchy in _hierarchies(self._mount):
            parent = hierarchy
            for name in (self._lab, self._node):
                group = parent / name
                group.mkdir(exist_ok=True)
                _give_cpus(hierarchy, group)
                _enable_controllers(parent)
                parent = group
            _enable_controllers(parent)

    def remove(self) -> None:
        """Remove them, once the node's last process has ended.

        Raises:
            GaveUpError: something still runs in there.
        """
        for hierarchy in _hierarchies(self._mount):
            node = hierarchy / self._lab / self._node
            until(f"{node} to be empty", partial(_removed, node), seconds=_REMOVE_SECONDS)
            with suppress(OSError):  # other nodes are there
                node.parent.rmdir()


def remove_left_behind(mount: Path = _MOUNT) -> None:
    """Remove what a lab that was killed could not remove."""
    for hierarchy in _hierarchies(mount):
        for group in hierarchy.glob(f"{_PREFIX}*"):
            if not Path(f"/proc/{group.name.removeprefix(_PREFIX)}").exists():
                _removed(group)


def _hierarchies(mount: Path) -> Iterator[Path]:
    """The one of version 2, or those of version 1; with them may be an empty one of version 2, which runc uses."""
    if (mount / "cgroup.controllers").exists():
        yield mount
    else:
        yield from sorted({path.resolve() for path in mount.iterdir() if (path / "cgroup.procs").exists()})


def _give_cpus(hierarchy: Path, group: Path) -> None:
    """Version 1: a new group has no CPUs and no memory nodes, and takes no processes before it has."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        if (hierarchy / "tasks").exists() and (hierarchy / name).exists():
            (group / name).write_text((hierarchy / name).read_text())


def _enable_controllers(group: Path) -> None:
    """Version 2: what groups below this one may be limited by."""
    if not (group / "cgroup.subtree_control").exists():
        return
    for controller in (group / "cgroup.controllers").read_text().split():
        with suppress(OSError):  # one that the parent's own processes forbid
            (group / "cgroup.subtree_control").write_text(f"+{controller}")


def _removed(group: Path) -> bool:
    """Remove a group and those below it; whether that worked."""
    if not group.exists():
        return True
    try:
        for parent, _, _ in os.walk(group, topdown=False):
            Path(parent).rmdir()
    except OSError:
        return False
    return True
