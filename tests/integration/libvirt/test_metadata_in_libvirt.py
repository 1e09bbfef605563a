"""Groups in a domain's metadata, through all that can be done with a domain: by the real libvirtd and QEMU."""

import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cachemon.libvirt.metadata import KEY, NAMESPACE, read_metadata, render_metadata
from cachemon.model.groups import MonitoringGroup
from cachemon.model.threads import ThreadClass
from cachemon.model.vcpus import VcpuSet
from lab.libvirt.guest_domain import GuestDomain
from lab.libvirt.libvirt_host import LibvirtHost, VirshError
from lab.libvirt.programs import Programs

WEB = MonitoringGroup("web", VcpuSet.of({0, 1}), all_vcpus=False, threads=frozenset())
IO = MonitoringGroup("io", None, all_vcpus=False, threads=frozenset({ThreadClass.IO_THREAD, ThreadClass.EMULATOR}))
LATER = MonitoringGroup("later", VcpuSet.of({1}), all_vcpus=False, threads=frozenset())
BY_HAND = f"""\
<cachemon:groups xmlns:cachemon="{NAMESPACE}">
  <cachemon:resmongroup id="web" vcpus="0-1"/>
  <cachemon:resmongroup id="io" threads="IOThread,Emulator"/>
</cachemon:groups>"""


def keep(host: LibvirtHost, groups: list[MonitoringGroup], *flags: str) -> None:
    host.virsh("metadata", "vm1", "--uri", NAMESPACE, "--key", KEY, "--set", render_metadata(groups), *flags)


def live(host: LibvirtHost) -> tuple[MonitoringGroup, ...]:
    return read_metadata(host.virsh("dumpxml", "vm1").encode())


def config(host: LibvirtHost) -> tuple[MonitoringGroup, ...]:
    return read_metadata(host.virsh("dumpxml", "vm1", "--inactive").encode())


@pytest.fixture
def vm(host: LibvirtHost) -> LibvirtHost:
    """A host with the running domain vm1, which has two groups, by hand as the documentation shows them."""
    host.define(GuestDomain("vm1", metadata=BY_HAND))
    host.start("vm1")
    assert live(host) == config(host) == (WEB, IO)
    return host


