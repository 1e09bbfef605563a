"""The life of a host's agent: as a process that is stopped, killed, upgraded, and asked by whom it may be."""

import ctypes.util
import grp
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from threading import Thread

import pytest
from prometheus_client.parser import text_string_to_metric_families

pytest.importorskip("libvirt", reason="libvirt-python is not installed; make setup-host installs it")

from cachemon.model.errors import AgentRefusedError, AgentUnreachableError
from cachemon.model.groups import parse_group
from lab.emulator import Emulator
from lab.libvirt.agent_process import AgentProcess
from lab.libvirt.guest_domain import GuestDomain
from lab.libvirt.libvirt_host import LibvirtHost
from lab.ports import free_port
from lab.prometheus import PrometheusMissingError, find_tools
from lab.pytest_skips import found_or_skip
from lab.speed import allowance
from lab.wait import until
from tests.integration.host.scene import SECOND, WEB, Scene, metadata

ALL = parse_group({"name": "all", "vcpus": "all"})
IN_METADATA = metadata('id="web" vcpus="0"', 'id="io" threads="IOThread,Emulator"')
UNIT = Path(str(files("cachemon.host.agent").joinpath("cachemon-host.service")))


@pytest.fixture
def agent(host: LibvirtHost, resctrl: Emulator) -> Iterator[AgentProcess]:
    """One for each test."""
    with AgentProcess(host, resctrl) as agent:
        agent.start()
        yield agent
        assert "Traceback" not in agent.log()


@pytest.fixture
def scene(host: LibvirtHost, resctrl: Emulator, agent: AgentProcess) -> Scene:
    return Scene(host, resctrl, agent)


def test_groups_survive_the_agent_and_their_figures_go_on(scene: Scene) -> None:
    scene.start(GuestDomain("vm1", metadata=IN_METADATA))
    scene.add_live("vm1", SECOND)
    for name in ("web", "io", "second"):
        scene.until_monitored("vm1", name)
    inodes = scene.inodes()
    assert len(inodes) == 3
    for end in (scene.agent.stop, scene.agent.kill):
        end()
        assert scene.inodes() == inodes
        scene.agent.start()
        assert scene.until_monitored("vm1", "second").kept == "live"
        assert scene.until_monitored("vm1", "web").kept == "config"
        assert scene.inodes() == inodes, "the same mon_groups, adopted"
        before = scene.compare()
        scene.until_grown(before)


def kill_during(scene: Scene, change: Callable[[str], object], mon_groups: range) -> None:
    """Kill the agent while vm1 starts or ends, when this number of mon_groups is there; then begin another."""
    acting = Thread(target=change, args=("vm1",))
    acting.start()
    until("the moment to kill", lambda: len(scene.ours()) in mon_groups)
    scene.agent.kill()
    acting.join()
    scene.agent.begin()


def test_an_agent_that_is_killed_at_any_moment_leaves_nothing_that_the_next_does_not_put_right(scene: Scene) -> None:
    scene.start(GuestDomain("still", metadata=IN_METADATA))
    scene.until_monitored("still", "web")
    inodes = scene.inodes()
    scene.host.define(GuestDomain("vm1", metadata=IN_METADATA))
    for number in range(3):  # of vm1's two mon_groups; the domain `still` has two as well
        kill_during(scene, scene.host.start, range(2 + number, 9))
        kill_during(scene, scene.host.destroy, range(5 - number))
    until("the agent to answer", lambda: scene.agent.domain("still"))
    scene.host.start("vm1")
    scene.add_live("vm1", SECOND)
    for name in ("web", "io", "second"):
        scene.until_monitored("vm1", name)
    assert scene.inodes().items() > inodes.items(), "what was well was not touched"
    assert len(scene.ours()) == 5
    scene.compare()


def test_a_run_that_ends_while_the_agent_is_away_leaves_nothing(scene: Scene) -> None:
    scene.start(GuestDomain("vm1"))
    scene.add_live("vm1", WEB)
    scene.until_monitored("vm1", "web")
    scene.agent.kill()
    scene.host.destroy("vm1")
    scene.host.start("vm1")
    assert len(scene.ours()) == 1
    scene.agent.start()
    scene.until_held()
    assert scene.agent.group("vm1", "web") is None


