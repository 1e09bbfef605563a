"""Domains that keep their vCPUs busy: the lab's firmware, started by libvirt."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.program_cache import user_cache
from lab.vms import guest
from lab.vms.qemu_command import QEMU
from lab.vms.vm import accelerator


def has_kvm() -> bool:
    """Whether QEMU can have KVM here; libvirt has `<cachetune>` and `<memorytune>` for such domains only."""
    return accelerator() == "kvm"


@dataclass(frozen=True, slots=True)
class GuestDomain:
    """A domain to be defined.

    Attributes:
        name: of the domain.
        vcpus: at its start.
        most_vcpus: how many can be plugged in all.
        busy_percent: share of the time that each vCPU computes, by number.
        kvm: False for software emulation.
        cputune: `<cachetune>`s and the like.
        metadata: elements in `<metadata>`.
        memory_mib: of the guest.
        machine: q35, or pc: i440fx.
    """

    name: str
    vcpus: int = 2
    most_vcpus: int = 4
    busy_percent: Sequence[int] = (4, 2)
    kvm: bool = False
    cputune: str = ""
    metadata: str = ""
    memory_mib: int = 32
    machine: str = "q35"

    def xml(self, firmware: Path, uuid_: str | None = None) -> str:
        """What `virsh define` takes.

        Args:
            firmware: what `write_firmware` wrote.
            uuid_: of the domain; a new one if there is none.
        """
        return f"""<domain type='{"kvm" if self.kvm else "qemu"}'>
  <name>{self.name}</name>
  <uuid>{uuid_ or uuid.uuid4()}</uuid>
  <metadata>{self.metadata}</metadata>
  <memory unit='MiB'>{self.memory_mib}</memory>
  <vcpu current='{self.vcpus}'>{self.most_vcpus}</vcpu>
  <iothreads>1</iothreads>
  <cputune>{self.cputune}</cputune>
  <os>
    <type arch='x86_64' machine='{self.machine}'>hvm</type>
    <loader readonly='yes' type='rom'>{firmware}</loader>
  </os>
  <features><acpi/><apic/></features>
  <on_reboot>restart</on_reboot>
  <devices>
    <emulator>/usr/bin/{QEMU}</emulator>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
  </devices>
</domain>
"""

    def write_firmware(self, folder: Path) -> Path:
        """The firmware of this domain, in a folder."""
        path = folder / f"{self.name}.bin"
        path.write_bytes(guest.with_shares(guest.firmware(user_cache() / "guest"), self.busy_percent))
        return path
