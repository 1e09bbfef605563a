"""QEMUs of pods: whose a process is by its cgroup, or where that names no pod by its mounts."""

import os
from collections.abc import Sequence
from pathlib import Path

from cachemon.model.errors import ProcUnreadableError
from cachemon.model.reasons import Reason
from cachemon.qemu import proc

__all__ = ["Pods"]

_FIRST_PID_NAMESPACE = 0xEFFFFFFC  # PROC_PID_INIT_INO, include/linux/proc_ns.h
_ALONE = "{root} shows the agent's own container and nothing of the node; its pod must have hostPID: true"


class Pods:
    """Owners by the UID of the pod that a process runs in, lower case with dashes.

    Args:
        root: the /proc that is read.
        in_pod: whether this program runs in a pod: then PID 1 must be of another container.
    """

    def __init__(self, root: Path, *, in_pod: bool = False) -> None:
        self._root = os.fspath(root)
        self._in_pod = in_pod
        own = f"{self._root}/self"  # whatever pods this program is in, the node is in: they have no QEMU
        self._around = proc.pod_uids_of_cgroup(proc.read_cgroup(own) or "")
        self._around_mounts = proc.pod_uids_of_mountinfo(proc.read_mountinfo(own) or "")

    def check_view(self) -> None:
        """Whether /proc shows the node, and not our own container alone.

        Raises:
            ProcUnreadableError: it does not.
        """
        own = f"{self._root}/self"
        cgroup = proc.read_cgroup(own) if self._in_pod else None
        alone = cgroup is not None and cgroup == proc.read_cgroup(f"{self._root}/1")
        if alone and Path(own, "ns/pid").stat().st_ino != _FIRST_PID_NAMESPACE:
            raise ProcUnreadableError(Reason.HOST_PID_MISSING, _ALONE.format(root=self._root))

    def owner_of(self, pid: int, argv: Sequence[str]) -> str | None:  # noqa: ARG002 # a pod's owner has a say in argv
        """Mounts are asked only of a process whose cgroup names no pod: a pod's owner has a say in them."""
        directory = f"{self._root}/{pid}"
        cgroup = proc.read_cgroup(directory) or ""
        if proc.pod_uids_of_cgroup(cgroup) - self._around:
            return proc.pod_uid_of_cgroup(cgroup, self._around)
        return proc.pod_uid_of_mountinfo(proc.read_mountinfo(directory) or "", self._around_mounts)
