"""Whatever is killed, and whenever: no mon_group without its run, no run without its mon_groups, none forgotten."""

import os
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

pytest.importorskip("libvirt", reason="libvirt-python is not installed; make setup-host installs it")

from cachemon.model.errors import AgentRefusedError, AgentUnreachableError
from cachemon.model.groups import parse_group
from lab.emulator import Emulator
from lab.host.agent_process import AgentProcess
from lab.host.guest_domain import GuestDomain
from lab.host.libvirt_host import LibvirtHost, VirshError
from lab.host.programs import Programs
from lab.wait import until
from tests.bench import bench_host
from tests.libvirt.test_host_agent import Tree, add, metadata, monitored, vcpu

NAMES = ("vm1", "vm2", "vm3")
STEPS = 14
LIVE = parse_group({"name": "live", "vcpus": "1"})
IN_CONFIG = metadata('id="web" vcpus="0"')


class Story:
    """Random steps, and what should be true after them."""

    def __init__(self, host: LibvirtHost, agent: AgentProcess, tree: Tree, seed: int) -> None:
        self.host = host
        self.agent = agent
        self.tree = tree
        self.dice = random.Random(seed)
        self.live: dict[str, int] = {}  # domain -> PID of the run that has the group
        self.agent_runs = True

    def step(self) -> None:
        """One step."""
        steps: list[Callable[[], None]] = [self.toggle, self.toggle, self.kill_qemu, self.make_live]
        steps += [self.kill_agent, self.restart_agent, self.kill_daemon]
        self.dice.choice(steps)()

    def toggle(self) -> None:
        """A domain starts or ends."""
        name = self.dice.choice(NAMES)
        with suppress(VirshError):  # it is just ending by itself
            if self.pid(name) is None:
                self.host.start(name)
            else:
                self.host.destroy(name)

    def kill_qemu(self) -> None:
        """A QEMU is killed."""
        pid = self.pid(self.dice.choice(NAMES))
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def make_live(self) -> None:
        """A domain is given a group for its run."""
        name = self.dice.choice(NAMES)
        pid = self.pid(name)
        if pid is None or not self.agent_runs:
            return
        with suppress(AgentRefusedError):
            add(self.host, self.agent, name, LIVE)
            self.live[name] = pid

    def kill_agent(self) -> None:
        """The agent is killed at whatever it does."""
        if self.agent_runs:
            self.agent.kill()
            self.agent_runs = False

    def restart_agent(self) -> None:
        """systemd starts it again."""
        if not self.agent_runs:
            self.agent.begin()
            self.agent_runs = True
            until("the agent to answer", self.answers)

    def answers(self) -> bool:
        """Whether the agent does."""
        with suppress(AgentUnreachableError):
            return bool(self.agent.status())
        return False

    def kill_daemon(self) -> None:
        """libvirtd is killed, and systemd starts it again."""
        self.host.kill_daemon()
        self.host.start_daemon()

    def pid(self, name: str) -> int | None:
        """Of a running domain."""
        try:
            pid = self.host.pid_of(name)
        except (OSError, ValueError):
            return None
        return pid if Path(f"/proc/{pid}/task").exists() else None

    def wanted(self) -> set[frozenset[int]]:
        """The mon_groups that there should be."""
        found = set()
        for name in self.host.virsh("list", "--name").split():
            numbers = [0] + [1] * (self.live.get(name) == self.pid(name))
            found |= {frozenset({vcpu(self.host, name, number)}) for number in numbers}
        return found

    def settles(self) -> bool:
        """Whether all is as it should be, and told so."""
        with suppress(StopIteration, OSError, VirshError, ValueError):  # something is just ending
            told = {
                (domain.name, group.group.name): group.state
                for domain in self.agent.report().domains
                for group in domain.groups
            }
            names = [
                (name, group)
                for name in self.host.virsh("list", "--name").split()
                for group in ("web", *(["live"] if self.live.get(name) == self.pid(name) else []))
            ]
            return self.tree.tids() == self.wanted() and told == dict.fromkeys(names, "Monitored")
        return False


@pytest.mark.parametrize("seed", range(3))
def test_after_any_kills_every_run_has_its_groups_and_nothing_else_has(
    host: LibvirtHost, resctrl: Emulator, seed: int
) -> None:
    for name in NAMES:
        host.define(GuestDomain(name, vcpus=2, metadata=IN_CONFIG))
    with AgentProcess(host, resctrl) as agent:
        agent.start()
        story = Story(host, agent, Tree(resctrl), seed)
        for _ in range(STEPS):
            story.step()
        story.restart_agent()
        until("all to be as it should be", story.settles)
        for name in NAMES:
            assert IN_CONFIG.partition(">")[0] in host.virsh("dumpxml", "--inactive", name)
            with suppress(VirshError):
                host.destroy(name)
        until("no mon_group to be left", lambda: not Tree(resctrl).ours())
        assert "Traceback" not in agent.log()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has capabilities to give up")
def test_it_does_its_work_with_the_rights_of_its_unit(host: LibvirtHost, resctrl: Emulator) -> None:
    host.define(GuestDomain("vm1", metadata=IN_CONFIG))
    limited = ["setpriv", "--bounding-set=-all,+dac_override", "--inh-caps=-all", "--no-new-privs", "--"]
    with AgentProcess(host, resctrl, before=limited) as agent:
        agent.start()
        status = Path(f"/proc/{agent.pid}/status").read_text()
        assert "CapEff:\t0000000000000002" in status
        host.start("vm1")
        monitored(agent, "vm1", "web")
        add(host, agent, "vm1", LIVE)
        monitored(agent, "vm1", "live")


@pytest.fixture
def target(programs: Programs, tmp_path: Path) -> Iterator[tuple[LibvirtHost, AgentProcess]]:
    """Where domains migrate to: a host with an agent and a resctrl of its own."""
    with (
        Emulator(tmp_path) as resctrl,
        LibvirtHost(programs, resctrl=resctrl.mountpoint, name="host2") as host,
        AgentProcess(host, resctrl) as agent,
    ):
        agent.start()
        yield host, agent


def test_a_domain_that_migrates_takes_its_config_groups_along_and_leaves_nothing(
    host: LibvirtHost, resctrl: Emulator, target: tuple[LibvirtHost, AgentProcess]
) -> None:
    there, their_agent = target
    host.define(GuestDomain("vm1", metadata=IN_CONFIG))
    with AgentProcess(host, resctrl) as agent:
        agent.start()
        host.start("vm1")
        monitored(agent, "vm1", "web")
        add(host, agent, "vm1", LIVE)
        host.migrate("vm1", there)
        assert monitored(their_agent, "vm1", "web").kept == "config"
        until("nothing to be left behind", lambda: not Tree(resctrl).ours() and agent.report().domains == ())
        assert their_agent.group("vm1", "live") is None, "a --live group ends with the run on its host"
        there.migrate("vm1", host)
        monitored(agent, "vm1", "web")
        assert agent.group("vm1", "live") is None
        until("nothing to be left there", lambda: their_agent.report().domains == ())


def test_a_guest_is_monitored_before_it_has_run_for_a_quarter_of_a_second(programs: Programs) -> None:
    assert programs
    figures = {figure.name: figure.value for figure in bench_host.run(bench_host.STARTS // 5)}
    assert figures["host.monitored_after_ms_p99"] < bench_host.GOAL_MS
