"""QEMU's command line and vCPU hotplug as libvirt gives them to a VM of KubeVirt v1.9."""

from lab.vms.qmp import Qmp

QEMU = "qemu-system-x86_64"
SOFTWARE = "tcg,thread=multi,tb-size=16"
"""`-accel` where there is no KVM: a thread for each vCPU, as with KVM."""


class NoRoomError(RuntimeError):
    """`maxcpus` is reached."""


def qemu_command(program: str, name: str, accel: str, most_vcpus: int, memory_mib: int, *more: str) -> list[str]:
    """A guest that is not started yet (`-S`) and has one vCPU; paths are relative to QEMU's folder.

    Args:
        program: of QEMU.
        name: of the domain, `<namespace>_<vmi>`.
        accel: value of `-accel`.
        most_vcpus: `maxcpus`.
        memory_mib: guest memory in MiB.
        more: options at the end.
    """
    return [
        program,
        *("-name", f"guest={name},debug-threads=on", "-S"),
        *("-no-user-config", "-nodefaults", "-display", "none", "-no-shutdown", "-bios", "firmware.bin"),
        *("-machine", "q35", "-accel", accel, "-m", f"{memory_mib}M"),
        *("-smp", f"1,maxcpus={most_vcpus},sockets={most_vcpus},dies=1,cores=1,threads=1"),
        *("-object", "iothread,id=iothread1"),
        *("-drive", "file=disk.img,format=raw,if=none,id=drive0,readonly=on"),
        *("-device", "virtio-blk-pci,drive=drive0,iothread=iothread1"),
        *("-chardev", "socket,id=charmonitor,path=monitor,server=on,wait=off"),
        *("-mon", "chardev=charmonitor,id=monitor,mode=control"),
        *more,
    ]


def plug_vcpu(monitor: Qmp, number: int) -> None:
    """Plug a vCPU, before or while the guest runs.

    Raises:
        NoRoomError: there is no free slot of that number.
    """
    slots = monitor.execute("query-hotpluggable-cpus")
    free = [slot for slot in slots if slot["props"]["socket-id"] == number and "qom-path" not in slot]
    if not free:
        raise NoRoomError(f"no room for vCPU {number}")
    # libvirt's ids; both sides of a migration must agree on them.
    monitor.execute("device_add", driver=free[0]["type"], id=f"vcpu{number}", **free[0]["props"])
