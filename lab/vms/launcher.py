"""A virt-launcher of the lab: QEMU below a process that a node's /proc shows as KubeVirt's would be.

KubeVirt v1.9: PID 1 of container `compute` is `virt-launcher-monitor --name N --uid U --namespace NS ...`, QEMU
its child, both in `/kubepods/burstable/pod<uid>/<container id>`. Where no cgroup can be made (ordinary user,
user namespace) the pod's UID stands in mountinfo alone, as a mount of one of its emptyDir volumes.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from lab.program_logs import LOGS
from lab.repository import REPOSITORY
from lab.vms.cgroups import pod_cgroup, remove_pod_cgroup, writable_home
from lab.wait import ends, until

PROGRAM = "lab.vms.virt_launcher"
QEMU_PROGRAM_PREFIX = "qemu-system"
_START_SECONDS = 20
_END_SECONDS = 20


class LauncherError(RuntimeError):
    """The launcher or its QEMU did not start."""


class Identity(StrEnum):
    """What carries the pod's UID."""

    CGROUP = "cgroup"
    MOUNTINFO = "mountinfo"


@dataclass(frozen=True, slots=True)
class Pod:
    """What a launcher must know of the pod that it plays, and of the VMI that the pod runs."""

    uid: str
    namespace: str
    vmi_name: str
    vmi_uid: str


def container_id(pod_uid: str) -> str:
    """The id of container `compute` of a pod: 64 hexadecimal digits."""
    return hashlib.sha256(f"compute of {pod_uid}".encode()).hexdigest()


def monitor_argv(pod: Pod) -> list[str]:
    """The command line of virt-launcher-monitor in a pod that KubeVirt v1.9 made."""
    return [
        "/usr/bin/virt-launcher-monitor",
        *("--qemu-timeout", "277s", "--name", pod.vmi_name, "--uid", pod.vmi_uid, "--namespace", pod.namespace),
        *("--kubevirt-share-dir", "/var/run/kubevirt"),
        *("--ephemeral-disk-dir", "/var/run/kubevirt-ephemeral-disks"),
        *("--container-disk-dir", "/var/run/kubevirt/container-disks"),
        *("--grace-period-seconds", "20", "--hook-sidecars", "0", "--ovmf-path", "/usr/share/edk2/ovmf"),
        *("--disk-memory-limit", "2097152000", "--hypervisor", "kvm", "--run-as-nonroot"),
        *("--libvirt-hook-server-and-client", "--upgrade-ordinal-ifaces", "--allow-emulation"),
    ]


class Launcher:
    """A running launcher and its QEMU; both end with this Python process at the latest.

    Args:
        pod: what it plays.
        qemu: QEMU's command line; relative paths in it are below `folder`.
        folder: an existing folder of its own.
        identity: what carries the pod's UID; None takes the cgroup where one can be made.

    Raises:
        LauncherError: with the end of the log.
    """

    def __init__(self, pod: Pod, qemu: Sequence[str], folder: Path, identity: Identity | None = None) -> None:
        home = writable_home() if identity is not Identity.MOUNTINFO else None
        if home is None and identity is Identity.CGROUP:
            raise LauncherError("no cgroup can be made here: take the mountinfo identity")
        self.identity = Identity.CGROUP if home else Identity.MOUNTINFO
        self.log = folder / "launcher.log"
        self._home = home
        self._cgroup = pod_cgroup(home, pod.uid, container_id(pod.uid)) if home else None
        argv = monitor_argv(pod)
        LOGS.add(self.log)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._namespaces(), *_as_long_as(argv)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, "PYTHONPATH": os.fspath(REPOSITORY)},
                start_new_session=True,  # Ctrl-C is for the lab, which then ends its launchers in order
            )
        self._order(
            argv=argv,
            qemu=list(qemu),
            folder=os.fspath(folder.resolve()),
            log=os.fspath(self.log.resolve()),
            home=os.fspath(home) if home else None,
            cgroup=os.fspath(self._cgroup) if self._cgroup else None,
            volume=None if home else f"/var/lib/kubelet/pods/{pod.uid}/volumes/kubernetes.io~empty-dir/sockets",
        )
        self.qemu_pid = self._await_qemu()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def cgroup(self) -> Path | None:
        """Of the container, where one could be made."""
        return self._cgroup

    @property
    def ended(self) -> bool:
        """Whether launcher and QEMU are gone."""
        return self._process.poll() is not None

    def log_tail(self) -> str:
        """The end of the log of launcher and QEMU."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])

    def wait(self) -> None:
        """Wait until QEMU has ended, and the launcher after it; then no trace of the pod is left."""
        if not ends(self._process, _END_SECONDS):
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()
        if self._home and self._cgroup:
            self._remove_cgroup(self._home, self._cgroup)

    def _remove_cgroup(self, home: Path, cgroup: Path) -> None:
        def removed() -> bool:
            remove_pod_cgroup(home, cgroup)
            return not cgroup.exists()

        # A killed launcher's QEMU ends by itself, thread by thread: it is in its cgroup until the last of them.
        until("the last thread to leave the pod's cgroup", removed, seconds=_END_SECONDS)

    def stop(self) -> None:
        """End both."""
        with suppress(BrokenPipeError):
            if self._process.stdin:
                self._process.stdin.close()
        self.wait()

    def _namespaces(self) -> list[str]:
        if self._home:
            return []
        # Root of a user namespace has what it takes to mount; an ordinary user makes such a namespace first.
        user = ["--user", "--map-root-user"] if os.geteuid() else []
        return ["unshare", *user, "--mount", "--propagation", "private", "--"]

    def _order(self, **orders: Any) -> None:
        with suppress(BrokenPipeError):  # it has ended already; its log says why
            if self._process.stdin:
                self._process.stdin.write(json.dumps(orders).encode() + b"\n")
                self._process.stdin.flush()

    def _await_qemu(self) -> int:
        line = self._process.stdout.readline() if self._process.stdout else b""
        if not line:
            self.stop()
            raise LauncherError(f"the launcher did not start:\n{self.log_tail()}")
        pid = int(json.loads(line)["qemu"])
        comm = Path(f"/proc/{pid}/comm")

        def became_qemu() -> bool:
            try:
                return comm.read_text().startswith(QEMU_PROGRAM_PREFIX)
            except OSError:
                self.stop()
                raise LauncherError(f"QEMU did not start:\n{self.log_tail()}") from None

        until("the launcher's child to become QEMU", became_qemu, seconds=_START_SECONDS)
        return pid


def _as_long_as(argv: Sequence[str]) -> list[str]:
    """A command that runs the launcher's program, and whose arguments take as many bytes as `argv`'s."""
    command = [sys.executable, "-S", "-m", PROGRAM]
    room = sum(len(word.encode()) + 1 for word in argv) - sum(len(word.encode()) + 1 for word in command)
    return [*command, "-" * max(1, room - 1)]
