"""Random lives, ends and faults on a plain libvirt host: `python -m tests.soak.host [--seconds N] [--seed N]`.

Domains start and end, groups are made and destroyed, and the agent, libvirtd and QEMUs are killed, also in the middle
of something else. Now and then all is repaired; then everything must be as it should.
"""

import argparse
import re
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from errno import EBUSY, EIO, ENOSPC
from functools import partial
from pathlib import Path
from threading import Timer
from typing import NamedTuple

from cachemon.libvirt.connection import open_connection
from cachemon.libvirt.metadata import read_metadata
from cachemon.model.errors import AgentRefusedError, AgentUnreachableError, LibvirtError
from cachemon.model.groups import MonitoringGroup, parse_group
from lab.emulator import Emulator
from lab.libvirt.agent_process import AgentProcess
from lab.libvirt.guest_domain import GuestDomain, has_kvm
from lab.libvirt.libvirt_host import LibvirtHost, VirshError
from lab.libvirt.programs import Programs, find_or_fetch
from lab.wait import GaveUpError, until
from tests.integration.host.scene import Scene
from tests.soak.chance import chance_of, new_seed
from tests.soak.usage import Program, UsageWatch

_MEND_EVERY = 8
_AGENT_ENDS_UNTIL = 0.4
"""Share of the time; after that the agent lives on, so that what it takes can be judged."""
_LONGEST_DELAY_SECONDS = 0.5
_SETTLE_SECONDS = 100
"""After some failures in a row the agent waits half a minute for an RMID."""

_VCPUS = (0, 1)
_NONE = -1  # no PID
_FOREIGN = "somebody-elses"
_TUNED = "tuned"
_MONITORS = (
    "<cachetune vcpus='0'><monitor level='3' vcpus='0'/></cachetune>"
    "<memorytune vcpus='0'><monitor vcpus='0'/></memorytune>"
)

States = dict[tuple[str, str, str], str]
"""State of each group by domain, name, and who keeps it."""

Act = tuple[str, Callable[[], object]]
"""What an action is called, and doing it."""


class HostSoakFailedError(AssertionError):
    """Something did not come right; the message has the seed and every action."""


class HostReport(NamedTuple):
    """What a soak did: actions, moments at which all was compared, and figures that were compared with the books."""

    actions: int
    quiet_points: int
    figures: int


@dataclass(slots=True)
class Machine:
    """A domain as it should be.

    Attributes:
        name: of it.
        lists: vCPUs that its groups may be of.
        uuid: of it.
        pid: of its QEMU; None while it does not run.
        is_certain: whether libvirt has done all that was asked.
        config: the groups of its configuration.
        in_force: those that its run has from the configuration.
        live: those that were made for its run.
        unsure: names of those of which it is not known whether there are any: who was asked was killed.
    """

    name: str
    lists: tuple[str, ...] = ("all", "0", "1", "0-1")
    uuid: str = ""
    pid: int | None = None
    is_certain: bool = True
    config: tuple[MonitoringGroup, ...] = ()
    in_force: tuple[MonitoringGroup, ...] = ()
    live: dict[str, MonitoringGroup] = field(default_factory=dict)
    unsure: set[str] = field(default_factory=set)

    def becomes(self, pid: int | None) -> None:
        """This run, or none."""
        if pid != self.pid:
            self.pid = pid
            self.in_force = () if pid is None else self.config
            self.live.clear()
            self.unsure.clear()


