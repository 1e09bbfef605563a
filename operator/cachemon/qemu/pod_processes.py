"""QEMUs of pods: whose a process is by its cgroup."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cachemon.model.errors import ProcUnreadableError
from cachemon.model.reasons import Reason
from cachemon.qemu import proc
from cachemon.qemu.proc_files import ProcFiles, Read, read_file
from cachemon.qemu.scan_times import UNSEEN, Sighting, sighting

__all__ = ["MOST_LOOKS", "Pods"]

MOST_LOOKS = 8192
"""Processes whose cgroup is read in one scan: about 0.1 s. The others' turn comes at the next scans."""

_FIRST_PID_NAMESPACE = 0xEFFFFFFC  # PROC_PID_INIT_INO, include/linux/proc_ns.h
_ALONE = "{root} shows the agent's own container and nothing of the node; its pod must have hostPID: true"
_NOT_KNOWN: tuple[Sighting, str | None] = (UNSEEN, None)


class Pods:
    """Owners by the UID of the pod that a process runs in, lower case with dashes.

    Args:
        root: the /proc that is read.
        in_pod: whether this program runs in a pod: then PID 1 must be of another container.
        by_mounts: whether the mounts of a process whose cgroup names no pod tell its pod. Any process that may mount
            can show what it likes there: for labs only.
        most_looks: processes whose cgroup is read in one scan.
        read: reads a file.
    """

    def __init__(
        self,
        root: Path,
        *,
        in_pod: bool = False,
        by_mounts: bool = False,
        most_looks: int = MOST_LOOKS,
        read: Read = read_file,
    ) -> None:
        self._files = ProcFiles(root, read)
        self._in_pod = in_pod
        self._by_mounts = by_mounts
        self._most_looks = most_looks
        self._seen: dict[int, tuple[Sighting, str | None]] = {}
        self._looked_last = 0
        # Whatever pods this program is in, the node is in: they have no QEMU.
        self._around = proc.pod_uids_of_cgroup(self._files.cgroup("self") or "")
        own_mounts = (self._files.mountinfo("self") or "") if by_mounts else ""
        self._around_mounts = proc.pod_uids_of_mountinfo(own_mounts)

    def check_view(self) -> None:
        """Whether /proc shows the node, and not our own container alone.

        Raises:
            ProcUnreadableError: it does not.
        """
        root = self._files.root
        cgroup = self._files.cgroup("self") if self._in_pod else None
        alone = cgroup is not None and cgroup == self._files.cgroup(1)
        if alone and Path(root, "self/ns/pid").stat().st_ino != _FIRST_PID_NAMESPACE:
            raise ProcUnreadableError(Reason.HOST_PID_MISSING, _ALONE.format(root=root))

    def owned(self, entries: Mapping[int, int], guests: Mapping[str, str], now: float) -> dict[int, str]:
        """See `cachemon.qemu.discovery.Owners`. Cgroups are read anew as `cachemon.qemu.scan_times` says."""
        self._seen = {pid: seen for pid, seen in self._seen.items() if entries.get(pid) == seen[0].inode}
        for pid in self._due(entries, now):
            inode, (seen, _) = entries[pid], self._seen.get(pid, _NOT_KNOWN)
            first = now if seen is UNSEEN else seen.first
            self._seen[pid] = sighting(inode, first, now), self._owner_of(pid)
        return {pid: owner for pid, (_, owner) in self._seen.items() if owner is not None and owner in guests}

    def confirms(self, uid: str, guest: str, argv: Sequence[str]) -> bool:  # noqa: ARG002  # a pod's owner made argv up
        """Whatever a process of a pod says, it is the pod's."""
        return True

    def _due(self, entries: Mapping[int, int], now: float) -> Iterator[int]:
        """What is looked at in this scan: newcomers after the last one, and a quarter for those of before.

        A pod that starts processes faster than this looks at them delays the others' newcomers by no more scans than
        PIDs take to come round.
        """
        newcomers = [pid for pid in entries if pid not in self._seen]
        again = sorted((seen.due, pid) for pid, (seen, _) in self._seen.items() if seen.due <= now)
        for_again = min(len(again), max(self._most_looks // 4, self._most_looks - len(newcomers)))
        if len(newcomers) > self._most_looks - for_again:
            newcomers.sort(key=lambda pid: (pid <= self._looked_last, pid))
            newcomers = newcomers[: self._most_looks - for_again]
            self._looked_last = newcomers[-1]
        yield from newcomers
        yield from (pid for _, pid in again[:for_again])

    def _owner_of(self, pid: int) -> str | None:
        cgroup = self._files.cgroup(pid) or ""
        if not self._by_mounts or proc.pod_uids_of_cgroup(cgroup) - self._around:
            return proc.pod_uid_of_cgroup(cgroup, self._around)
        return proc.pod_uid_of_mountinfo(self._files.mountinfo(pid) or "", self._around_mounts)
