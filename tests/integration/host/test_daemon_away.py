"""libvirtd ends, is killed, hangs and comes back, while domains run and the agent watches."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

pytest.importorskip("libvirt", reason="libvirt-python is not installed; make setup-host installs it")

from cachemon.model.groups import parse_group
from lab.libvirt.agent_process import AgentProcess
from lab.libvirt.guest_domain import GuestDomain
from lab.libvirt.libvirt_host import LibvirtHost
from lab.wait import until
from tests.integration.host.scene import Scene, check_growth, metadata

TWO = metadata('id="all" vcpus="all"', 'id="first" vcpus="0"')
LIVE = parse_group({"name": "second", "vcpus": "1"})


@contextmanager
def away(host: LibvirtHost, end: Callable[[LibvirtHost], None]) -> Iterator[None]:
    end(host)
    try:
        yield
    finally:
        host.start_daemon()


def until_heard(agent: AgentProcess) -> None:
    until("libvirt to be heard again", lambda: not agent.report().problem)


@pytest.mark.parametrize("end", [LibvirtHost.stop_daemon, LibvirtHost.kill_daemon])
def test_without_libvirt_figures_go_on_groups_can_be_made_and_what_ends_is_removed(
    scene: Scene, end: Callable[[LibvirtHost], None]
) -> None:
    for name in ("vm1", "vm2"):
        scene.start(GuestDomain(name, metadata=TWO))
        scene.until_monitored(name, "all")
    uuid, inodes, before = scene.host.uuid_of("vm1"), scene.inodes(), scene.compare()
    with away(scene.host, end):
        problem = until("the agent to report a problem", lambda: scene.agent.report().problem)
        assert "trying again" in problem or "connection" in problem or "answer" in problem
        assert scene.inodes() == inodes
        scene.until_grown(before)
        scene.agent.create_live(uuid, LIVE)
        scene.until_monitored("vm1", "second")
        scene.host.kill_qemu("vm2")
        scene.until_held(scene.tids("vm1", 0), scene.tids("vm1", 1))
    until_heard(scene.agent)
    scene.until_reported("vm1")
    assert scene.until_monitored("vm1", "second").kept == "live"
    scene.host.start("vm2")
    scene.until_monitored("vm2", "all")
    scene.compare()


def test_a_restart_of_libvirt_changes_nothing(scene: Scene) -> None:
    scene.start(GuestDomain("vm1", metadata=TWO))
    scene.add_live("vm1", LIVE)
    scene.until_monitored("vm1", "second")
    inodes, before = scene.inodes(), scene.compare()
    for _ in range(2):
        scene.host.restart_daemon()
        until_heard(scene.agent)
    check_growth(before, scene.compare())
    assert scene.inodes() == inodes
    scene.host.virsh("setvcpus", "vm1", "3", "--live")
    until("the new vCPU", lambda: (report := scene.agent.group("vm1", "all")) and report.vcpus == (0, 1, 2))


def test_an_agent_that_starts_without_libvirt_goes_on_with_what_runs(scene: Scene) -> None:
    scene.start(GuestDomain("vm1", metadata=TWO))
    scene.add_live("vm1", LIVE)
    scene.until_monitored("vm1", "second")
    inodes = scene.inodes()
    scene.agent.stop()
    with away(scene.host, LibvirtHost.stop_daemon):
        scene.agent.start()
        assert "does not answer" in scene.agent.report().problem
        assert scene.until_monitored("vm1", "second").kept == "live"
        assert scene.inodes() == inodes
    until_heard(scene.agent)
    assert scene.until_monitored("vm1", "second").kept == "live"
    assert scene.inodes() == inodes
    scene.compare()


def test_a_libvirt_that_hangs_holds_up_nothing(scene: Scene) -> None:
    scene.start(GuestDomain("vm1", metadata=TWO))
    scene.until_monitored("vm1", "all")
    uuid, before = scene.host.uuid_of("vm1"), scene.compare()
    scene.host.daemon.signal(signal.SIGSTOP)
    try:
        scene.until_grown(before)
        scene.agent.create_live(uuid, LIVE)
        scene.until_monitored("vm1", "second")
        assert scene.agent.stop() == 0
        scene.agent.begin()
        until("the agent to answer", lambda: scene.agent.socket.is_socket() and scene.agent.status())
        assert scene.until_monitored("vm1", "second").kept == "live"
        assert "not answered yet" in scene.agent.report().problem
    finally:
        scene.host.daemon.signal(signal.SIGCONT)
    until_heard(scene.agent)
    assert scene.until_monitored("vm1", "second").kept == "live"
    scene.compare()


def test_what_happened_while_the_agent_stood_still_is_made_up_for(scene: Scene) -> None:
    scene.start(GuestDomain("vm1", metadata=TWO))
    scene.start(GuestDomain("vm2", metadata=TWO))
    scene.add_live("vm1", LIVE)
    scene.until_monitored("vm1", "second")
    scene.until_monitored("vm2", "all")
    os.kill(scene.agent.pid, signal.SIGSTOP)
    try:
        scene.host.destroy("vm1")
        scene.host.start("vm1")
        scene.host.destroy("vm2")
        scene.start(GuestDomain("vm3", metadata=TWO))
    finally:
        os.kill(scene.agent.pid, signal.SIGCONT)
    scene.until_reported("vm1", "vm3")
    scene.until_held(*(scene.tids(name, vcpu) for name in ("vm1", "vm3") for vcpu in (0, 1)))
    for name in ("vm1", "vm3"):
        scene.until_monitored(name, "all")
    assert scene.agent.group("vm1", "second") is None
    scene.compare()
