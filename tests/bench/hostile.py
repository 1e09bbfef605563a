"""Processes that a tenant runs in its own pod to trouble whoever looks at it: see hostile.c."""

import os
import subprocess
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.cgroups import pod_cgroup, remove_pod_cgroup, writable_home
from lab.launcher import container_id
from lab.wait import until
from tests.bench.built import NotBuiltError, hostile
from tests.bench.measure import CannotRunError

__all__ = ["Deed", "HostileProcesses"]

_SIZE_MIB = 16384
"""Of what is moved: page tables of 32 MiB, and a lock that is held for about 0.1 s at a time."""
_FORKS_PER_SECOND = 20
_END_SECONDS = 60


class Deed(StrEnum):
    """What the processes do."""

    HOLD_MMAP_LOCK = "lock"
    FORK = "fork"


class HostileProcesses:
    """They run while this context lasts, with a QEMU's name and command line, at the lowest CPU priority.

    Args:
        guest: `<namespace>_<vmi>` that their command lines name.
        pod_uid: of the tenant's pod; they are in its cgroup.
        deeds: one process each.
        size_mib: how much memory those move that hold their lock.

    Raises:
        CannotRunError: no cgroup can be made, or no program be built.
    """

    def __init__(self, guest: str, pod_uid: str, deeds: Sequence[Deed], size_mib: int = _SIZE_MIB) -> None:
        home = writable_home()
        if home is None:
            raise CannotRunError("no cgroup can be made here: it takes root and a writable cgroup of its own")
        self._home = home
        self._cgroup = pod_cgroup(home, pod_uid, container_id(pod_uid))
        self._argv = ["qemu-system-x86_64", "-name", f"guest={guest},debug-threads=on"]
        self._sizes = {Deed.HOLD_MMAP_LOCK: size_mib, Deed.FORK: _FORKS_PER_SECOND}
        self._deeds = deeds
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        try:
            program = hostile()
        except NotBuiltError as error:
            raise CannotRunError(str(error)) from error
        self._cgroup.mkdir(parents=True, exist_ok=True)
        self._processes = [self._start(program, deed) for deed in self._deeds]
        for process in self._processes:
            if process.stdout is None or process.stdout.readline() != b"begun\n":
                self.__exit__(None, None, None)
                raise CannotRunError("a process that is to trouble the agent did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.communicate()
        until("hostile processes to leave their cgroup", self._is_left, seconds=_END_SECONDS)

    def _start(self, program: Path, deed: Deed) -> "subprocess.Popen[bytes]":
        settings = {"HOSTILE_CGROUP": str(self._cgroup), "HOSTILE_DO": deed, "HOSTILE_SIZE": str(self._sizes[deed])}
        return subprocess.Popen(
            self._argv, executable=program, env={**os.environ, **settings}, stdout=subprocess.PIPE
        )

    def _is_left(self) -> bool:
        """Children that were forked live on for a second; another process may be in the same pod and stay."""
        own = {process.pid for process in self._processes}
        if any(int(pid) in own for pid in _pids(self._cgroup)):
            return False
        remove_pod_cgroup(self._home, self._cgroup)
        return True


def _pids(cgroup: Path) -> Sequence[str]:
    try:
        return (cgroup / "cgroup.procs").read_text().split()
    except FileNotFoundError:
        return ()
