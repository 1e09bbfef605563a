"""The life of a host's agent: real libvirtd, real QEMUs, the emulator as resctrl, the program as systemd runs it."""

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

pytest.importorskip("libvirt", reason="libvirt-python is not installed; make setup-host installs it")

from cachemon.host.wire import GroupReport
from cachemon.libvirt.connection import open_connection
from cachemon.model.errors import AgentRefusedError, AgentUnreachableError
from cachemon.model.groups import MonitoringGroup, parse_group
from lab.emulator import Emulator
from lab.host.agent_process import AgentProcess
from lab.host.guest_domain import GuestDomain
from lab.host.libvirt_host import LibvirtHost
from lab.wait import until

WEB = parse_group({"name": "web", "vcpus": "0"})
ALL = parse_group({"name": "all", "vcpus": "all"})
IO = parse_group({"name": "io", "threads": ["IOThread", "Emulator"]})


def metadata(*groups: str) -> str:
    """Each as the attributes of a resmongroup."""
    inside = "".join(f"<cachemon:resmongroup {attributes}/>" for attributes in groups)
    return f'<cachemon:groups xmlns:cachemon="https://cachemon.dev/xmlns/libvirt/1.0">{inside}</cachemon:groups>'


@pytest.fixture
def agent(host: LibvirtHost, resctrl: Emulator) -> Iterator[AgentProcess]:
    with AgentProcess(host, resctrl) as agent:
        agent.start()
        yield agent
        assert "Traceback" not in agent.log()


class Tree:
    """What the kernel has."""

    def __init__(self, resctrl: Emulator) -> None:
        self._resctrl = resctrl

    def ours(self) -> dict[str, set[int]]:
        """Name and TIDs of each mon_group of ours."""
        found = {}
        for folder in self._resctrl.mountpoint.glob("mon_groups/cachemon-*"):
            found[folder.name] = {int(tid) for tid in (folder / "tasks").read_text().split()}
        return found

    def tids(self) -> set[frozenset[int]]:
        return {frozenset(tids) for tids in self.ours().values()}

    def inodes(self) -> dict[str, int]:
        return {it.name: it.stat().st_ino for it in self._resctrl.mountpoint.glob("mon_groups/cachemon-*")}


@pytest.fixture
def tree(resctrl: Emulator) -> Tree:
    return Tree(resctrl)


def vcpu(host: LibvirtHost, domain: str, number: int) -> int:
    return next(tid for name, tid in host.threads_of(domain).items() if name.startswith(f"CPU {number}/"))


def monitored(agent: AgentProcess, domain: str, name: str) -> GroupReport:
    """Wait until a group is monitored and has figures."""

    def well() -> GroupReport | None:
        group = agent.group(domain, name)
        return group if group and group.state == "Monitored" and group.blocks else None

    return until(f"group {name} of {domain} to be monitored", well)


def add(host: LibvirtHost, agent: AgentProcess, domain: str, group: MonitoringGroup) -> None:
    agent.create_live(host.uuid_of(domain), group)


def test_a_config_group_is_monitored_from_the_start_and_removed_with_the_run(
    host: LibvirtHost, agent: AgentProcess, tree: Tree
) -> None:
    host.define(GuestDomain("vm1", metadata=metadata('id="web" vcpus="0"', 'id="all" vcpus="all"')))
    host.start("vm1")
    web = monitored(agent, "vm1", "web")
    assert (web.vcpus, web.kept, web.group) == ((0,), "config", WEB)
    assert [block.reading for block in web.blocks] == ["Valid", "Valid"]
    assert tree.tids() == {frozenset({vcpu(host, "vm1", 0)}), frozenset({vcpu(host, "vm1", 1)})}
    until("the vCPU to fill some cache", lambda: sum(b.occupancy_bytes or 0 for b in _blocks(agent, "web")) > 0)
    told = agent.domain("vm1")
    assert told is not None
    assert (told.uuid, told.pid) == (host.uuid_of("vm1"), host.pid_of("vm1"))
    host.destroy("vm1")
    until("no mon_group to be left", lambda: not tree.ours())
    until("the domain to be told of no longer", lambda: agent.report().domains == ())


def _blocks(agent: AgentProcess, name: str) -> tuple:  # type: ignore[type-arg]
    group = agent.group("vm1", name)
    return group.blocks if group else ()


def test_a_live_group_survives_the_agent_and_ends_with_the_run(
    host: LibvirtHost, agent: AgentProcess, tree: Tree
) -> None:
    host.define(GuestDomain("vm1"))
    host.start("vm1")
    until("the domain to be known", lambda: agent.domain("vm1"))
    add(host, agent, "vm1", WEB)
    assert monitored(agent, "vm1", "web").kept == "live"
    before = tree.inodes()
    assert len(before) == 1
    for end in (agent.stop, agent.kill):
        end()
        assert tree.inodes() == before
        agent.start()
        assert monitored(agent, "vm1", "web").kept == "live"
        assert tree.inodes() == before, "the same mon_groups, adopted"
    host.destroy("vm1")
    host.start("vm1")
    until("another run without the group", lambda: (told := agent.domain("vm1")) and told.pid == host.pid_of("vm1"))
    assert agent.group("vm1", "web") is None
    until("no mon_group to be left", lambda: not tree.ours())


