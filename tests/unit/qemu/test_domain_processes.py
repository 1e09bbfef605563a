from pathlib import Path

import pytest

from cachemon.qemu.discovery import QemuFinder
from cachemon.qemu.domain_processes import DomainProcesses, Run
from tests.unit.qemu.fake_proc import FakeProc

UUID = "c7a5fdbd-edaf-9455-926a-d65c16db1809"
OTHER = "08ff2263-5cf1-49f7-b3e7-80b6e0840fd5"


class Host:
    """A /proc and a state directory of libvirt's, as tests write them."""

    def __init__(self, folder: Path) -> None:
        self.proc = FakeProc(folder)
        self.state = folder / "libvirt"
        self.state.mkdir()
        self.now = 1000.0
        self.domains = DomainProcesses(self.proc.root, self.state)
        self.finder = QemuFinder(self.proc.root, self.domains, clock=lambda: self.now)

    def qemu(
        self, pid: int, uuid: str = UUID, name: str = "vm1", start_time: int = 100,
        program: str = "/usr/bin/qemu-system-x86_64",
    ) -> None:  # fmt: skip
        argv = [program, "-name", f"guest={name},debug-threads=on", "-S", "-uuid", uuid]
        self.proc.process(pid, program.rpartition("/")[2][:15], argv, start_time=start_time)

    def pid_file(self, text: object, name: str = "vm1") -> None:
        (self.state / f"{name}.pid").write_text(str(text))

    def pids(self, uuid: str = UUID) -> list[int]:
        return [qemu.pid for qemu in self.finder.find({uuid: "vm1"})[uuid]]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_a_qemu_is_the_domains_whose_pid_file_names_it(host: Host) -> None:
    host.qemu(60)
    host.pid_file("60")
    host.proc.thread(60, 62, "CPU 0/KVM")
    (qemu,) = host.finder.find({UUID: "vm1"})[UUID]
    assert (qemu.pid, qemu.owner_uid, qemu.guest_name, len(qemu.threads)) == (60, UUID, "vm1", 2)


@pytest.mark.parametrize(
    "program", ["/usr/bin/kvm", "/usr/bin/kvm-spice", "/nix/x/.qemu-system-x86_64-wrapped", "vm"]
)
def test_a_qemu_is_found_whatever_its_emulator_is_called(host: Host, program: str) -> None:
    host.qemu(60, program=program)
    host.pid_file("60")
    host.proc.thread(60, 62, "CPU 0/KVM")
    (qemu,) = host.finder.find({UUID: "vm1"})[UUID]
    assert [thread.vcpu for thread in qemu.threads] == [None, 0]


def test_a_process_that_claims_a_domains_uuid_and_name_gets_nothing(host: Host) -> None:
    host.qemu(60)
    host.qemu(70)
    host.pid_file("60\n")
    assert host.pids() == [60]
    host.proc.bury("60")
    assert host.pids() == []


def test_a_domain_can_not_claim_anothers_uuid_nor_name(host: Host) -> None:
    host.qemu(60)
    host.pid_file("60")
    host.qemu(70, uuid=UUID, name="vm2")
    host.pid_file("70", "vm2")
    assert host.pids() == [60]
    assert host.finder.find({UUID: "vm2"}) == {UUID: (host.finder._processes[70].qemu,)}, "libvirt gives it its name"
    host.proc.bury("60")
    assert host.pids() == []


@pytest.mark.parametrize("text", ["", "x", "-60", "60 61", "6" * 100])
def test_a_pid_file_that_says_nothing_is_nobodys(host: Host, text: str) -> None:
    host.qemu(60)
    host.pid_file(text)
    assert host.pids() == []


@pytest.mark.parametrize("name", ["../libvirt/vm1", "", "no such", "a" * 300])
def test_a_name_that_leads_elsewhere_is_no_domains(host: Host, name: str) -> None:
    host.qemu(60, name=name)
    host.pid_file("60")
    assert host.pids() == []


def test_a_pid_file_that_comes_late_is_seen_while_the_process_is_young(host: Host) -> None:
    host.qemu(60)
    assert host.pids() == []
    host.pid_file("60")
    host.now += 0.1
    assert host.pids() == [60]


def test_a_restarted_domain_is_its_new_process(host: Host) -> None:
    host.qemu(60)
    host.pid_file("60")
    assert host.pids() == [60]
    host.proc.bury("60")
    host.qemu(80)
    host.pid_file("80")
    assert host.pids() == [80]
    assert host.pids(OTHER) == []


def test_a_run_is_the_process_of_the_pid_file_and_goes_on_as_long_as_that_is_there(host: Host) -> None:
    assert host.domains.runs_of({UUID: "vm1"}) == {}
    host.qemu(60, start_time=4242)
    host.pid_file("60")
    run = Run(60, 4242)
    assert host.domains.runs_of({UUID: "vm1"}) == {UUID: run}
    assert host.domains.goes_on(run)
    host.proc.bury("60")
    assert not host.domains.goes_on(run)
    assert host.domains.runs_of({UUID: "vm1"}) == {}


def test_a_reused_pid_is_no_run_of_the_domain(host: Host) -> None:
    host.qemu(60, start_time=4242)
    host.pid_file("60")
    host.proc.bury("60")
    host.qemu(60, uuid=OTHER, name="vm2", start_time=9999)
    assert host.domains.runs_of({UUID: "vm1"}) == {}
    assert not host.domains.goes_on(Run(60, 4242))


def test_a_zombie_runs_nothing(host: Host) -> None:
    host.qemu(60, start_time=4242)
    host.pid_file("60")
    host.proc.stat(host.proc.root / "60", 60, "qemu-system-x86", 4242, state="Z")
    assert host.domains.runs_of({UUID: "vm1"}) == {}
    assert not host.domains.goes_on(Run(60, 4242))