def test_a_second_agent_waits_for_the_end_of_the_first_and_then_knows_all_that_it_kept(scene: Scene) -> None:
    scene.start(GuestDomain("vm1", metadata=IN_METADATA))
    scene.until_monitored("vm1", "web")
    with AgentProcess(scene.host, scene.resctrl, f"--runtime-dir={scene.agent.folder}") as second:
        second.begin()
        until("the second to know of its place", lambda: "another agent works" in second.log())
        scene.add_live("vm1", SECOND)
        scene.until_monitored("vm1", "second")
        report = second.report()
        assert "another agent" in report.problem
        with pytest.raises(AgentRefusedError, match="another agent"):
            second.create_live(scene.host.uuid_of("vm1"), ALL)
        inodes = scene.inodes()
        scene.agent.stop()
        later = Scene(scene.host, scene.resctrl, second)
        assert later.until_monitored("vm1", "second").kept == "live"
        assert scene.inodes() == inodes
        later.compare()
        second.stop()
    scene.agent.start()
    scene.until_monitored("vm1", "second")


def test_groups_that_can_not_be_had_are_refused_with_a_reason(scene: Scene) -> None:
    scene.start(GuestDomain("vm1", metadata=IN_METADATA))
    scene.until_monitored("vm1", "web")
    uuid = scene.host.uuid_of("vm1")
    with pytest.raises(AgentRefusedError, match="group 'web' exists already"):
        scene.agent.create_live(uuid, parse_group({"name": "web", "vcpus": "1"}))
    with pytest.raises(AgentRefusedError, match="no running domain with UUID"):
        scene.agent.create_live("00000000-0000-0000-0000-000000000000", ALL)
    with pytest.raises(AgentRefusedError, match="has no --live group 'web'; there is: none"):
        scene.agent.destroy_live(uuid, "web")
    scene.add_live("vm1", ALL)
    scene.until_monitored("vm1", "all")
    scene.agent.destroy_live(uuid, "all")
    until("it to be gone", lambda: scene.agent.group("vm1", "all") is None)


def test_without_an_agent_the_commands_say_how_to_start_it(agent: AgentProcess) -> None:
    assert agent.stop() == 0
    with pytest.raises(AgentUnreachableError, match="systemctl start cachemon-host"):
        agent.report()


def test_a_second_agent_at_the_same_socket_is_refused(agent: AgentProcess) -> None:
    second = subprocess.run(agent.command, capture_output=True, text=True, check=False)
    assert (second.returncode, agent.report().problem) == (2, "")
    assert f"another agent answers at {agent.socket}" in second.stderr


def test_an_uninstall_removes_every_mon_group_once_the_agent_is_stopped(scene: Scene) -> None:
    foreign = scene.resctrl.mountpoint / "mon_groups/somebody-elses"
    foreign.mkdir()
    scene.start(GuestDomain("vm1", metadata=IN_METADATA))
    scene.until_monitored("vm1", "web")
    remove = [*scene.agent.command, "--remove"]
    early = subprocess.run(remove, capture_output=True, text=True, check=False)
    assert (early.returncode, len(scene.ours())) == (2, 2)
    assert "stop it first: systemctl stop cachemon-host" in early.stderr
    scene.agent.stop()
    assert subprocess.run(remove, check=False).returncode == 0
    assert not scene.ours()
    foreign.rmdir()  # it is there


