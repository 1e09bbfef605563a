"""Virtual machines of the lab: real QEMU processes, started the way KubeVirt and libvirt start theirs.

As seen on KubeVirt v1.9: `-S -smp 1,maxcpus=N`, threads named, the other vCPUs plugged one by one over QMP
before `cont`; a migration target waits with `-incoming defer`, its vCPUs plugged, before the source sends.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

from lab.program_cache import user_cache
from lab.speed import allowance
from lab.vms import guest
from lab.vms.launcher import Identity, Launcher, Pod
from lab.vms.qemu_command import QEMU, SOFTWARE, NoRoomError, plug_vcpu, qemu_command
from lab.vms.qmp import Qmp, QmpError
from lab.wait import GaveUpError, until

_CPU_SLOTS_PER_SOCKET = 4  # virt-api sets maxSockets to 4 x sockets where a VMI has none (KubeVirt v1.9)
DISK_BYTES = 1024 * 1024
_START_SECONDS = 20


class VirtualMachineError(RuntimeError):
    """A virtual machine of the lab did not do what the lab asked for."""


@dataclass(frozen=True, slots=True)
class Hardware:
    """What the guest gets.

    Attributes:
        vcpus: plugged before the guest runs.
        busy_percent: share of the time that each vCPU computes, by vCPU number; those beyond its end rest.
            Vcpus plugged later are at work too if it names them.
        memory_mib: guest memory in MiB.
    """

    vcpus: int = 2
    busy_percent: Sequence[int] = ()
    memory_mib: int = 32

    @property
    def most_vcpus(self) -> int:
        """`maxcpus`: up to this many can be plugged."""
        return min(self.vcpus * _CPU_SLOTS_PER_SOCKET, guest.MOST_VCPUS)


@cache
def accelerator() -> str:
    """QEMU's `-accel` for this machine: KVM where a QEMU really starts with it, else software emulation."""
    if os.access("/dev/kvm", os.R_OK | os.W_OK):
        command = [QEMU, "-nodefaults", "-display", "none", "-machine", "q35", "-S", "-accel", "kvm", "-qmp", "stdio"]
        talk = '{"execute": "qmp_capabilities"} {"execute": "quit"}'
        with suppress(OSError, subprocess.TimeoutExpired):
            if not subprocess.run(
                command, input=talk.encode(), capture_output=True, timeout=allowance(20), check=False
            ).returncode:
                return "kvm"
    return SOFTWARE


def _at_once(_vcpu: int) -> None:
    """Wait for nothing."""


