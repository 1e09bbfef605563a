"""A plain libvirt host with its agent, and what must be true of both: all real but the caches, which are emulated."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import NamedTuple

from cachemon.host.commands.main import main
from cachemon.host.wire import HostReport
from cachemon.model.group_reports import GroupReport
from cachemon.model.groups import MonitoringGroup, parse_group
from lab.emulator import Emulator
from lab.libvirt.agent_process import AgentProcess
from lab.libvirt.guest_domain import GuestDomain
from lab.libvirt.libvirt_host import LibvirtHost
from lab.mon_groups import threads_by_mon_group
from lab.terminal import LiveProgram
from lab.wait import run, until
from resctrl_emulator.client import Books

WEB = parse_group({"name": "web", "vcpus": "0"})
SECOND = parse_group({"name": "second", "vcpus": "1"})
_COMMAND_SECONDS = 60
_OURS = "cachemon-"

Figure = tuple[str, str, str, int]
"""Name of the domain, name of the group, who keeps it, cache id."""


class Amount(NamedTuple):
    """Bytes of one group in one cache block."""

    occupancy: int
    local: int
    total: int


class Done(NamedTuple):
    """What a command of `cachemon host` did."""

    out: str
    err: str
    code: int


def metadata(*groups: str) -> str:
    """What stands in a domain's `<metadata>`; each group as the attributes of a resmongroup."""
    inside = "".join(f"<cachemon:resmongroup {attributes}/>" for attributes in groups)
    return f'<cachemon:groups xmlns:cachemon="https://cachemon.dev/xmlns/libvirt/1.0">{inside}</cachemon:groups>'


