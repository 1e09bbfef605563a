"""Processes of pods: the cgroup of a process names its pod."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cachemon.model.errors import ProcUnreadableError
from cachemon.model.reasons import Reason
from cachemon.qemu import proc
from cachemon.qemu.proc_files import ProcFiles, Read, read_file
from cachemon.qemu.scan_times import NEVER_SCANNED, ScanTimes, scan_times

MOST_CGROUPS = 8192
"""Limit of cgroups read in one scan, which takes about 0.1 s. Later scans read the others."""

_FIRST_PID_NAMESPACE = 0xEFFFFFFC  # PROC_PID_INIT_INO, include/linux/proc_ns.h
_ALONE = "{root} shows the agent's own container and nothing of the node; its pod must have hostPID: true"
_UNKNOWN: tuple[ScanTimes, str | None] = (NEVER_SCANNED, None)


class PodProcesses:
    """Finds the pod of a process. The owner's UID is the pod's, lower case with dashes.

    Args:
        root: the /proc to read.
        in_pod: whether this program runs in a pod; PID 1 must then be of another container.
        by_mounts: whether to take the pod from the mounts of a process whose cgroup names none. For labs only: any
            process that may mount can forge these.
        most_cgroups: limit of cgroups read in one scan.
        read: reads a file.
    """

    def __init__(
        self,
        root: Path,
        *,
        in_pod: bool = False,
        by_mounts: bool = False,
        most_cgroups: int = MOST_CGROUPS,
        read: Read = read_file,
    ) -> None:
        self._files = ProcFiles(root, read)
        self._in_pod = in_pod
        self._by_mounts = by_mounts
        self._most_cgroups = most_cgroups
        self._known: dict[int, tuple[ScanTimes, str | None]] = {}
        self._last_new_pid = 0
        # If this program is in a pod of an outer cluster, so is the whole node. That pod is not the owner.
        self._around = proc.pod_uids_of_cgroup(self._files.cgroup("self") or "")
        own_mounts = (self._files.mountinfo("self") or "") if by_mounts else ""
        self._around_mounts = proc.pod_uids_of_mountinfo(own_mounts)

    def check_view(self) -> None:
        """Check that /proc shows the node, and not only our own container.

        Raises:
            ProcUnreadableError: it shows only our container.
        """
        root = self._files.root
        cgroup = self._files.cgroup("self") if self._in_pod else None
        alone = cgroup is not None and cgroup == self._files.cgroup(1)
        if alone and Path(root, "self/ns/pid").stat().st_ino != _FIRST_PID_NAMESPACE:
            raise ProcUnreadableError(Reason.HOST_PID_MISSING, _ALONE.format(root=root))

    def owners_by_pid(self, entries: Mapping[int, int], guests: Mapping[str, str], now: float) -> dict[int, str]:
        """See `cachemon.qemu.discovery.ProcessOwners`. `cachemon.qemu.scan_times` says when a cgroup is due."""
        self._known = {pid: known for pid, known in self._known.items() if entries.get(pid) == known[0].inode}
        for pid in self._due(entries, now):
            inode, (times, _) = entries[pid], self._known.get(pid, _UNKNOWN)
            first = now if times is NEVER_SCANNED else times.first
            self._known[pid] = scan_times(inode, first, now), self.owner_of(pid)
        return {pid: owner for pid, (_, owner) in self._known.items() if owner is not None and owner in guests}

    def confirms(self, uid: str, guest: str, argv: Sequence[str]) -> bool:  # noqa: ARG002  # the cgroup proves the pod
        """Whether the process runs the guest. Other programs of virt-launcher name no guest this way."""
        return proc.guest_name(argv) == guest

    def owner_of(self, pid: int) -> str | None:
        """Return the pod of a process or thread now; None if it has none, or has ended."""
        cgroup = self._files.cgroup(pid) or ""
        if not self._by_mounts or proc.pod_uids_of_cgroup(cgroup) - self._around:
            return proc.pod_uid_of_cgroup(cgroup, self._around)
        return proc.pod_uid_of_mountinfo(self._files.mountinfo(pid) or "", self._around_mounts)

    def _due(self, entries: Mapping[int, int], now: float) -> Iterator[int]:
        """Yield the PIDs to read in this scan: new ones after the last new one, and known ones that are due.

        Known ones get at least a quarter of the limit. Some pod may start processes faster than scans read them. It
        delays new processes of other pods only until the PIDs have wrapped around.
        """
        newcomers = [pid for pid in entries if pid not in self._known]
        again = sorted((times.due, pid) for pid, (times, _) in self._known.items() if times.due <= now)
        for_again = min(len(again), max(self._most_cgroups // 4, self._most_cgroups - len(newcomers)))
        if len(newcomers) > self._most_cgroups - for_again:
            newcomers.sort(key=lambda pid: (pid <= self._last_new_pid, pid))
            newcomers = newcomers[: self._most_cgroups - for_again]
            self._last_new_pid = newcomers[-1]
        yield from newcomers
        yield from (pid for _, pid in again[:for_again])
