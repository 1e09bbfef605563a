"""`make demo-host`: the main job on a plain libvirt host, with a real libvirtd, real domains and the real agent."""

import re
import sys
import sysconfig
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from cachemon.host.wire import HostReport
from cachemon.model.group_reports import GroupReport
from demo.stage import MissingError, check_machine, has_the_machine, perform, stay_up
from demo.story import Story
from lab.books import Traffic, booked_occupancy
from lab.libvirt.guest_domain import GuestDomain, has_kvm
from lab.libvirt.plain_host import PlainHost
from lab.libvirt.programs import LibvirtMissingError, Programs, find_or_fetch

TARGET = "demo-host"
MONITORS = (
    "<cachetune vcpus='0-1'><monitor level='3' vcpus='0'/></cachetune>"
    "<memorytune vcpus='0-1'><monitor vcpus='0'/></memorytune>"
)


class HostDemo:
    """The running demo: a host, and the story about it."""

    def __init__(self, host: PlainHost, story: Story) -> None:
        self._host = host
        self._story = story

    def play(self) -> None:
        """All steps, in order."""
        self._a_host()
        self._the_rfcs_command()
        self._overlap()
        self._config()
        self._libvirts_own()
        self._agent_killed()
        self._libvirtd_restarted()
        self._destroyed()

    def _a_host(self) -> None:
        how = "KVM" if has_kvm() else "software emulation"
        self._story.step(
            f"A libvirt host: libvirtd, two domains ({how}), resctrl with two cache blocks, and the agent"
        )
        for domain in (
            GuestDomain("vm1", vcpus=4, most_vcpus=4, busy_percent=(2, 8, 1, 2), kvm=has_kvm()),
            GuestDomain("vm2", vcpus=2, most_vcpus=4, busy_percent=(4, 1), kvm=has_kvm()),
        ):
            self._host.libvirt.define(domain)
            self._type(f"virsh start {domain.name}")
        self._start_agent()
        self._type("virsh list")

    def _the_rfcs_command(self) -> None:
        self._story.step(
            "The RFC's command: a group of vm1's vCPUs, made while it runs; its figures under two kinds of keys"
        )
        self._type("cachemon host cpu-resource vm1")
        self._type("cachemon host cpu-resource vm1 --create --vcpulist 0-1 --live")
        self._wait_monitored("vm1", "vcpus_0-1")
        self._type("cachemon host cpu-resource vm1")
        self._type("cachemon host domstats vm1")
        self._type("cachemon host domstats vm1 --format libvirt")

    def _overlap(self) -> None:
        self._story.step("Groups may overlap; each cell, the vCPUs in exactly the same groups, has one mon_group")
        self._type("cachemon host cpu-resource vm1 --create --group-name all --vcpulist all --live")
        self._wait_monitored("vm1", "all")
        self._type("cd /sys/fs/resctrl/mon_groups; grep -c . */tasks")
        self._check("vm1", {"vcpus_0-1": {0, 1}, "all": {0, 1, 2, 3}})

    def _config(self) -> None:
        self._story.step(
            "A group of the configuration is in the domain's XML; it is there from the next start on, for good"
        )
        self._type("cachemon host cpu-resource vm1 --create --group-name web --vcpulist 1-2 --config")
        self._type("virsh dumpxml vm1 --inactive --xpath //metadata")
        self._type("virsh destroy vm1 && virsh start vm1")
        self._wait_monitored("vm1", "web")
        self._type("virsh dumpxml vm1 --xpath //metadata")
        self._type("cachemon host cpu-resource vm1 -o wide")
        self._story.say("The --live groups have ended with the run that they were made for.")
        self._check("vm1", {"web": {1, 2}})

    def _libvirts_own(self) -> None:
        if not has_kvm():
            self._story.step("libvirt's own monitors: left out, as libvirt has them for KVM domains only")
            return
        self._story.step("libvirt's own monitors go on to work beside ours, and nobody touches them")
        self._host.libvirt.define(
            GuestDomain("vm3", vcpus=2, most_vcpus=2, busy_percent=(4, 2), kvm=True, cputune=MONITORS)
        )
        self._type("virsh start vm3")
        self._type("virsh dumpxml vm3 --xpath //cputune")
        self._type("cachemon host cpu-resource vm3 --create --vcpulist 1")
        self._wait_monitored("vm3", "vcpus_1")
        self._type("cachemon host cpu-resource vm3 -o wide")
        self._type("cachemon host cpu-resource vm3 --create --group-name both --vcpulist 0-1", refused=True)
        self._type("ls /sys/fs/resctrl/mon_groups")
        self._check("vm3", {"vcpus_0": {0}, "vcpus_1": {1}})
        with self._standing_still():
            self._host.frozen_report()
            self._type("virsh domstats vm3 --cpu-total | grep bank.*bytes")
            virsh = re.findall(r"bank\.\d+\.bytes=(\d+)", self._host.run("virsh domstats vm3 --cpu-total").stdout)
            reported = [str(block.occupancy_bytes) for block in self._group("vm3", "vcpus_0").blocks]
            self._verdict("vm3: vcpus_0, by libvirt itself", ", ".join(reported), ", ".join(virsh), "virsh")

    def _agent_killed(self) -> None:
        self._story.step(
            "The agent is killed and started again while all counters stand still: the figures are the same"
        )
        with self._standing_still():
            before, mon_groups = _occupancies(self._host.frozen_report()), self._inodes()
            self._story.typed(f"kill -KILL {self._host.agent.pid}")
            self._host.agent.kill()
            self._start_agent()
            after = _occupancies(self._host.frozen_report())
            if self._inodes() != mon_groups:
                raise AssertionError(f"mon_groups were {mon_groups} and are {self._inodes()}: they were not adopted")
            if after != before:
                raise AssertionError(f"the figures were {before} and are {after}")
        self._story.say(
            f"  {len(before)} figures before, the same {len(after)} after; {len(mon_groups)} mon_groups before, the "
            "same after:\n  adopted, none made anew, none left over"
        )

    def _libvirtd_restarted(self) -> None:
        self._story.step(
            "libvirtd is restarted; the agent counts on while it is away, and a group can be made after it"
        )
        before = self._traffic("vm1", "web")
        self._story.typed("systemctl restart libvirtd")
        self._host.libvirt.stop_daemon()
        self._type("cachemon host domstats vm1")
        self._host.libvirt.start_daemon()
        self._story.wait("the agent hears from libvirt again", lambda: not self._host.report().problem)
        grown = self._traffic("vm1", "web").since(before)
        self._verdict("vm1: web, bytes of traffic", f"{grown.counted}", f"{grown.booked}")
        self._type("cachemon host cpu-resource vm2 --create --vcpulist all")
        self._wait_monitored("vm2", "vcpus_all")
        self._check("vm2", {"vcpus_all": {0, 1}})

    def _destroyed(self) -> None:
        self._story.step("Domains end, and their mon_groups with them")
        names = ["vm1", "vm2", *(["vm3"] if has_kvm() else [])]
        self._type("; ".join(f"virsh destroy {name}" for name in names))
        self._story.wait("no mon_group is left", lambda: not self._host.mon_groups())
        self._type("ls -A /sys/fs/resctrl/mon_groups")
        self._story.say("What --config keeps is still there for the next start:")
        self._type("cachemon host cpu-resource vm1")

    def _start_agent(self) -> None:
        self._story.typed("cachemon host agent &      # or: systemctl start cachemon-host")
        self._host.start_agent()

    def _type(self, command: str, *, refused: bool = False) -> None:
        """A command that a person types, and what it prints."""
        self._story.typed(command)
        done = self._host.run(command)
        self._story.shown(done.stdout)
        if bool(done.returncode) != refused:
            raise AssertionError(f"the exit code is {done.returncode}")

    def _wait_monitored(self, domain: str, group: str) -> None:
        def is_so() -> bool:
            found = _groups_of(self._host.report(), domain).get(group)
            return bool(found and found.state == "Monitored" and any(block.occupancy_bytes for block in found.blocks))

        self._story.wait(f"{domain}/{group} is Monitored and holds cache", is_so)

    def _group(self, domain: str, group: str) -> GroupReport:
        return _groups_of(self._host.report(), domain)[group]

    def _check(self, domain: str, groups: Mapping[str, Collection[int]]) -> None:
        """Compare what the agent says with what the emulator counted, to the byte."""
        self._story.say("Against the emulator's own books, with all counters stopped:")
        with self._standing_still():
            report, books = self._host.frozen_report(), self._host.emulator.control.books()
            found = _groups_of(report, domain)
            for name, vcpus in groups.items():
                reported = {block.id: block.occupancy_bytes for block in found[name].blocks}
                booked = booked_occupancy(books, self._tids(domain, vcpus))
                self._verdict(f"{domain}: {name}", _by_block(reported), _by_block(booked))

    def _verdict(self, what: str, reported: str, others: str, other: str = "books") -> None:
        verdict = "exact" if reported == others else "WRONG"
        self._story.say(f"  {what + ':':<32} agent {reported:<24} {other} {others:<24} {verdict}")
        if reported != others:
            raise AssertionError(f"{what}: the agent says {reported}, {other}: {others}")

    def _traffic(self, domain: str, group: str) -> Traffic:
        """Bytes of a group through all cache blocks, with all counters stopped."""
        with self._standing_still():
            self._host.frozen_report()
            found, books = self._group(domain, group), self._host.emulator.control.books()
        tids = self._tids(domain, found.group.vcpus or ())
        held = [it for it in books.groups.values() if set(it.tids) & tids]
        booked = sum(int(block["mbm_total_bytes"]) for it in held for block in it.blocks.values())
        return Traffic(sum(block.total_bytes or 0 for block in found.blocks), booked)

    def _tids(self, domain: str, vcpus: Collection[int]) -> set[int]:
        threads = self._host.libvirt.threads_of(domain)
        return {tid for name, tid in threads.items() for vcpu in vcpus if name.startswith(f"CPU {vcpu}/")}

    def _inodes(self) -> dict[str, int]:
        mon_groups = self._host.emulator.mountpoint / "mon_groups"
        return {path.name: path.stat().st_ino for path in mon_groups.iterdir()}

    @contextmanager
    def _standing_still(self) -> Iterator[None]:
        self._host.emulator.control.freeze()
        try:
            yield
        finally:
            self._host.emulator.control.thaw()