@dataclass(frozen=True, slots=True)
class Scene:
    """One host.

    Attributes:
        host: libvirtd and its domains.
        resctrl: what both find at /sys/fs/resctrl.
        agent: the process.
    """

    host: LibvirtHost
    resctrl: Emulator
    agent: AgentProcess

    def start(self, domain: GuestDomain) -> None:
        """Define and start a domain."""
        self.host.define(domain)
        self.host.start(domain.name)

    def add_live(self, domain: str, group: MonitoringGroup) -> None:
        """Ask the agent for a group, as soon as it knows of the domain."""
        until(f"the agent to know of {domain}", lambda: self.agent.domain(domain))
        self.agent.create_live(self.host.uuid_of(domain), group)

    def ask(self, *arguments: str) -> Done:
        """`cachemon host ARGUMENTS` in this process: the start of a program takes longer than most answers."""
        out, err = StringIO(), StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = main(["host", f"--connect={self.host.uri}", f"--socket={self.agent.socket}", *arguments])
        return Done(out.getvalue(), err.getvalue(), code)

    def run(self, *arguments: str, stdin: str = "") -> Done:
        """The same as a program."""
        command = [sys.executable, "-m", "cachemon.host.commands.main", "host", f"--connect={self.host.uri}"]
        done = run([*command, f"--socket={self.agent.socket}", *arguments], seconds=_COMMAND_SECONDS, input=stdin)
        return Done(done.stdout, done.stderr, done.returncode)

    def live(self, *arguments: str, columns: int, lines: int) -> LiveProgram:
        """`cachemon host ARGUMENTS` on a terminal."""
        command = [sys.executable, "-m", "cachemon.host.commands.main", "host", f"--connect={self.host.uri}"]
        command += [f"--socket={self.agent.socket}", *arguments]
        return LiveProgram(command, os.environ, columns=columns, lines=lines)

    def tids(self, domain: str, *vcpus: int) -> frozenset[int]:
        """The threads of these vCPUs, by their names."""
        threads = self.host.threads_of(domain)
        return frozenset(next(tid for it, tid in threads.items() if it.startswith(f"CPU {n}/")) for n in vcpus)

    def mon_groups(self, prefix: str = "") -> dict[str, frozenset[int]]:
        """The threads of every mon_group whose name begins so, by its name."""
        return threads_by_mon_group(self.resctrl.mountpoint, f"{prefix}*")

    def ours(self) -> dict[str, frozenset[int]]:
        """Those of cachemon."""
        return self.mon_groups(_OURS)

    def held(self) -> set[frozenset[int]]:
        """What those of cachemon hold."""
        return set(self.ours().values())

    def inodes(self) -> dict[str, int]:
        """Which mon_groups of cachemon there are: one that is made anew under its old name has another number."""
        return {folder.name: folder.stat().st_ino for folder in self.resctrl.mountpoint.glob(f"mon_groups/{_OURS}*")}

    def until_held(self, *wanted: frozenset[int]) -> None:
        """Wait until there are mon_groups of cachemon for exactly these threads."""
        until(f"mon_groups for {wanted}", lambda: self.held() == set(wanted) and len(self.ours()) == len(wanted))

    def until_monitored(self, domain: str, group: str, vcpus: tuple[int, ...] | None = None) -> GroupReport:
        """Wait until a group is monitored, of these vCPUs if they are given, and was read."""

        def well() -> GroupReport | None:
            report = self.agent.group(domain, group)
            is_well = report and report.state == "Monitored" and report.blocks and vcpus in (None, report.vcpus)
            return report if is_well else None

        return until(f"group {group} of {domain} to be monitored", well)

    def until_judged(self, domain: str, group: str, reason: str) -> GroupReport:
        """Wait until a group has this reason not to be monitored."""

        def judged() -> GroupReport | None:
            report = self.agent.group(domain, group)
            return report if report and report.reason == reason else None

        return until(f"group {group} of {domain} to say {reason}", judged)

    def until_problem(self, domain: str) -> str:
        """Wait until something of a domain is not valid; answers what."""

        def problem() -> str:
            report = self.agent.domain(domain)
            return report.problem if report else ""

        return until(f"a problem of {domain}", problem)

    def until_grown(self, before: Mapping[Figure, tuple[Amount, Amount]]) -> None:
        """Wait until traffic has been counted since a comparison; all figures must be right at any time."""
        until("traffic", lambda: check_growth(before, self.compare()))

    def until_reported(self, *names: str) -> None:
        """Wait until the agent reports exactly these domains."""
        until(f"domains {names}", lambda: tuple(domain.name for domain in self.agent.report().domains) == names)

    @contextmanager
    def still(self) -> Iterator[tuple[HostReport, Books]]:
        """Nothing is counted meanwhile: a report that was read so, and the emulator's books."""
        self.resctrl.control.freeze()
        try:
            enough = self.agent.status()["samples"] + 2  # the first of them may have begun before
            until("the agent to read what stands still", lambda: self.agent.status()["samples"] >= enough)
            yield self.agent.report(), self.resctrl.control.books()
        finally:
            self.resctrl.control.thaw()

    def compare(self) -> Mapping[Figure, tuple[Amount, Amount]]:
        """Every figure of every group of vCPUs: what the agent says, and what the books say.

        For when the agent has reported that all is monitored: the kernel is the first to know of the end of a thread.
        Traffic begins at different moments for both; what each grows by in the same time is the same.

        Raises:
            AssertionError: an occupancy is wrong, a group is not wholly monitored, or a mon_group holds other
                threads than its groups want.
        """
        with self.still() as (report, books):
            found = dict(self._figures(report, books))
        for figure, (reported, booked) in found.items():
            assert reported.occupancy == booked.occupancy, f"{figure} says {reported}, and the books say {booked}"
        return found

    def _figures(self, report: HostReport, books: Books) -> Iterator[tuple[Figure, tuple[Amount, Amount]]]:
        for domain in report.domains:
            assert (domain.problem, domain.pid) == ("", self.host.pid_of(domain.name))
            for group in domain.groups:
                if group.vcpus is None:
                    continue
                assert group.state == "Monitored", group
                tids = self.tids(domain.name, *group.vcpus)
                holding = [it for path, it in books.groups.items() if path != "/" and tids & set(it.tids)]
                assert {tid for it in holding for tid in it.tids} == tids, f"{domain.name}/{group.group.name}"
                for block in group.blocks:
                    assert block.reading == "Valid", group
                    reported = Amount(block.occupancy_bytes or 0, block.local_bytes or 0, block.total_bytes or 0)
                    events = [it.blocks[block.id] for it in holding]
                    booked = Amount(
                        *(
                            sum(int(of[event]) for of in events)
                            for event in ("llc_occupancy", "mbm_local_bytes", "mbm_total_bytes")
                        )
                    )
                    yield (domain.name, group.group.name, group.kept, block.id), (reported, booked)


def check_growth(
    before: Mapping[Figure, tuple[Amount, Amount]], after: Mapping[Figure, tuple[Amount, Amount]]
) -> int:
    """Compare what was counted between two comparisons; answers how many bytes that were.

    Raises:
        AssertionError: a group has counted other bytes than the books have.
    """
    bytes_counted = 0
    for figure in before.keys() & after.keys():
        (reported, booked), (reported_later, booked_later) = before[figure], after[figure]
        grown = reported_later.local - reported.local, reported_later.total - reported.total
        assert grown == (booked_later.local - booked.local, booked_later.total - booked.total), figure
        bytes_counted += grown[1]
    return bytes_counted