class VirtualMachine:
    """One QEMU below its launcher: one pod's half of a VMI. A live migration needs two of these.

    Args:
        pod: pod and VMI that it belongs to.
        hardware: what the guest gets; the same on both sides of a migration.
        folder: an existing folder; it makes one of its own in there and removes that at the end.
        identity: what carries the pod's UID; None takes the cgroup where one can be made.
        accel: QEMU's `-accel`; None finds out.

    Attributes:
        folder: its own; monitor and migration socket are there.
    """

    def __init__(
        self,
        pod: Pod,
        hardware: Hardware,
        folder: Path,
        *,
        identity: Identity | None = None,
        accel: str | None = None,
    ) -> None:
        self.pod = pod
        self.hardware = hardware
        self._accel = accel
        self._identity = identity
        self.folder = folder / f"vm-{pod.uid}"
        self._launcher: Launcher | None = None
        self._qmp: Qmp | None = None
        self._vcpus = 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def launcher(self) -> Launcher:
        """The process above QEMU."""
        if self._launcher is None:
            raise VirtualMachineError(f"{self.pod.vmi_name} is not started")
        return self._launcher

    @property
    def pid(self) -> int:
        """QEMU's process id."""
        return self.launcher.qemu_pid

    @property
    def running(self) -> bool:
        """Whether its processes are there; the guest may be paused, or not here yet."""
        return self._launcher is not None and not self._launcher.ended

    @property
    def monitor(self) -> Qmp:
        """QEMU's monitor."""
        if self._qmp is None:
            raise VirtualMachineError(f"{self.pod.vmi_name} is not running")
        return self._qmp

    @property
    def vcpu_tids(self) -> dict[int, int]:
        """Thread of each plugged vCPU, as QEMU itself says (same PID namespace as the lab)."""
        return {cpu["cpu-index"]: cpu["thread-id"] for cpu in self.monitor.execute("query-cpus-fast")}

    @property
    def guest_status(self) -> str:
        """QEMU's run state: prelaunch, running, paused, inmigrate, postmigrate, ..."""
        return str(self.monitor.execute("query-status")["status"])

    def start(self, before_plug: Callable[[int], object] = _at_once) -> None:
        """Start QEMU, plug the vCPUs, let the guest run.

        Args:
            before_plug: called with the number of each vCPU but the first, before that is plugged.

        Raises:
            VirtualMachineError, LauncherError, GuestBuildError: with QEMU's output.
        """
        self.start_paused(before_plug)
        self.unpause()

    def start_paused(self, before_plug: Callable[[int], object] = _at_once) -> None:
        """As `start`, up to the moment before the guest runs."""
        self._start(before_plug, incoming=False)

    def start_as_migration_target(self) -> None:
        """Start QEMU with all vCPUs; `LiveMigration` brings it a guest."""
        self._start(_at_once, incoming=True)

    def plug_vcpu(self) -> int:
        """Plug the next vCPU, before or while the guest runs, and return its number."""
        number = self._vcpus
        try:
            plug_vcpu(self.monitor, number)
        except NoRoomError as error:
            raise VirtualMachineError(str(error)) from error
        self._vcpus += 1
        return number

    def pause(self) -> None:
        """Stop the guest's vCPUs; their threads stay."""
        self.monitor.execute("stop")

    def unpause(self) -> None:
        """Let the guest go on."""
        self.monitor.execute("cont")

    def reset(self) -> None:
        """Press the reset button: the guest boots again, by the same threads."""
        self.monitor.execute("system_reset")

    def kill(self) -> None:
        """SIGKILL to QEMU alone, as the kernel's OOM killer would; the launcher ends after it."""
        self._kill(self.pid)

    def crash_launcher(self) -> None:
        """SIGKILL to the launcher; QEMU ends with it."""
        self._kill(self.launcher.pid)

    def stop(self) -> None:
        """End QEMU and launcher, and remove what they had on disk. Nothing happens if that has been done."""
        if self._launcher is not None:
            self._launcher.stop()
        self._clear()

    def _kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        self.launcher.wait()
        self._clear()

    def _start(self, before_plug: Callable[[int], object], *, incoming: bool) -> None:
        firmware = guest.with_shares(guest.firmware(user_cache() / "guest"), self.hardware.busy_percent)
        self.folder.mkdir(mode=0o700)
        (self.folder / "firmware.bin").write_bytes(firmware)
        (self.folder / "disk.img").write_bytes(bytes(DISK_BYTES))
        try:
            self._launcher = Launcher(self.pod, self._command(incoming=incoming), self.folder, self._identity)
            self._qmp = until("QEMU's monitor", self._connect, seconds=_START_SECONDS)
            while self._vcpus < self.hardware.vcpus:
                before_plug(self._vcpus)
                self.plug_vcpu()
        except (QmpError, GaveUpError) as error:
            log = self.launcher.log_tail()
            self.stop()
            raise VirtualMachineError(f"{self.pod.vmi_name} did not start: {error}\n{log}") from error
        except BaseException:
            self.stop()
            raise

    def _connect(self) -> Qmp | None:
        if self.launcher.ended:
            raise QmpError("QEMU ended")
        try:
            return Qmp(self.folder / "monitor")
        except OSError:
            return None

    def _command(self, *, incoming: bool) -> list[str]:
        program = shutil.which(QEMU)
        if program is None:
            raise VirtualMachineError(f"{QEMU} is missing: apt-get install qemu-system-x86")
        name = f"{self.pod.namespace}_{self.pod.vmi_name}"
        more = ("-incoming", "defer") if incoming else ()
        accel, hardware = self._accel or accelerator(), self.hardware
        return qemu_command(program, name, accel, hardware.most_vcpus, hardware.memory_mib, *more)

    def _clear(self) -> None:
        if self._qmp is not None:
            self._qmp.close()
        self._qmp = self._launcher = None
        shutil.rmtree(self.folder, ignore_errors=True)