class World:
    """The host and its domains.

    Args:
        scene: the host.
        seed: the only source of chance.
    """

    def __init__(self, scene: Scene, seed: int) -> None:
        self.scene = scene
        self._seed = seed
        self.chance = chance_of(seed, 0)
        self._may_end_agent = True
        self.machines = [Machine(f"vm{number}") for number in range(3)]
        self._agent_runs = self._daemon_runs = True
        self._made = 0
        for machine in self.machines:
            scene.host.define(GuestDomain(machine.name, busy_percent=(8, 4)))
        if has_kvm():
            self.machines.append(Machine(_TUNED, lists=("1",)))
            scene.host.define(GuestDomain(_TUNED, busy_percent=(8, 4), kvm=True, cputune=_MONITORS))
        for machine in self.machines:
            machine.uuid = scene.host.uuid_of(machine.name)
        self._foreign = scene.resctrl.mountpoint / "mon_groups" / _FOREIGN
        self._foreign.mkdir()

    def draw(self, number: int, *, may_end_agent: bool) -> Act:
        """The next action.

        Args:
            number: of the action; the chance is that of the seed and of this number.
            may_end_agent: whether the agent may be ended.
        """
        self.chance, self._may_end_agent = chance_of(self._seed, number), may_end_agent
        machine = self.chance.choice(self.machines)
        self._look_up(machine)
        kinds = [self._life, self._life, self._configuration, self._live, self._live, self._end, self._fault]
        return self.chance.choice(kinds)(machine)

    def _life(self, machine: Machine) -> Act:
        host = self.scene.host
        if machine.pid is None:
            return f"start {machine.name}", partial(self._ask_libvirt, machine, partial(host.start, machine.name))
        ways: dict[str, Callable[[], object]] = {
            "destroy": partial(self._ask_libvirt, machine, partial(host.destroy, machine.name)),
            "kill": partial(self._ask_libvirt, machine, partial(host.kill_qemu, machine.name)),
            "reset": partial(self._ask_libvirt, machine, partial(host.virsh, "reset", machine.name)),
            "suspend": partial(self._ask_libvirt, machine, partial(host.virsh, "suspend", machine.name)),
        }
        word = self.chance.choice(list(ways))
        return f"{word} {machine.name}", ways[word]

    def _configuration(self, machine: Machine) -> Act:
        lists = self.chance.sample(machine.lists, self.chance.randint(0, min(2, len(machine.lists))))
        groups = tuple(parse_group({"name": f"config{text}", "vcpus": text}) for text in lists)
        return f"configure {machine.name}: {' '.join(lists)}", partial(self._configure, machine, groups)

    def _live(self, machine: Machine) -> Act:
        if machine.pid is None:
            return self._life(machine)
        if machine.live and self.chance.random() < 0.4:
            name = self.chance.choice(list(machine.live))
            return f"destroy --live {machine.name}/{name}", partial(self._destroy_live, machine, name)
        self._made += 1
        group = parse_group({"name": f"live{self._made}", "vcpus": self.chance.choice(machine.lists)})
        return f"create --live {machine.name}/{group.name}", partial(self._create_live, machine, group)

    def _end(self, machine: Machine) -> Act:
        """Of a program, at some moment of something else, as a rule; one that has ended begins."""
        if not self._agent_runs:
            return "start agent", self._start_agent
        if not self._daemon_runs:
            return "start libvirtd", self._start_daemon
        ends: dict[str, Callable[[], object]] = {
            "kill agent": partial(self._end_agent, self.scene.agent.kill),
            "stop agent": partial(self._end_agent, self.scene.agent.stop),
            "kill libvirtd": partial(self._end_daemon, self.scene.host.kill_daemon),
            "stop libvirtd": partial(self._end_daemon, self.scene.host.stop_daemon),
        }
        words = list(ends) if self._may_end_agent else [word for word in ends if "agent" not in word]
        word = self.chance.choice(words)
        if self.chance.random() < 0.3:
            return word, ends[word]
        name, do = self.chance.choice([self._life, self._configuration, self._live])(machine)
        delay = self.chance.uniform(0, _LONGEST_DELAY_SECONDS)
        return f"{word}, {delay:.2f} s after the beginning of: {name}", partial(_amid, do, ends[word], delay)

    def _fault(self, _: Machine) -> Act:
        control, number = self.scene.resctrl.control, self.chance.choice((ENOSPC, EBUSY))
        faults: dict[str, Callable[[], object]] = {
            "a mkdir fails": partial(control.fail, "mkdir", "/mon_groups/cachemon-*", number),
            "20 readings fail": partial(control.fail, "read", "*/mon_data/*", EIO, times=20),
            "another program wipes cachemon's mon_groups": self._wipe,
        }
        word = self.chance.choice(list(faults))
        return word, faults[word]

    def _ask_libvirt(self, machine: Machine, change: Callable[[], object]) -> None:
        """What became of it is looked up later: libvirtd may be away, or be killed meanwhile."""
        machine.is_certain = False
        try:
            change()
        except (VirshError, OSError, ValueError):  # the others: its QEMU has just ended
            return

    def _look_up(self, machine: Machine) -> None:
        """What became of a domain, by libvirt and by its process."""
        if machine.is_certain:
            return
        self._start_daemon()
        try:
            pid = until(f"libvirt to know of {machine.name}", partial(self._run_of, machine))
        except GaveUpError as error:
            state = self.scene.host.virsh("domstate", "--reason", machine.name)
            raise GaveUpError(f"{error}: {state}, {sorted(self.scene.host.state_dir.iterdir())}") from error
        machine.becomes(None if pid == _NONE else pid)
        machine.is_certain = True

    def _run_of(self, machine: Machine) -> int | None:
        """The PID, or _NONE; None while libvirt and /proc say different things."""
        state = self.scene.host.virsh("domstate", "--reason", machine.name)
        try:
            pid = self.scene.host.pid_of(machine.name)
            alive = f"guest={machine.name},".encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            pid, alive = 0, False
        if "starting up" in state:
            if not alive:
                self._clean_up_after_libvirt(machine)
            return None
        if state.startswith(("running", "paused")) != alive:
            return None
        return pid if alive else _NONE

    def _clean_up_after_libvirt(self, machine: Machine) -> None:
        """A libvirtd that was killed before it had the QEMU that it starts leaves a status that the next believes.

        libvirt 9.0 then waits for ever; a person removes the file.
        """
        self.scene.host.kill_daemon()
        (self.scene.host.state_dir / f"{machine.name}.xml").unlink(missing_ok=True)
        self.scene.host.start_daemon()

    def _configure(self, machine: Machine, groups: tuple[MonitoringGroup, ...]) -> None:
        try:
            with open_connection(self.scene.host.uri) as connection:
                connection.write_config(machine.uuid, groups)
            done = True
        except LibvirtError:
            done = False
        before, machine.config = machine.config, self._configured(machine)
        assert machine.config in ((groups,) if done else (before, groups)), f"{machine.name} has {machine.config}"

    def _configured(self, machine: Machine) -> tuple[MonitoringGroup, ...]:
        """By libvirt's file, which is there without libvirtd."""
        file = self.scene.host.folder / "etc/qemu" / f"{machine.name}.xml"
        return read_metadata(re.sub(rb"<!--.*?-->", b"", file.read_bytes(), flags=re.DOTALL).strip())

    def _create_live(self, machine: Machine, group: MonitoringGroup) -> None:
        answers = self._agent_runs
        try:
            self.scene.agent.create_live(machine.uuid, group)
        except AgentRefusedError:
            return
        except AgentUnreachableError:
            if not answers:
                return
            machine.unsure.add(group.name)
        machine.live[group.name] = group

    def _destroy_live(self, machine: Machine, name: str) -> None:
        try:
            self.scene.agent.destroy_live(machine.uuid, name)
        except AgentUnreachableError:
            machine.unsure.add(name)
        except AgentRefusedError:  # it has just started, and has no answer of libvirt yet; or there is none
            return
        else:
            machine.live.pop(name)
            machine.unsure.discard(name)

    def _end_agent(self, end: Callable[[], object]) -> None:
        end()
        self._agent_runs = False

    def _start_agent(self) -> None:
        if not self._agent_runs:
            self.scene.agent.begin()
            self._agent_runs = True

    def _end_daemon(self, end: Callable[[], object]) -> None:
        end()
        self._daemon_runs = False

    def _start_daemon(self) -> None:
        if not self._daemon_runs:
            self.scene.host.start_daemon()
            self._daemon_runs = True

    def _wipe(self) -> None:
        """As `pqos -r` does; the agent may be faster and remove one first."""
        for folder in self.scene.resctrl.mountpoint.glob("mon_groups/cachemon-*"):
            try:
                folder.rmdir()
            except FileNotFoundError:
                continue

    def settle(self) -> int:
        """Repair all, and see that everything is as it should be; answers how many figures were right.

        Raises:
            GaveUpError, AssertionError: it is not.
        """
        self.scene.resctrl.control.heal()
        self._start_daemon()
        self._start_agent()
        for machine in self.machines:
            self._look_up(machine)
        try:
            until("all to be right", self._is_all_right, seconds=_SETTLE_SECONDS)
        except GaveUpError as error:
            wanted = {machine.name: machine for machine in self.machines}
            held = self.scene.ours()
            raise GaveUpError(
                f"{error}: {wanted} are wanted, reported are {self._reported()}, held are {held}"
            ) from error
        assert len(self.scene.ours()) == len(self._cells())
        self._see_what_is_not_ours()
        figures = len(self.scene.compare())
        assert "Traceback" not in self.scene.agent.log()
        return figures

    def _is_all_right(self) -> bool:
        return self._is_right(self._reported()) and self.scene.held() == self._cells()

    def _reported(self) -> States:
        try:
            report = self.scene.agent.report()
        except AgentUnreachableError:
            return {}
        if report.problem:
            return {}
        found = {(it.name, group.group.name, group.kept): group.state for it in report.domains for group in it.groups}
        return {(it.name, "", "runs"): str(it.pid) for it in report.domains} | dict(found)

    def _is_right(self, reported: States) -> bool:
        """Whether this is what there should be; what is unsure is what the agent says from now on."""
        for machine in self.machines:
            for name in list(machine.unsure):
                if self._knows(reported, machine):
                    machine.unsure.discard(name)
                    if (machine.name, name, "live") not in reported:
                        machine.live.pop(name)
        return reported == self._wanted()

    def _knows(self, reported: States, machine: Machine) -> bool:
        return reported.get((machine.name, "", "runs")) == str(machine.pid)

    def _wanted(self) -> States:
        wanted: States = {}
        for machine in self.machines:
            if machine.pid is not None:
                wanted[machine.name, "", "runs"] = str(machine.pid)
                wanted |= {(machine.name, group.name, "config"): "Monitored" for group in machine.in_force}
                wanted |= {(machine.name, name, "live"): "Monitored" for name in machine.live}
                if machine.name == _TUNED:
                    wanted[machine.name, "vcpus_0", "libvirt"] = "Monitored"
        return wanted

    def _cells(self) -> set[frozenset[int]]:
        """The threads that are in the same groups, of each domain."""
        cells: set[frozenset[int]] = set()
        for machine in self.machines:
            by_groups: dict[frozenset[str], frozenset[int]] = {}
            groups = [*machine.in_force, *machine.live.values()] if machine.pid is not None else []
            for vcpu in _VCPUS:
                names = frozenset(group.name for group in groups if group.all_vcpus or vcpu in (group.vcpus or ()))
                if names:
                    by_groups[names] = by_groups.get(names, frozenset()) | self.scene.tids(machine.name, vcpu)
            cells |= set(by_groups.values())
        return cells

    def _see_what_is_not_ours(self) -> None:
        assert self._foreign.is_dir(), "the mon_group of another program is gone"
        tuned = [machine for machine in self.machines if machine.name == _TUNED and machine.pid is not None]
        theirs = [self.scene.tids(machine.name, 0) for machine in tuned]
        # What libvirt itself leaves behind, when its QEMU has ended while it was away, is empty.
        assert [tids for tids in self.scene.mon_groups("qemu-").values() if tids] == theirs
        for machine in self.machines:
            assert self._configured(machine) == machine.config, f"the configuration of {machine.name} was changed"

    def sweep_up(self) -> None:
        """End every domain, and see that nothing is left."""
        for machine in self.machines:
            if machine.pid is not None:
                self.scene.host.destroy(machine.name)
        self.scene.until_reported()
        self.scene.until_held()
        self._foreign.rmdir()
        assert not any(self.scene.mon_groups().values())
        self.scene.host.clear()