def play(story: Story, folder: Path) -> None:
    """The whole demo.

    Raises:
        MissingError: this machine can't run it.
    """
    programs = _programs()
    story.say(
        "cachemon demo on a plain libvirt host. A real libvirtd starts beside whatever this machine has.\n"
        "Commands run where its sockets are in /run/libvirt, and an emulated resctrl is at /sys/fs/resctrl."
    )
    with PlainHost(folder, programs) as host:
        HostDemo(host, story).play()
        story.say(f"\nAll {story.steps} steps happened.")
        story.say(SUMMARY)
        stay_up(story, _invitation(host))


SUMMARY = """\
Real here: libvirtd, virsh, QEMU and its threads, the agent, the commands. Not real: the counters. No CPU counted
anything: an emulator plays resctrl, and the figures were compared with what it had in its books.
docs/guides/plain-libvirt-host.md says how to have it on a host of yours."""


def _programs() -> Programs:
    check_machine(TARGET)
    if not has_the_machine():
        raise MissingError(
            f"libvirtd sets its QEMUs' groups, which no user namespace lets it; run it as root: sudo make {TARGET}"
        )
    if find_spec("libvirt") is None:
        raise MissingError(
            "libvirt's Python bindings are missing, and to build them gcc, pkg-config, libvirt-dev and python3-dev: "
            "sudo apt-get install gcc libc6-dev pkg-config libvirt-dev python3-dev, and again"
        )
    try:
        return find_or_fetch()
    except LibvirtMissingError as missing:
        raise MissingError(f"{missing}; sudo apt-get install libvirt-daemon libvirt-daemon-driver-qemu") from missing


def _invitation(host: PlainHost) -> str:
    programs = sysconfig.get_path("scripts")
    return (
        f"  sudo nsenter --target {host.agent.pid} --mount --uts env PATH={programs}:$PATH bash\n"
        "is a shell on that host: virsh list --all; virsh start vm1; cachemon host domstats; ls /sys/fs/resctrl\n"
        "cachemon host web --no-open there prints the address of a page, for the browser of this machine\n"
    )


def _groups_of(report: HostReport, domain: str) -> dict[str, GroupReport]:
    return {group.group.name: group for it in report.domains if it.name == domain for group in it.groups}


def _occupancies(report: HostReport) -> dict[tuple[str, str, int], int | None]:
    return {
        (domain.name, group.group.name, block.id): block.occupancy_bytes
        for domain in report.domains
        for group in domain.groups
        for block in group.blocks
    }


def _by_block(amounts: Mapping[int, int | None]) -> str:
    return ", ".join(f"{block}={amount}" for block, amount in sorted(amounts.items()))


if __name__ == "__main__":
    sys.exit(perform(TARGET, "demo.libvirt_host", play))
