"""All that can become of a domain while the agent watches: real libvirtd, real QEMUs, the agent as a process."""

import pytest

pytest.importorskip("libvirt", reason="libvirt-python is not installed; make setup-host installs it")

from cachemon.model.groups import parse_group
from lab.libvirt.guest_domain import GuestDomain
from lab.libvirt.libvirt_host import LibvirtHost
from lab.wait import Deadline, until
from tests.integration.host.scene import Scene, metadata

ALL = metadata('id="all" vcpus="all"', 'id="first" vcpus="0"')
LIVE = parse_group({"name": "second", "vcpus": "1"})
REGISTERS = {"q35": 0xCD8, "pc": 0xAF00}
"""Where each machine has those of CPU hotplug."""

LATE_SECONDS = 5
"""Generous: `make bench` measures that it is 0.25 s at most in 99 of 100 starts."""


def both_vcpus(scene: Scene, domain: str) -> tuple[frozenset[int], frozenset[int]]:
    return scene.tids(domain, 0), scene.tids(domain, 1)


def test_a_guest_is_monitored_soon_after_it_begins_to_run(scene: Scene) -> None:
    scene.host.define(GuestDomain("vm1", vcpus=4, metadata=ALL))
    for _ in range(5):
        scene.host.start("vm1")
        limit = Deadline(LATE_SECONDS)
        scene.until_held(scene.tids("vm1", 0), scene.tids("vm1", 1, 2, 3))
        assert not limit.is_over
        scene.host.destroy("vm1")
    scene.until_held()


def test_a_domain_that_is_destroyed_or_shut_down_leaves_nothing_and_comes_back(scene: Scene) -> None:
    scene.start(GuestDomain("vm1", metadata=ALL))
    for end in ("destroy", "destroy --graceful"):
        scene.until_held(*both_vcpus(scene, "vm1"))
        scene.add_live("vm1", LIVE)
        assert scene.until_monitored("vm1", "second").kept == "live"
        scene.host.virsh(*end.split(), "vm1")
        scene.until_held()
        scene.until_reported()
        scene.host.start("vm1")
        scene.until_monitored("vm1", "all")
        assert scene.agent.group("vm1", "second") is None, "a --live group ends with the run"
    scene.compare()


@pytest.mark.parametrize("again", ["reset", "reboot"])
def test_a_guest_that_begins_anew_keeps_its_groups_and_its_figures_go_on(scene: Scene, again: str) -> None:
    scene.start(GuestDomain("vm1", metadata=ALL))
    scene.add_live("vm1", LIVE)
    scene.until_monitored("vm1", "second")
    inodes, before = scene.inodes(), scene.compare()
    scene.host.virsh(again, "vm1")
    scene.until_monitored("vm1", "second")
    assert scene.inodes() == inodes
    scene.until_grown(before)


def test_a_qemu_that_is_killed_leaves_nothing_and_the_next_run_is_another(scene: Scene) -> None:
    scene.start(GuestDomain("vm1", metadata=ALL))
    scene.add_live("vm1", LIVE)
    scene.until_monitored("vm1", "second")
    scene.host.kill_qemu("vm1")
    scene.until_held()
    until("libvirt to see it", lambda: scene.host.virsh("domstate", "vm1") == "shut off")
    scene.host.start("vm1")
    scene.until_monitored("vm1", "first")
    assert scene.agent.group("vm1", "second") is None


def test_a_paused_guest_keeps_its_groups_and_holds_what_it_holds(scene: Scene) -> None:
    scene.start(GuestDomain("vm1", metadata=ALL))
    scene.until_monitored("vm1", "all")
    inodes = scene.inodes()
    scene.host.virsh("suspend", "vm1")
    scene.compare()
    scene.host.virsh("resume", "vm1")
    before = scene.compare()
    scene.until_grown(before)
    assert scene.inodes() == inodes


def test_a_domain_that_is_started_paused_is_monitored_before_its_first_instruction(scene: Scene) -> None:
    scene.host.define(GuestDomain("vm1", metadata=ALL))
    scene.host.virsh("start", "vm1", "--paused")
    scene.until_held(*both_vcpus(scene, "vm1"))
    scene.until_monitored("vm1", "all")
    before = scene.compare()
    scene.host.virsh("resume", "vm1")
    scene.until_grown(before)


@pytest.mark.parametrize(("machine", "kvm"), [("q35", False), ("q35", True), ("pc", True)])
def test_vcpus_are_plugged_and_unplugged(
    scene: Scene, request: pytest.FixtureRequest, machine: str, *, kvm: bool
) -> None:
    if kvm:
        request.getfixturevalue("kvm")
    groups = metadata('id="all" vcpus="all"', 'id="late" vcpus="2-3"')
    scene.start(GuestDomain("vm1", kvm=kvm, machine=machine, metadata=groups))
    scene.until_monitored("vm1", "all", (0, 1))
    late = scene.agent.group("vm1", "late")
    assert late is not None
    assert (late.state, late.reason, late.vcpus) == ("Degraded", "VCPUsNotInVM", ())
    scene.host.virsh("setvcpus", "vm1", "4", "--live")
    scene.until_held(scene.tids("vm1", 0, 1), scene.tids("vm1", 2, 3))
    scene.until_monitored("vm1", "late", (2, 3))
    scene.until_monitored("vm1", "all", (0, 1, 2, 3))
    scene.compare()
    eject(scene.host, "vm1", 3, REGISTERS[machine])
    scene.until_held(scene.tids("vm1", 0, 1), scene.tids("vm1", 2))
    until("the group to lack a vCPU", lambda: (report := scene.agent.group("vm1", "late")) and report.vcpus == (2,))
    eject(scene.host, "vm1", 2, REGISTERS[machine])
    scene.until_held(scene.tids("vm1", 0, 1))
    scene.until_monitored("vm1", "all", (0, 1))


