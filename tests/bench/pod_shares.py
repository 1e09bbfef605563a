"""Cgroups that share the CPUs as a kubelet has them shared, in version 1 and in version 2.

`<bench>/kubepods/burstable/pod<name>`: the kubelet gives kubepods the shares of all CPUs, `burstable` those of all
requests in it, and each pod those of its own (pkg/kubelet/cm: helpers_linux.go `MilliCPUToShares`,
qos_container_manager_linux.go, cgroup_manager_linux.go `cpuSharesToCPUWeight`). What runs on other machines, or is a
part of the kernel, runs in `<bench>/elsewhere` with the most shares.
"""

import os
import re
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.vms.cgroups import writable_home
from tests.bench.measure import CannotRunError

MOST_SHARES = 262_144
_LEAST_SHARES = 2
_SHARES_OF_A_CPU = 1024
_BESIDE_OTHERS = 64 * _SHARES_OF_A_CPU
"""Of all that the bench runs, beside what else runs on this machine."""


def shares_of(millicores: int) -> int:
    """`cpu.shares` of a container or pod that requests this."""
    return min(MOST_SHARES, max(_LEAST_SHARES, millicores * _SHARES_OF_A_CPU // 1000))


def weight_of(shares: int) -> int:
    """`cpu.weight` of cgroup version 2 for these shares."""
    return 1 + (shares - _LEAST_SHARES) * 9999 // (MOST_SHARES - _LEAST_SHARES)


def millicores_of(quantity: str) -> int:
    """`20m` and `2` as a chart has them.

    Raises:
        ValueError: it is neither.
    """
    found = re.fullmatch(r"(\d+)(m?)", quantity)
    if found is None:
        raise ValueError(f"{quantity!r} is no quantity of CPU such as 20m or 2")
    return int(found[1]) * (1 if found[2] else 1000)


class PodShares:
    """This process runs `elsewhere` while the context lasts; processes join pods.

    Raises:
        CannotRunError: no cgroup with shares can be made here.
    """

    def __init__(self) -> None:
        version1 = writable_home(hierarchies=("cpu",))
        self._is_version1 = version1 is not None
        home = version1 or writable_home(hierarchies=("",))
        if home is None:
            raise CannotRunError("no cgroup with shares of CPU can be made here: it takes root")
        self._home, self._top = home, home / f"cachemon-bench-{os.getpid()}"
        self._burstable = self._top / "kubepods" / "burstable"
        self._requests: dict[str, int] = {}

    def __enter__(self) -> Self:
        elsewhere, kubepods = self._top / "elsewhere", self._burstable.parent
        try:
            elsewhere.mkdir(parents=True)
            self._burstable.mkdir(parents=True)
            self.join(elsewhere, os.getpid())
            if not self._is_version1:
                for group in (self._home, self._top, kubepods, self._burstable):
                    (group / "cgroup.subtree_control").write_text("+cpu")
            self._set(self._top, _BESIDE_OTHERS)
            self._set(elsewhere, MOST_SHARES)
            self._set(kubepods, shares_of(1000 * (os.cpu_count() or 1)))
        except OSError as err:
            self.__exit__(None, None, None)
            raise CannotRunError(f"no cgroup with shares of CPU can be made here: {err}") from err
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self.join(self._home, os.getpid())
        for group, _, _ in os.walk(self._top, topdown=False):
            with suppress(OSError):
                Path(group).rmdir()

    def pod(self, name: str, millicores: int) -> Path:
        """The cgroup of a pod that requests this; its shares change when it is asked for again."""
        self._requests[name] = millicores
        group = self._burstable / f"pod{name}"
        group.mkdir(exist_ok=True)
        self._set(group, shares_of(millicores))
        self._set(self._burstable, shares_of(sum(self._requests.values())))
        return group

    @staticmethod
    def join(group: Path, pid: int) -> None:
        """Move a process there, with all its threads."""
        (group / "cgroup.procs").write_text(str(pid))

    @staticmethod
    def entrance(group: Path) -> list[str]:
        """A command that joins the group and then becomes what follows it."""
        return ["sh", "-ec", 'echo $$ > "$0"; exec "$@"', str(group / "cgroup.procs")]

    def _set(self, group: Path, shares: int) -> None:
        if self._is_version1:
            (group / "cpu.shares").write_text(str(shares))
        else:
            (group / "cpu.weight").write_text(str(weight_of(shares)))