def test_a_run_that_ends_while_the_agent_is_away_leaves_nothing(
    host: LibvirtHost, agent: AgentProcess, tree: Tree
) -> None:
    host.define(GuestDomain("vm1"))
    host.start("vm1")
    until("the domain to be known", lambda: agent.domain("vm1"))
    add(host, agent, "vm1", WEB)
    monitored(agent, "vm1", "web")
    agent.kill()
    host.destroy("vm1")
    host.start("vm1")
    assert len(tree.ours()) == 1
    agent.start()
    until("no mon_group to be left", lambda: not tree.ours())
    assert agent.group("vm1", "web") is None


def test_a_plugged_vcpu_joins_and_an_unplugged_one_leaves(host: LibvirtHost, agent: AgentProcess, tree: Tree) -> None:
    host.define(GuestDomain("vm1", vcpus=2, metadata=metadata('id="all" vcpus="all"')))
    host.start("vm1")
    assert monitored(agent, "vm1", "all").vcpus == (0, 1)
    host.virsh("setvcpus", "vm1", "3", "--live")
    until("three vCPUs", lambda: (group := agent.group("vm1", "all")) and group.vcpus == (0, 1, 2))
    tids = frozenset(vcpu(host, "vm1", number) for number in range(3))
    until("all in one mon_group", lambda: tree.tids() == {tids})


def test_libvirt_away_costs_nothing_and_what_happens_meanwhile_is_made_up_for(
    host: LibvirtHost, agent: AgentProcess, tree: Tree
) -> None:
    host.define(GuestDomain("vm1", metadata=metadata('id="web" vcpus="0"')))
    host.define(GuestDomain("vm2", metadata=metadata('id="web" vcpus="0"')))
    for name in ("vm1", "vm2"):
        host.start(name)
        monitored(agent, name, "web")
    before = tree.inodes()
    host.kill_daemon()
    try:
        until("the agent to tell", lambda: agent.report().problem)
        assert tree.inodes() == before
        assert monitored(agent, "vm1", "web").state == "Monitored"
        pid = host.pid_of("vm2")
        os.kill(pid, signal.SIGKILL)
        until("vm2's mon_group to go", lambda: len(tree.ours()) == 1)
    finally:
        host.start_daemon()
    until("libvirt to be heard again", lambda: not agent.report().problem)
    until("vm2 to be gone", lambda: [domain.name for domain in agent.report().domains] == ["vm1"])
    assert tree.inodes().items() <= before.items()


def test_an_agent_that_starts_without_libvirt_removes_nothing(
    host: LibvirtHost, agent: AgentProcess, tree: Tree
) -> None:
    host.define(GuestDomain("vm1", metadata=metadata('id="web" vcpus="0"')))
    host.start("vm1")
    monitored(agent, "vm1", "web")
    before = tree.inodes()
    agent.stop()
    host.stop_daemon()
    try:
        agent.start()
        assert "does not answer" in agent.report().problem
        assert tree.inodes() == before
    finally:
        host.start_daemon()
    monitored(agent, "vm1", "web")
    assert tree.inodes() == before


def test_a_qemu_that_is_killed_leaves_nothing(host: LibvirtHost, agent: AgentProcess, tree: Tree) -> None:
    host.define(GuestDomain("vm1", metadata=metadata('id="all" vcpus="all"')))
    host.start("vm1")
    monitored(agent, "vm1", "all")
    os.kill(host.pid_of("vm1"), signal.SIGKILL)
    until("no mon_group to be left", lambda: not tree.ours())
    until("libvirt to have seen it", lambda: host.virsh("domstate", "vm1") == "shut off")
    host.start("vm1")
    monitored(agent, "vm1", "all")


def test_a_managed_save_and_an_edit_keep_config_groups(host: LibvirtHost, agent: AgentProcess) -> None:
    host.define(GuestDomain("vm1"))
    with open_connection(host.uri) as connection:
        connection.write_config(host.uuid_of("vm1"), [WEB, IO])
    host.start("vm1")
    monitored(agent, "vm1", "web")
    host.virsh("managedsave", "vm1")
    until("the domain to have ended", lambda: agent.report().domains == ())
    host.start("vm1")
    assert monitored(agent, "vm1", "io").kept == "config"
    host.virsh("reset", "vm1")
    monitored(agent, "vm1", "io")