def eject(host: LibvirtHost, domain: str, vcpu: int, registers: int) -> None:
    """What the guest's operating system does to be rid of a vCPU (QEMU: docs/specs/acpi_cpu_hotplug.rst)."""
    select, control = f"{registers:#x}", f"{registers + 4:#x}"
    for write in (f"/b {select} 0", f"/w {select} {vcpu}", f"/b {control} 8"):  # switch to these registers first
        host.virsh("qemu-monitor-command", domain, "--hmp", f"o {write}")


def test_what_is_restored_or_comes_back_from_a_managed_save_has_the_groups_of_its_metadata(scene: Scene) -> None:
    scene.start(GuestDomain("vm1", metadata=ALL))
    scene.add_live("vm1", LIVE)
    scene.until_monitored("vm1", "second")
    file = str(scene.host.folder / "saved")
    for save, back in ((("save", "vm1", file), ("restore", file)), (("managedsave", "vm1"), ("start", "vm1"))):
        scene.host.virsh(*save)
        scene.until_held()
        scene.until_reported()
        scene.host.virsh(*back)
        scene.until_held(*both_vcpus(scene, "vm1"))
        assert scene.until_monitored("vm1", "all").kept == "config"
        assert scene.agent.group("vm1", "second") is None
        scene.compare()


def test_a_domain_that_is_undefined_while_it_runs_is_monitored_until_its_end(scene: Scene) -> None:
    scene.start(GuestDomain("vm1", metadata=ALL))
    scene.until_monitored("vm1", "all")
    inodes = scene.inodes()
    scene.host.virsh("undefine", "vm1")
    scene.add_live("vm1", LIVE)
    scene.until_monitored("vm1", "second")
    assert inodes.items() & scene.inodes().items(), "the group of vCPU 0 is not made anew"
    scene.compare()
    scene.host.destroy("vm1")
    scene.until_held()
    scene.until_reported()


def test_a_transient_domain_is_like_any_other(scene: Scene) -> None:
    scene.host.create(GuestDomain("vm1", metadata=ALL))
    scene.add_live("vm1", LIVE)
    scene.until_monitored("vm1", "second")
    scene.until_held(*both_vcpus(scene, "vm1"))
    scene.compare()
    scene.host.destroy("vm1")
    scene.until_held()
    scene.host.create(GuestDomain("vm1", metadata=ALL))
    scene.until_monitored("vm1", "first")
    assert scene.agent.group("vm1", "second") is None


def test_a_domain_is_known_by_its_new_name_and_a_new_domain_by_its_old(scene: Scene) -> None:
    scene.start(GuestDomain("vm1", metadata=ALL))
    scene.until_monitored("vm1", "all")
    scene.host.destroy("vm1")
    scene.host.virsh("domrename", "vm1", "vm2")
    scene.host.start("vm2")
    scene.until_monitored("vm2", "all")
    scene.start(GuestDomain("vm1"))
    scene.until_reported("vm1", "vm2")
    assert scene.agent.group("vm1", "all") is None
    scene.until_held(*both_vcpus(scene, "vm2"))
    scene.compare()


def test_domains_that_come_and_go_at_once_leave_nothing(scene: Scene) -> None:
    names = [f"vm{number}" for number in range(4)]
    for name in names:
        scene.host.define(GuestDomain(name, metadata=ALL))
    for name in names:
        scene.host.start(name)
    scene.until_held(*(held for name in names for held in both_vcpus(scene, name)))
    for name in names:
        scene.until_monitored(name, "all")
    scene.compare()
    for name in names[:2]:
        scene.host.destroy(name)
    for name in names[2:]:
        scene.host.kill_qemu(name)
    scene.until_held()
    scene.until_reported()


def test_groups_of_the_metadata_are_edited_while_the_domain_runs(scene: Scene) -> None:
    scene.start(GuestDomain("vm1", metadata=ALL))
    scene.until_monitored("vm1", "all")

    def edit(*groups: str) -> None:
        inside = "".join(f"<resmongroup {attributes}/>" for attributes in groups)
        element = ("--key", "cachemon", "--set", f"<groups>{inside}</groups>")
        scene.host.virsh("metadata", "vm1", "https://cachemon.dev/xmlns/libvirt/1.0", "--live", *element)

    edit('id="odd" vcpus="x"')
    assert "'odd'" in scene.until_problem("vm1")
    scene.until_held()
    edit('id="both" vcpus="0-1"', 'id="first" vcpus="0"')
    scene.until_held(*both_vcpus(scene, "vm1"))
    scene.until_monitored("vm1", "both", (0, 1))
    assert scene.agent.group("vm1", "all") is None
    scene.compare()
