"""Processes that look like QEMUs in pods, cheap enough for a whole node of them.

They are children of one program, `python -m tests.bench.stand_in_vms`, that ends with its standard input and takes
them along. Each has the command line, the cgroup and the thread names that a QEMU of KubeVirt has, and vCPU 0 works
a little now and then, so that there is something to count.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Self

from lab.vms.cgroups import pod_cgroup, remove_pod_cgroup, writable_home
from lab.vms.launcher import container_id
from lab.vms.virt_launcher import disguise
from tests.bench.measure import CannotRunError

_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15  # linux/prctl.h
_ROOM = 200
"""Bytes of the command line of a child: what the parent's own takes."""
_STACK_BYTES = 256 * 1024
_WORK_SECONDS, _PAUSE_SECONDS = 0.001, 1.0


class Guest(NamedTuple):
    """One VM: `name` is `<namespace>_<vmi>`; vCPU 0 of a busy one works all the time."""

    name: str
    pod_uid: str
    vcpus: int
    is_busy: bool = False


class StandInVms:
    """They run while this context lasts.

    Args:
        guests: the VMs.
        others: the number of further processes that are no VMs.

    Attributes:
        cgroups: of each guest's pod.
    """

    def __init__(self, guests: Sequence[Guest], others: int) -> None:
        home = writable_home()
        if home is None:
            raise CannotRunError("no cgroup can be made here: it takes root and a writable cgroup of its own")
        self._home = home
        self.cgroups = {guest: pod_cgroup(home, guest.pod_uid, container_id(guest.pod_uid)) for guest in guests}
        self._others = others

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.stand_in_vms", "-" * _ROOM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        orders = [[*guest, str(cgroup)] for guest, cgroup in self.cgroups.items()]
        if self._process.stdin is None or self._process.stdout is None:
            raise ValueError("the process was started without pipes")
        self._process.stdin.write(json.dumps({"guests": orders, "others": self._others}).encode() + b"\n")
        self._process.stdin.flush()
        if self._process.stdout.readline() != b"ready\n":
            self.__exit__()
            raise CannotRunError("the stand-ins for VMs did not start")
        return self

    def pids(self, guest: Guest) -> list[int]:
        """Of a guest's QEMU."""
        return [int(pid) for pid in (self.cgroups[guest] / "cgroup.procs").read_text().split()]

    def __exit__(self, *_: object) -> None:
        self._process.communicate()
        for cgroup in self.cgroups.values():
            remove_pod_cgroup(self._home, cgroup)


def main() -> None:
    """Make the children, and end them when the orders end."""
    orders = json.loads(sys.stdin.buffer.readline())
    threading.stack_size(_STACK_BYTES)
    children = [_fork(Guest(*fields), Path(cgroup)) for *fields, cgroup in orders["guests"]]
    children += [_fork() for _ in range(orders["others"])]
    print("ready", flush=True)
    sys.stdin.buffer.read()
    for pid in children:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for pid in children:
        os.waitpid(pid, 0)


def _fork(guest: Guest | None = None, cgroup: Path | None = None) -> int:
    """A child's PID, once the child is what it has to be."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if guest is not None and cgroup is not None:
            _become_qemu(guest, cgroup)
        os.write(writer, b".")
        while True:
            signal.pause()
    os.read(reader, 1)
    os.close(reader)
    os.close(writer)
    return pid


def _become_qemu(guest: Guest, cgroup: Path) -> None:
    disguise(["qemu-system-x86_64", "-name", f"guest={guest.name},debug-threads=on"])
    Path("/proc/self/comm").write_text("qemu-system-x86")
    cgroup.mkdir(parents=True, exist_ok=True)
    (cgroup / "cgroup.procs").write_text("0")
    born = threading.Barrier(guest.vcpus + 2)
    names = [*(f"CPU {number}/KVM" for number in range(guest.vcpus)), "IO mon_iothread"]
    pause_seconds = 0.0 if guest.is_busy else _PAUSE_SECONDS
    for name in names:
        threading.Thread(target=_live, args=(name, born, pause_seconds), daemon=True).start()
    born.wait()


def _live(name: str, born: threading.Barrier, pause_seconds: float) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode())
    born.wait()
    while name.startswith("CPU 0/"):
        end = time.thread_time() + _WORK_SECONDS
        while time.thread_time() < end:
            pass
        time.sleep(pause_seconds)
    threading.Event().wait()


if __name__ == "__main__":
    main()