def test_members_of_the_sockets_group_may_ask_and_nobody_else_may(host: LibvirtHost, resctrl: Emulator) -> None:
    ask = """
import os, socket, sys
groups, path = [int(word) for word in sys.argv[1].split()], sys.argv[2]
os.setgroups(groups), os.setresgid(65534, 65534, 65534), os.setresuid(65534, 65534, 65534)
connection = socket.socket(socket.AF_UNIX)
connection.connect(path)
connection.sendall(b"GET /v1/status HTTP/1.0\\r\\n\\r\\n")
print(connection.makefile().readline())
"""
    with AgentProcess(host, resctrl, f"--socket-group={grp.getgrgid(1).gr_name}") as agent:
        agent.folder.chmod(0o755)  # as the unit makes it
        agent.start()

        def as_member_of(group: str) -> str:
            command = [sys.executable, "-c", ask, group, str(agent.socket)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            return done.stdout + done.stderr

        assert "HTTP/1.0 200" in as_member_of("1")
        assert "PermissionError" in as_member_of("")
        assert "PermissionError" in as_member_of("2")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze knows the sets of system calls")
@pytest.mark.skipif(ctypes.util.find_library("seccomp") is None, reason="libseccomp2 makes the filter")
def test_the_rights_that_the_unit_gives_are_enough(host: LibvirtHost, resctrl: Emulator) -> None:
    if subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode:
        pytest.skip("no mount namespace can be made here")
    with AgentProcess(host, resctrl) as agent:
        wrapper = ["unshare", "--mount", sys.executable, "-m", "tests.integration.host.as_service"]
        agent.command = [*wrapper, str(UNIT), f"{resctrl.mountpoint}:{agent.folder}", *agent.command]
        agent.start()
        has = dict(re.findall(r"^(\w+):\s*(.*)$", Path(f"/proc/{agent.pid}/status").read_text(), re.MULTILINE))
        only_dac_override = f"{1 << 1:016x}"
        assert {has[f"Cap{kind}"] for kind in ("Prm", "Eff", "Bnd")} == {only_dac_override}
        assert (has["Uid"].split(), has["NoNewPrivs"], has["Seccomp"]) == (["0"] * 4, "1", "2")
        mounts = [line.split(" ") for line in Path(f"/proc/{agent.pid}/mountinfo").read_text().splitlines()]
        options = {fields[4]: fields[5].split(",") for fields in mounts}  # the later hides the earlier
        writable = {target for target, of in options.items() if "rw" in of}
        assert writable == {str(resctrl.mountpoint), str(agent.folder)}
        scene = Scene(host, resctrl, agent)
        scene.start(GuestDomain("vm1", metadata=IN_METADATA))
        scene.add_live("vm1", SECOND)
        for name in ("web", "io", "second"):
            scene.until_monitored("vm1", name)
        scene.compare()
        host.restart_daemon()
        until("libvirt to be heard again", lambda: not agent.report().problem)
        host.destroy("vm1")
        scene.until_held()
        assert agent.stop() == 0
        assert not re.search("EPERM|EACCES|denied|not permitted|Read-only", agent.log())


def test_metrics_are_the_figures_of_the_report(host: LibvirtHost, resctrl: Emulator) -> None:
    address = f"127.0.0.1:{free_port()}"
    with AgentProcess(host, resctrl, f"--metrics-address={address}") as agent:
        agent.start()
        scene = Scene(host, resctrl, agent)
        scene.start(GuestDomain("vm1", metadata=metadata('id="web" vcpus="0"', 'id="all" vcpus="all"')))
        scene.until_monitored("vm1", "all")
        with (
            scene.still() as (report, _),
            urllib.request.urlopen(f"http://{address}/metrics", timeout=allowance(10)) as answer,
        ):
            page = answer.read()
        with urllib.request.urlopen(f"http://{address}/healthz", timeout=allowance(10)) as answer:
            assert answer.status == 200
    found = {
        (family.name, sample.labels["group"], int(sample.labels["cache_id"])): int(sample.value)
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
        if "group" in sample.labels and "cache_id" in sample.labels
    }
    wanted = {}
    for group in report.domains[0].groups:
        for block in group.blocks:
            wanted["cachemon_host_cache_occupancy_bytes", group.group.name, block.id] = block.occupancy_bytes
            wanted["cachemon_host_memory_traffic_bytes", group.group.name, block.id] = block.total_bytes
            wanted["cachemon_host_memory_traffic_local_bytes", group.group.name, block.id] = block.local_bytes
    assert found == wanted
    assert len(found) == 12
    promtool = found_or_skip(lambda: find_tools().promtool, PrometheusMissingError)
    checked = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
