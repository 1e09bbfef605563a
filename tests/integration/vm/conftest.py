import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias
from uuid import uuid4

import pytest

from lab.vms.launcher import Identity, Pod
from lab.vms.qemu_command import QEMU
from lab.vms.vm import Hardware, VirtualMachine

MakeVm: TypeAlias = Callable[..., VirtualMachine]


@pytest.fixture
def programs() -> None:
    """Skips the test where a program is missing that real VMs need."""
    for program, package in ((QEMU, "qemu-system-x86"), ("as", "binutils"), ("ld", "binutils")):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is missing: apt-get install {package}")


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cachemon-test-vm-") as path:
        yield Path(path)


@pytest.fixture
def make_vm(folder: Path, programs: None) -> Iterator[MakeVm]:  # noqa: ARG001
    """Make VMs that end with the test; one VMI, a new pod for each call."""
    vmi_uid = str(uuid4())
    with ExitStack() as stack:

        def make(
            hardware: Hardware | None = None, *, identity: Identity | None = None, accel: str | None = None
        ) -> VirtualMachine:
            pod = Pod(uid=str(uuid4()), namespace="tenant-a", vmi_name="vm1", vmi_uid=vmi_uid)
            vm = VirtualMachine(pod, hardware or Hardware(), folder, identity=identity, accel=accel)
            return stack.enter_context(vm)

        yield make