def _amid(do: Callable[[], object], end: Callable[[], object], delay: float) -> None:
    timer = Timer(delay, end)
    timer.start()
    try:
        do()
    finally:
        timer.join()


def run(
    scene: Scene,
    goes_on: Callable[[int], bool],
    seed: int,
    say: Callable[[str], object],
    may_end_agent: Callable[[], bool] = lambda: True,
) -> HostReport:
    """Do it on a host without domains, whose agent runs.

    Args:
        scene: the host.
        goes_on: whether there is to be another action after this number.
        seed: of all chance.
        say: gets a line about each action.
        may_end_agent: whether the agent may be ended now; its process is judged that lives on until the end.

    Raises:
        HostSoakFailedError: with the seed and the actions.
    """
    lines: list[str] = []

    def report(line: str) -> None:
        lines.append(line)
        say(line)

    try:
        return _soak(World(scene, seed), goes_on, report, may_end_agent)
    except Exception as error:
        where = "".join(traceback.format_exception(error))
        raise HostSoakFailedError("\n".join([where, f"seed {seed}:", *lines])) from error


def _soak(
    world: World, goes_on: Callable[[int], bool], report: Callable[[str], None], may_end_agent: Callable[[], bool]
) -> HostReport:
    began, actions, quiet_points, figures = time.monotonic(), 0, 0, 0
    usage = UsageWatch({"agent": Program(lambda: world.scene.agent.pid)})
    while goes_on(actions):
        name, do = world.draw(actions, may_end_agent=may_end_agent())
        report(f"{time.monotonic() - began:6.1f} s  {name}")
        do()
        usage.sample()
        actions += 1
        if actions % _MEND_EVERY == 0:
            figures += world.settle()
            quiet_points += 1
    figures += world.settle()
    for line in usage.summary():
        report(line)
    assert not usage.problems(), "; ".join(usage.problems())
    world.sweep_up()
    report(f"{time.monotonic() - began:6.1f} s  all is right")
    return HostReport(actions, quiet_points + 1, figures)


def _soak_a_host(programs: Programs, seconds: float, seed: int) -> HostReport:
    with (
        tempfile.TemporaryDirectory(prefix="cachemon-soak-") as folder,
        Emulator(Path(folder)) as resctrl,
        LibvirtHost(programs, resctrl=resctrl.mountpoint) as host,
        AgentProcess(host, resctrl) as agent,
    ):
        agent.start()
        began = time.monotonic()
        return run(
            Scene(host, resctrl, agent),
            lambda _: time.monotonic() < began + seconds,
            seed,
            partial(print, flush=True),
            lambda: time.monotonic() < began + _AGENT_ENDS_UNTIL * seconds,
        )


def main(argv: Sequence[str]) -> int:
    """Run it and say how it went.

    Returns:
        0; 1 if something did not come right.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.soak.host", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="how long there are faults (%(default)g)")
    parser.add_argument("--seed", type=int, help="of another soak, to do the like; any where absent")
    given = parser.parse_args(argv)
    seed = new_seed() if given.seed is None else given.seed
    print(f"{given.seconds:g} s of faults with seed {seed}", flush=True)
    try:
        print(_soak_a_host(find_or_fetch(), given.seconds, seed))
    except HostSoakFailedError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
