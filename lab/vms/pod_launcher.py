#!/usr/bin/python3
"""The first process of container `compute` in the lab's image of a virt-launcher; QEMU is its child.

    /usr/bin/virt-launcher-monitor --name VMI --uid UID --namespace NAMESPACE ...

It runs in a real pod, and needs nothing but Python and QEMU. What the guest gets is in the environment:
LAB_VCPUS (2), LAB_BUSY_PERCENT (4,1: a share of the time for each vCPU), LAB_MEMORY_MIB (32).
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

from lab.vms import guest
from lab.vms.qemu_command import QEMU, SOFTWARE, plug_vcpu, qemu_command
from lab.vms.qmp import Qmp
from lab.vms.virt_launcher import disguise
from lab.wait import until

_FIRMWARE = Path("/opt/cachemon/firmware.bin")
_FOLDER = Path("/var/run/kubevirt/sockets")  # a volume of the pod
_DISK_BYTES = 1024 * 1024
_SLOTS = 4  # maxSockets is 4 x sockets (KubeVirt v1.9)


def main() -> int:
    """Run QEMU until it ends, or until the kubelet asks for the end."""
    arguments = sys.argv[1:]
    given, _ = _parser().parse_known_args(arguments)
    qemu = _start(f"{given.namespace}_{given.name}")
    signal.signal(signal.SIGTERM, lambda *_: qemu.kill())
    launcher = os.fork()
    if not launcher:  # in a real pod this one holds libvirt; a QEMU that becomes a daemon is the monitor's child
        disguise(["/usr/bin/virt-launcher", *arguments], "virt-launcher")
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        threading.Event().wait()
    disguise(["/usr/bin/virt-launcher-monitor", *arguments])
    try:
        _let_run(qemu)
        return 0 if qemu.wait() == -signal.SIGKILL else 1
    finally:
        qemu.kill()
        os.kill(launcher, signal.SIGKILL)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    for name in ("--name", "--uid", "--namespace"):
        parser.add_argument(name, required=True)
    return parser


def _start(name: str) -> "subprocess.Popen[bytes]":
    program = shutil.which(QEMU)
    if program is None:
        raise SystemExit(f"{QEMU} is missing")
    shares = [int(share) for share in os.environ.get("LAB_BUSY_PERCENT", "4,1").split(",")]
    (_FOLDER / "firmware.bin").write_bytes(guest.with_shares(_FIRMWARE.read_bytes(), shares))
    (_FOLDER / "disk.img").write_bytes(bytes(_DISK_BYTES))
    memory = int(os.environ.get("LAB_MEMORY_MIB", "32"))
    command = qemu_command(program, name, SOFTWARE, _vcpus() * _SLOTS, memory)
    return subprocess.Popen(command, cwd=_FOLDER, stdin=subprocess.DEVNULL)


def _let_run(qemu: "subprocess.Popen[bytes]") -> None:
    def connect() -> Qmp | None:
        if qemu.poll() is not None:
            raise SystemExit(f"QEMU ended with status {qemu.returncode}")
        try:
            return Qmp(_FOLDER / "monitor")
        except OSError:
            return None

    monitor = until("QEMU's monitor", connect)
    for number in range(1, _vcpus()):
        plug_vcpu(monitor, number)
    monitor.execute("cont")
    monitor.close()


def _vcpus() -> int:
    return int(os.environ.get("LAB_VCPUS", "2"))


if __name__ == "__main__":
    sys.exit(main())