def test_groups_that_can_not_be_had_are_refused_with_words(host: LibvirtHost, agent: AgentProcess) -> None:
    host.define(GuestDomain("vm1", metadata=metadata('id="web" vcpus="0"')))
    host.start("vm1")
    monitored(agent, "vm1", "web")
    uuid = host.uuid_of("vm1")
    with pytest.raises(AgentRefusedError, match="group 'web' is there already"):
        agent.create_live(uuid, parse_group({"name": "web", "vcpus": "1"}))
    with pytest.raises(AgentRefusedError, match="no running domain with UUID"):
        agent.create_live("00000000-0000-0000-0000-000000000000", ALL)
    with pytest.raises(AgentRefusedError, match="has no --live group 'web'; there is: none"):
        agent.destroy_live(uuid, "web")
    add(host, agent, "vm1", ALL)
    monitored(agent, "vm1", "all")
    agent.destroy_live(uuid, "all")
    until("it to be gone", lambda: agent.group("vm1", "all") is None)


def test_without_an_agent_the_commands_are_told_how_to_start_it(agent: AgentProcess) -> None:
    assert agent.stop() == 0
    with pytest.raises(AgentUnreachableError, match="systemctl start cachemon-host"):
        agent.report()


def test_a_second_agent_is_refused_while_the_first_answers(agent: AgentProcess) -> None:
    second = subprocess.run(agent.command, capture_output=True, text=True, check=False)
    assert (second.returncode, agent.report().problem) == (2, "")
    assert f"another agent answers at {agent.socket}" in second.stderr


def test_an_uninstall_removes_every_mon_group_once_the_agent_is_stopped(
    host: LibvirtHost, agent: AgentProcess, tree: Tree
) -> None:
    host.define(GuestDomain("vm1", metadata=metadata('id="web" vcpus="0"')))
    host.start("vm1")
    monitored(agent, "vm1", "web")
    remove = [*agent.command, "--remove"]
    early = subprocess.run(remove, capture_output=True, text=True, check=False)
    assert (early.returncode, len(tree.ours())) == (2, 1)
    assert "stop it first: systemctl stop cachemon-host" in early.stderr
    agent.stop()
    assert subprocess.run(remove, check=False).returncode == 0
    assert not tree.ours()


MONITORS = (
    "<cachetune vcpus='0-1'><monitor level='3' vcpus='0'/></cachetune>"
    "<memorytune vcpus='0-1'><monitor vcpus='0'/><monitor vcpus='1'/></memorytune>"
)


@pytest.mark.usefixtures("kvm")
def test_libvirts_own_monitors_are_told_as_libvirts_and_never_touched(
    host: LibvirtHost, agent: AgentProcess, tree: Tree, resctrl: Emulator
) -> None:
    io = metadata('id="io" threads="IOThread,Emulator"')
    host.define(GuestDomain("vm1", kvm=True, vcpus=3, cputune=MONITORS, metadata=io))
    host.start("vm1")
    theirs = {folder: (folder / "tasks").read_text() for folder in resctrl.mountpoint.glob("mon_groups/qemu-*")}
    assert len(theirs) == 2
    own = monitored(agent, "vm1", "vcpus_0")
    assert (own.kept, own.vcpus) == ("libvirt", (0,))
    monitored(agent, "vm1", "vcpus_1")
    monitored(agent, "vm1", "io")
    uuid = host.uuid_of("vm1")
    with pytest.raises(AgentRefusedError, match="vCPU 0 is in libvirt's own monitor 'vcpus_0'"):
        agent.create_live(uuid, parse_group({"name": "low", "vcpus": "0-1"}))
    agent.create_live(uuid, parse_group({"name": "two", "vcpus": "2"}))
    monitored(agent, "vm1", "two")
    resctrl.control.freeze()
    try:
        until("figures of the still tree", lambda: _same_as_libvirts(host, agent))
    finally:
        resctrl.control.thaw()
    assert {folder: (folder / "tasks").read_text() for folder in theirs} == theirs
    host.destroy("vm1")
    until("no mon_group to be left", lambda: not tree.ours())


def _same_as_libvirts(host: LibvirtHost, agent: AgentProcess) -> bool:
    """Whether occupancies are those of `virsh domstats`."""
    stats = dict(
        line.strip().partition("=")[::2] for line in host.virsh("domstats", "--cpu-total", "vm1").split("\n")
    )
    for number in range(int(stats["cpu.cache.monitor.count"])):
        stem = f"cpu.cache.monitor.{number}"
        group = agent.group("vm1", stats[f"{stem}.name"])
        told = {block.id: block.occupancy_bytes for block in group.blocks} if group else {}
        banks = range(int(stats[f"{stem}.bank.count"]))
        if told != {int(stats[f"{stem}.bank.{n}.id"]): int(stats[f"{stem}.bank.{n}.bytes"]) for n in banks}:
            return False
    return True
