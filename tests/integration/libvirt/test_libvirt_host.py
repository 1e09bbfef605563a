"""The lab's libvirt host: a real libvirtd, real QEMU, resctrl at /sys/fs/resctrl."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab.emulator import Emulator
from lab.libvirt.guest_domain import GuestDomain
from lab.libvirt.keeper import processes_of
from lab.libvirt.libvirt_host import LibvirtHost, VirshError
from lab.wait import until

MONITORS = (
    "<cachetune vcpus='0-1'><monitor level='3' vcpus='0'/></cachetune>"
    "<memorytune vcpus='0-1'><monitor vcpus='0'/><monitor vcpus='1'/></memorytune>"
)


def mon_groups(resctrl: Emulator) -> dict[str, set[int]]:
    """Name and TIDs of each."""
    return {
        folder.name: {int(tid) for tid in (folder / "tasks").read_text().split()}
        for folder in (resctrl.mountpoint / "mon_groups").iterdir()
    }


def test_a_domain_is_a_qemu_whose_threads_are_named_as_those_of_kubevirt(host: LibvirtHost) -> None:
    host.define(GuestDomain("vm1", vcpus=2))
    host.start("vm1")
    assert {"CPU 0/TCG", "CPU 1/TCG", "IO iothread1"} <= set(host.threads_of("vm1"))
    arguments = Path(f"/proc/{host.pid_of('vm1')}/cmdline").read_bytes().split(b"\0")
    assert b"guest=vm1,debug-threads=on" in arguments
    assert arguments[arguments.index(b"-uuid") + 1].decode() == host.uuid_of("vm1")


def test_domains_outlive_the_daemon_and_are_taken_up_by_the_next(host: LibvirtHost) -> None:
    host.define(GuestDomain("vm1"))
    host.start("vm1")
    pid = host.pid_of("vm1")
    for end in (host.stop_daemon, host.kill_daemon):
        end()
        with pytest.raises(VirshError):
            host.virsh("list")
        host.start_daemon()
        assert host.virsh("domstate", "vm1") == "running"
        assert host.pid_of("vm1") == pid


def test_nothing_of_the_host_stands_in_the_directories_of_this_machine(host: LibvirtHost) -> None:
    host.define(GuestDomain("vm1"))
    host.start("vm1")
    assert not Path("/run/libvirt/qemu/vm1.pid").exists()
    assert not Path("/etc/libvirt/qemu/vm1.xml").exists()


@pytest.mark.usefixtures("kvm")
def test_libvirts_own_monitors_are_mon_groups_and_in_domstats(host: LibvirtHost, resctrl: Emulator) -> None:
    host.define(GuestDomain("vm1", kvm=True, cputune=MONITORS))
    host.start("vm1")
    threads = host.threads_of("vm1")
    found = mon_groups(resctrl)
    id_ = host.virsh("domid", "vm1")
    assert found == {
        f"qemu-{id_}-vm1-vcpus_0": {threads["CPU 0/KVM"]},
        f"qemu-{id_}-vm1-vcpus_1": {threads["CPU 1/KVM"]},
    }
    stats = host.virsh("domstats", "--cpu-total", "--memory", "vm1")
    assert "cpu.cache.monitor.0.name=vcpus_0" in stats
    assert "memory.bandwidth.monitor.count=2" in stats
    host.destroy("vm1")
    assert mon_groups(resctrl) == {}


def test_libvirt_has_no_monitors_for_domains_without_kvm(host: LibvirtHost) -> None:
    """So a thread id that libvirt does not know under TCG (it drops those of vCPUs) is missed by nobody."""
    with pytest.raises(VirshError, match="cachetune is only supported for KVM domains"):
        host.define(GuestDomain("vm1", cputune=MONITORS))


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize("signal_", [signal.SIGKILL, signal.SIGINT])
def test_no_daemon_no_qemu_and_no_folder_outlive_the_program_that_made_the_host(
    signal_: signal.Signals,
) -> None:
    program = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs have it ignored
from lab.libvirt.guest_domain import GuestDomain
from lab.libvirt.libvirt_host import LibvirtHost
from lab.libvirt.programs import find_or_fetch
with LibvirtHost(find_or_fetch()) as host:
    host.create(GuestDomain("vm1"))
    print(host.folder, host.pid_of("vm1"), host.daemon.pid, flush=True)
    input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as running:
        assert running.stdout is not None
        folder, *pids = running.stdout.readline().decode().split()
        assert set(map(int, pids)) <= set(processes_of(Path(folder).name))
        running.send_signal(signal_)
    until("the host's processes to be gone", lambda: not processes_of(Path(folder).name))
    until("the host's folder to be gone", lambda: not Path(folder).exists())


def test_a_domain_that_ends_leaves_no_zombie_that_libvirt_would_wait_for(host: LibvirtHost) -> None:
    host.create(GuestDomain("vm1"))
    pid = host.pid_of("vm1")
    host.destroy("vm1")
    assert not Path(f"/proc/{pid}").exists()