def editor(folder: Path, command: str) -> str:
    """A program for $EDITOR that runs sed on the file."""
    path = folder / "editor"
    path.write_text(f'#!/bin/sh\nexec sed -i -e "{command}" "$1"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_virsh_edit_of_something_else_keeps_them(vm: LibvirtHost, tmp_path: Path) -> None:
    vm.virsh("edit", "vm1", EDITOR=editor(tmp_path, "s|<uuid>|<title>edited</title><uuid>|"))
    assert "edited" in vm.virsh("dumpxml", "vm1", "--inactive")
    assert (live(vm), config(vm)) == ((WEB, IO), (WEB, IO))


def test_virsh_edit_of_them_counts_from_the_next_start(vm: LibvirtHost, tmp_path: Path) -> None:
    vm.virsh("edit", "vm1", EDITOR=editor(tmp_path, "/id=.io./d; s/id=.web. vcpus=.0-1./id='later' vcpus='1'/"))
    assert (live(vm), config(vm)) == ((WEB, IO), (LATER,))
    vm.destroy("vm1")
    vm.start("vm1")
    assert live(vm) == (LATER,)


def test_dumpxml_and_define_keep_them(vm: LibvirtHost) -> None:
    vm.define(vm.virsh("dumpxml", "vm1", "--inactive"))
    assert (live(vm), config(vm)) == ((WEB, IO), (WEB, IO))


def test_a_definition_without_them_takes_them_from_the_next_start_only(vm: LibvirtHost) -> None:
    bare = vm.virsh("dumpxml", "vm1", "--inactive")
    start, end = bare.index("<metadata>"), bare.index("</metadata>") + len("</metadata>")
    vm.define(bare[:start] + bare[end:])
    assert (live(vm), config(vm)) == ((WEB, IO), ())


def test_a_domain_that_is_undefined_while_it_runs_keeps_them_until_it_ends(vm: LibvirtHost) -> None:
    vm.virsh("undefine", "vm1")
    assert live(vm) == (WEB, IO)


def save_and_restore(host: LibvirtHost) -> None:
    image = host.folder / "images/saved"
    host.virsh("save", "vm1", str(image))
    host.virsh("restore", str(image))


def save_and_start(host: LibvirtHost) -> None:
    host.virsh("managedsave", "vm1")
    host.start("vm1")


@pytest.mark.parametrize("way", [save_and_restore, save_and_start])
def test_a_saved_domain_comes_back_with_those_it_had_and_not_with_those_written_since(
    vm: LibvirtHost, way: Callable[[LibvirtHost], None]
) -> None:
    keep(vm, [LATER], "--config")
    way(vm)
    assert (live(vm), config(vm)) == ((WEB, IO), (LATER,))


def test_a_start_takes_those_of_the_configuration(vm: LibvirtHost) -> None:
    keep(vm, [LATER], "--config")
    vm.destroy("vm1")
    vm.start("vm1")
    assert live(vm) == (LATER,)


def test_those_of_the_running_domain_end_with_it(vm: LibvirtHost) -> None:
    keep(vm, [LATER], "--live")
    assert (live(vm), config(vm)) == ((LATER,), (WEB, IO))
    vm.destroy("vm1")
    vm.start("vm1")
    assert live(vm) == (WEB, IO)


def test_a_reboot_of_the_guest_and_a_restart_of_the_daemon_keep_them(vm: LibvirtHost) -> None:
    keep(vm, [LATER], "--live")
    vm.virsh("reset", "vm1")
    vm.restart_daemon()
    assert (live(vm), config(vm)) == ((LATER,), (WEB, IO))


def test_another_name_keeps_them(vm: LibvirtHost) -> None:
    vm.destroy("vm1")
    vm.virsh("domrename", "vm1", "vm2")
    assert read_metadata(vm.virsh("dumpxml", "vm2").encode()) == (WEB, IO)


@pytest.fixture(scope="module")
def other_host(programs: Programs) -> Iterator[LibvirtHost]:
    """Where domains migrate to."""
    with LibvirtHost(programs, name="host2") as host:
        yield host


@pytest.fixture
def target(other_host: LibvirtHost) -> Iterator[LibvirtHost]:
    """The same, with no domain after the test."""
    yield other_host
    other_host.clear()


@pytest.mark.parametrize("flags", [(), ("--p2p",)], ids=["direct", "p2p"])
def test_a_migrated_domain_brings_those_in_force(
    vm: LibvirtHost, target: LibvirtHost, flags: tuple[str, ...]
) -> None:
    keep(vm, [LATER], "--live")
    uuid = vm.uuid_of("vm1")
    vm.migrate("vm1", target, *flags)
    assert target.virsh("domstate", "vm1") == "running"
    assert (target.uuid_of("vm1"), live(target)) == (uuid, (LATER,))
    assert "vm1" not in target.virsh("list", "--all", "--persistent", "--name").split()
    assert (vm.virsh("domstate", "vm1"), config(vm)) == ("shut off", (WEB, IO))


def test_a_domain_that_migrates_for_good_brings_its_configuration_too(vm: LibvirtHost, target: LibvirtHost) -> None:
    keep(vm, [LATER], "--config")
    vm.migrate("vm1", target, "--persistent", "--undefinesource")
    assert (live(target), config(target)) == ((WEB, IO), (LATER,))
    with pytest.raises(VirshError, match="failed to get domain"):
        vm.uuid_of("vm1")
    target.destroy("vm1")
    target.start("vm1")
    assert live(target) == (LATER,)


def test_a_domain_that_comes_back_has_them_still(vm: LibvirtHost, target: LibvirtHost) -> None:
    vm.migrate("vm1", target)
    target.migrate("vm1", vm)
    assert (live(vm), config(vm)) == ((WEB, IO), (WEB, IO))
