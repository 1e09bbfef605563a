"""A running Debian host: a QEMU that boots the disk, and commands in it."""

import os
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.debian_host.guest_agent import PORT, Done, GuestAgent, GuestAgentError
from lab.kernel.guest import COUNTERS, find_qemu
from lab.kernel.packages import Kernel
from lab.program_logs import LOGS
from lab.server_process import ServerProcess
from lab.wait import until

LUGGAGE = "/root/luggage"
"""Where the files are in the guest that `DebianHost` was given."""

_BOOT_SECONDS = 300
_COMMAND_SECONDS = 120
_MACHINE = (
    *("-nodefaults", "-no-user-config", "-display", "none", "-m", "1536M"),
    *("-accel", "tcg,thread=single"),
    *("-smp", "1"),  # CPUs that wait for each other take many times as long on a machine that has other work
    # As for lab.kernel's guests: with 0xB the highest CPUID leaf, that leaf's numbers are those of leaf 0xF. Of AMD,
    # as QEMU emulates AMD's virtualisation but not Intel's: so libvirt's domains here have KVM.
    *("-cpu", "EPYC,level=11"),
    *("-device", "virtio-serial"),
)
_KERNEL_WORDS = (
    "console=ttyS0 root=/dev/nvme0n1 rw quiet loglevel=4",
    "no_timer_check",  # on a loaded machine the emulated timer is late, and the kernel would panic
    "mitigations=off random.trust_cpu=on",  # they only take time here
    f"setcpuid={','.join(COUNTERS)}",
)
_UNPACK = f"udevadm wait /dev/vda && mkdir -p {LUGGAGE} && tar -C {LUGGAGE} -xf /dev/vda"
"""systemd counts as up while udev still loads the disk's driver."""


_PATIENT = "export SYSTEMD_BUS_TIMEOUT=900;"
"""Debian 12's systemctl waits 25 s for an answer, and an emulated host reloads its units longer."""


class CommandFailedError(Exception):
    """A command in the guest failed; the message is its output."""


class DebianHost:
    """A booted host; it ends with `stop`, and with this Python process at the latest. Its disk is lost then.

    Args:
        image: from `lab.debian_host.image`.
        kernel: what it boots.
        folder: an empty folder with a short name, as the paths of sockets must be short.
        files: what the guest has in LUGGAGE, by name.
        number: 1 or 2: its name is `kvm1` or `kvm2`, and each knows the other's address.
        peer: folder of the host at the other end of its network cable; None for no network.

    Attributes:
        name: of the host.
    """

    def __init__(
        self,
        image: Path,
        kernel: Kernel,
        folder: Path,
        files: Sequence[Path],
        *,
        number: int = 1,
        peer: Path | None = None,
    ) -> None:
        self.name = f"kvm{number}"
        self._console = folder / "console.log"
        LOGS.add(self._console)
        luggage = folder / "luggage.tar"
        _pack(files, luggage)
        self._agent = GuestAgent(folder / "agent")
        self._process = ServerProcess(
            [
                *(find_qemu(), *_MACHINE, "-kernel", kernel.image),
                *("-append", " ".join((*_KERNEL_WORDS, f"systemd.hostname={self.name}"))),
                *("-uuid", str(uuid.UUID(int=number))),  # by which libvirt knows a host
                *(_cable(folder, peer, number) if peer else ()),
                # the one kind of disk that Debian's kernel mounts without an initial file system
                *("-drive", f"if=none,id=root,format=raw,file={image},snapshot=on,cache=unsafe"),
                *("-device", "nvme,drive=root,serial=root"),
                *("-drive", f"if=none,id=luggage,format=raw,file={luggage},readonly=on"),
                *("-device", "virtio-blk-pci,drive=luggage"),
                *("-chardev", f"socket,path={folder}/agent,server=on,wait=off,id=agent"),
                *("-device", f"virtserialport,chardev=agent,name={PORT}"),
                *("-serial", f"file:{self._console}"),
            ],
            folder / "qemu.log",
            environment={**os.environ, "TMPDIR": str(folder)},  # for what the guest writes
        )

    def until_booted(self) -> None:
        """Wait until the host is up: systemd has nothing more to start.

        Raises:
            GaveUpError: it did not come up in time.
            RuntimeError: QEMU ended.
        """
        until("the guest agent of a Debian host", self._answers, seconds=_BOOT_SECONDS, poll_seconds=1)
        self.run("systemctl is-system-running --wait", seconds=_BOOT_SECONDS, codes=(0, 1))  # 1: a unit has failed
        self.run(f"[ -d {LUGGAGE} ] || {{ {_UNPACK}; }}")

    def run(self, script: str, *, seconds: float = _COMMAND_SECONDS, codes: Sequence[int] = (0,)) -> str:
        """Run a shell script as root, and return what it printed.

        Args:
            script: for /bin/sh.
            seconds: how long it may take on an idle machine.
            codes: exit codes that are no failure.

        Raises:
            CommandFailedError: it ended with another exit code.
        """
        done = self.try_(script, seconds=seconds)
        if done.code not in codes:
            raise CommandFailedError(f"{script!r} ended with {done.code}:\n{done.out}{done.err}")
        return done.out

    def try_(self, script: str, *, seconds: float = _COMMAND_SECONDS) -> Done:
        """Run a shell script as root, whatever its exit code."""
        return self._agent.run("/bin/sh", "-c", f"{_PATIENT} {script}", seconds=seconds)

    def connect(self) -> None:
        """Give its network card its address."""
        address = "$(getent hosts $(hostname) | cut -d' ' -f1)/24"
        card = "$(ls /sys/class/net | grep -v lo)"
        self.run(f"ip address add {address} dev {card} && ip link set {card} up")

    def reboot(self) -> None:
        """Reboot the guest as its admin does, and wait until it is up."""
        before = self._boot_id()
        self._agent.send("guest-shutdown", {"mode": "reboot"})
        until("a Debian host to reboot", lambda: self._rebooted(before), seconds=2 * _BOOT_SECONDS, poll_seconds=1)
        self.until_booted()

    def stop(self) -> None:
        """Pull the plug. Does nothing the second time."""
        self._agent.close()
        self._process.stop(5)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _answers(self) -> bool:
        if self._process.exit_status is not None:
            raise RuntimeError(f"QEMU ended: {self._process.log_tail()}")
        if "Kernel panic" in self._console.read_text(errors="replace"):
            raise RuntimeError("the guest's kernel panicked")
        return self._agent.answers()

    def _rebooted(self, before: str) -> bool:
        try:
            return self._answers() and self._boot_id() != before
        except (OSError, GuestAgentError):  # it went down in between
            return False

    def _boot_id(self) -> str:
        return self.run("cat /proc/sys/kernel/random/boot_id").strip()


def _cable(folder: Path, peer: Path, number: int) -> Sequence[str]:
    """QEMU's options for a network card and its cable: a datagram socket at each end."""
    ends = f"local.type=unix,local.path={folder}/cable,remote.type=unix,remote.path={peer}/cable"
    card = f"virtio-net-pci,netdev=cable,mac=52:54:00:00:00:{number:02x}"
    return ("-netdev", f"dgram,id=cable,{ends}", "-device", card)


def _pack(files: Sequence[Path], archive: Path) -> None:
    """Files as an archive without folders, which is read from the disk itself."""
    words = [word for path in files for word in ("-C", str(path.parent), path.name)]
    subprocess.run(["tar", "-cf", archive, "--owner=0", "--group=0", "--mode=a+r", *words], check=True)
