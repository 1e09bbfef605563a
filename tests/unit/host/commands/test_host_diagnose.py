import asyncio
import io
import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from cachemon.commands.findings import CheckResult, Finding
from cachemon.commands.telemetry_needs import Platform
from cachemon.engine.layout import NodeFacts
from cachemon.host.agent_status import JudgingStatus
from cachemon.host.commands import host_diagnose
from cachemon.host.commands.host_arguments import build_parser
from cachemon.host.commands.host_evidence import AgentEvidence, HostEvidence, Probes
from cachemon.host.commands.host_findings import examine
from cachemon.host.commands.host_session import Connect, HostLibvirt, HostSession
from cachemon.host.commands.kernel_evidence import KernelEvidence
from cachemon.host.commands.service_unit import ServiceUnit, parse_unit
from cachemon.host.libvirt_uri import DEFAULT_URI, host_of_uri
from cachemon.model.errors import LibvirtUnreachableError, MonitoringUnavailableError
from cachemon.model.mon_groups import MonGroupName
from cachemon.model.reasons import Reason
from cachemon.model.telemetry import Package, Telemetry
from tests.unit.host.commands.fake_host import NOW, Host, block, elsewhere, group

NOT_MOUNTED = MonitoringUnavailableError(
    Reason.RESCTRL_NOT_MOUNTED, "resctrl is not mounted at /sys/fs/resctrl; mount it on the node: mount -t ..."
)
INSTALLED = ServiceUnit("loaded", "active", "running", "success")


@dataclass
class Diagnosis:
    """`cachemon host diagnose` on a host whose kernel and service are these."""

    host: Host = field(default_factory=Host)
    kernel: KernelEvidence = field(default_factory=KernelEvidence)
    unit: ServiceUnit = field(default_factory=ServiceUnit)
    read: list[Path] = field(default_factory=list)
    connect: Connect | None = None
    kernel_seconds: float = 0.0
    now: float = NOW

    def run(self, code: int, *arguments: str) -> str:
        """What it prints; it must end with this code."""
        out = io.StringIO()
        agent = self.host.other_agent() if self.host.other_agent else self.host.agent
        connect = self.connect or self.host.libvirt.connect
        session = HostSession(connect, agent, self.host.uri, out=out, clock=lambda: self.now)
        args = build_parser().parse_args(["host", "diagnose", *arguments])
        assert asyncio.run(host_diagnose.run(args, session, Probes(self._kernel, self._unit))) == code, out.getvalue()
        return out.getvalue()

    def _kernel(self, root: Path) -> KernelEvidence:
        self.read.append(root)
        self.now += self.kernel_seconds
        return self.kernel

    async def _unit(self) -> ServiceUnit:
        return self.unit


@pytest.fixture
def diagnosis() -> Diagnosis:
    """A host where everything works."""
    made = Diagnosis(unit=INSTALLED)
    made.host.libvirt.put(groups=[group("web", "0-2")])
    made.host.agent.blocks = {"web": (block(0, 5),)}
    return made


def refusing(error: Exception) -> Connect:
    def connect(*, read_only: bool) -> HostLibvirt:
        assert read_only
        raise error

    return connect


def test_a_host_where_everything_works(diagnosis: Diagnosis) -> None:
    status = diagnosis.host.agent.status_of_itself
    judging = JudgingStatus(is_judging=True, perf=True)
    diagnosis.host.agent.status_of_itself = replace(status, judging=judging)
    assert diagnosis.run(0).splitlines() == [
        "Host kvm1",
        "  ok    libvirt: it answers: 1 of 1 domains run",
        "  ok    agent: version 0.1.0, figures read 2s ago",
        "  ok    resctrl: mounted at /sys/fs/resctrl, events llc_occupancy, mbm_total_bytes, mbm_local_bytes",
        "  ok    RMIDs: 64 in all, 2 ours, 1 others', 61 free or waiting for reuse",
        "  ok    groups: 1 of 1 domains, all Monitored",
        "  ok    interference: on, and no domain is disturbed now",
        "  ok    work: perf measures it, 10 s of each minute",
    ]


def test_a_kernel_that_takes_long_to_answer_makes_no_figures_old(diagnosis: Diagnosis) -> None:
    diagnosis.kernel_seconds = 60
    assert "ok    agent: version 0.1.0, figures read 2s ago" in diagnosis.run(0)


def test_libvirt_that_is_away_hides_nothing_else(diagnosis: Diagnosis) -> None:
    diagnosis.connect = refusing(
        LibvirtUnreachableError("qemu:///system does not answer: no socket; check that it runs")
    )
    shown = diagnosis.run(1)
    assert "FAIL  libvirt: qemu:///system does not answer: no socket\n        -> check that it runs" in shown
    assert "ok    groups: 1 of 1 domains" in shown


def test_missing_bindings_of_libvirt_are_a_finding(diagnosis: Diagnosis) -> None:
    diagnosis.connect = refusing(ModuleNotFoundError("No module named 'libvirt'", name="libvirt"))
    assert "are not installed\n        -> pip install 'cachemon[libvirt]'" in diagnosis.run(1)


@pytest.mark.parametrize(
    ("unit", "says", "advice"),
    [
        (
            ServiceUnit("not-found", "inactive", "dead"),
            "service is not installed",
            "cachemon host agent --print-unit",
        ),
        (ServiceUnit("loaded", "inactive", "dead", "success"), "is inactive (dead)", "sudo systemctl start cachemon"),
        (
            ServiceUnit("loaded", "failed", "failed", "exit-code"),
            "its last run ended with exit-code",
            "journalctl -u",
        ),
        (ServiceUnit("loaded", "activating", "auto-restart", "signal"), "is activating (auto-restart)", "journalctl"),
        (INSTALLED, "cachemon-host.service is active (running)", "journalctl -u cachemon-host"),
    ],
)
def test_an_agent_that_is_down_is_what_systemd_says_of_it(
    diagnosis: Diagnosis, unit: ServiceUnit, says: str, advice: str
) -> None:
    diagnosis.host.agent.away, diagnosis.unit = True, unit
    shown = diagnosis.run(1)
    assert says in shown
    assert f"-> {advice}" in shown
    assert "ok    libvirt" in shown
    assert "groups" not in shown


def test_without_systemd_the_socket_alone_says_what_is_wrong(diagnosis: Diagnosis) -> None:
    diagnosis.host.agent.away, diagnosis.unit = True, ServiceUnit()
    assert "FAIL  agent: nobody answers at /run/cachemon/host.sock\n" in diagnosis.run(1)


def test_without_the_agent_the_kernel_itself_is_read(diagnosis: Diagnosis) -> None:
    diagnosis.host.agent.away = True
    diagnosis.kernel = KernelEvidence(NodeFacts(num_rmids=16, events=("llc_occupancy",), other_rmids=15))
    shown = diagnosis.run(1, "--resctrl=/mnt/resctrl")
    assert diagnosis.read == [Path("/mnt/resctrl")]
    assert "ok    resctrl: mounted at /mnt/resctrl, events llc_occupancy\n" in shown
    assert "note  bandwidth: this CPU does not count mbm_total_bytes and mbm_local_bytes" in shown
    assert "note  RMIDs: 16 in all, 0 ours, 15 others', 1 free" in shown
    assert "        -> ls -d /sys/fs/resctrl/mon_groups/*" in shown


@pytest.mark.parametrize(("has", "says"), [(True, "/etc/fstab"), (False, "offers no monitoring"), (None, "mount -t")])
def test_resctrl_that_is_not_mounted_can_be_mounted_or_not(
    diagnosis: Diagnosis, *, has: bool | None, says: str
) -> None:
    diagnosis.host.agent.away = True
    diagnosis.kernel = KernelEvidence(NodeFacts(unavailable=NOT_MOUNTED), has_file_system=has)
    shown = diagnosis.run(1)
    assert "FAIL  resctrl: resctrl is not mounted at /sys/fs/resctrl" in shown
    assert says in shown


def test_an_agent_without_resctrl_says_so_once(diagnosis: Diagnosis) -> None:
    status = diagnosis.host.agent.status_of_itself
    lacking = replace(status, node=NodeFacts(unavailable=NOT_MOUNTED), problem=str(NOT_MOUNTED))
    diagnosis.host.agent.status_of_itself = lacking
    shown = diagnosis.run(1)
    assert shown.count("is not mounted") == 1
    assert "ok    agent" in shown


def test_a_user_without_rights_gets_the_group_of_the_socket(diagnosis: Diagnosis, tmp_path: Path) -> None:
    diagnosis.host.agent.away = diagnosis.host.agent.denied = True
    diagnosis.host.agent.listens_at = tmp_path / "host.sock"
    diagnosis.host.agent.listens_at.touch()
    group_name = diagnosis.host.agent.listens_at.group()
    advice = "sudo cachemon host diagnose; or let" if group_name == "root" else f"sudo usermod -aG {group_name} $USER"
    shown = diagnosis.run(1)
    assert f"        -> {advice}" in shown
    assert "cachemon-host.service" not in shown, "systemd is asked where nobody answers"


@pytest.mark.parametrize(
    ("group_name", "advice"),
    [
        ("root", "sudo cachemon host diagnose; or let others ask: docs/guides/plain-libvirt-host.md"),
        ("libvirt", "sudo usermod -aG libvirt $USER, and log in again; or sudo cachemon host diagnose"),
    ],
)
def test_what_a_user_without_rights_can_do_depends_on_the_group(group_name: str, advice: str) -> None:
    agent = AgentEvidence(problem="no right to connect to /run/s; run this as root", socket_group=group_name)
    evidence = HostEvidence(host_of_uri(DEFAULT_URI), (), "", agent, None, Path("/sys/fs/resctrl"))
    found = examine(evidence, "cachemon host")
    assert Finding(CheckResult.FAILS, "agent", "no right to connect to /run/s", advice) in found


def test_figures_that_are_old_and_an_agent_of_another_version(diagnosis: Diagnosis) -> None:
    diagnosis.host.agent.observed_time = "2026-09-21T14:00:00Z"
    diagnosis.host.agent.status_of_itself = replace(diagnosis.host.agent.status_of_itself, version="0.0.9")
    shown = diagnosis.run(1)
    assert "note  agent: it is version 0.0.9, and this program is 0.1.0" in shown
    assert "FAIL  agent: the figures are 13m old" in shown


def test_a_problem_of_the_agent_is_split_into_facts_and_advice(diagnosis: Diagnosis) -> None:
    problem = "another agent works on /sys/fs/resctrl, and this one waits for its end; ask that one"
    diagnosis.host.agent.status_of_itself = replace(diagnosis.host.agent.status_of_itself, problem=problem)
    assert "this one waits for its end\n        -> ask that one" in diagnosis.run(1)


def test_groups_that_are_not_monitored_say_why_and_what_to_type(diagnosis: Diagnosis) -> None:
    diagnosis.host.agent.states["web"] = ("Waiting", "OutOfRMIDs", "needs 2, 0 are free; use fewer groups")
    shown = diagnosis.run(1)
    assert "FAIL  group vm3/web: OutOfRMIDs: needs 2, 0 are free\n" in shown
    assert "-> use fewer groups; cachemon host cpu-resource vm3 -o wide" in shown


def test_many_groups_that_are_not_monitored_are_counted(diagnosis: Diagnosis) -> None:
    names = [f"g{number}" for number in range(13)]
    diagnosis.host.libvirt.put(groups=[group(name, "0") for name in names])
    diagnosis.host.agent.states = dict.fromkeys(names, ("Waiting", "OutOfRMIDs", "needs 1"))
    shown = diagnosis.run(1)
    assert shown.count("OutOfRMIDs") == 10
    assert "FAIL  groups: 3 more have a problem" in shown


def test_readings_without_a_number_are_notes(diagnosis: Diagnosis) -> None:
    diagnosis.host.agent.blocks["web"] = (block(8, None),)
    assert "note  group vm3/web: cache block 8 reads Unavailable" in diagnosis.run(0)


def test_a_domain_without_groups_is_a_note_with_the_command(diagnosis: Diagnosis) -> None:
    diagnosis.host.libvirt.put("odd name")
    shown = diagnosis.run(0)
    assert "note  domain odd name: it runs without a group" in shown
    assert "-> cachemon host cpu-resource 'odd name' --create --vcpulist all" in shown


def test_a_domain_that_the_agent_does_not_know(diagnosis: Diagnosis) -> None:
    diagnosis.host.agent.knows = False
    assert "FAIL  domain vm3: it runs, and the agent does not know of it" in diagnosis.run(1)


def test_a_domain_whose_metadata_is_not_valid(diagnosis: Diagnosis) -> None:
    diagnosis.host.agent.problem_of_domains = "its metadata has a group without a name; correct it"
    assert "FAIL  domain vm3: its metadata has a group without a name\n        -> correct it" in diagnosis.run(1)


def test_groups_of_other_programs_and_of_libvirt(diagnosis: Diagnosis) -> None:
    names = MonGroupName("", "qemu-1-vm3-vcpus_0"), MonGroupName("", "pqos"), MonGroupName("web", "")
    diagnosis.kernel = KernelEvidence(NodeFacts(num_rmids=64), others=names)
    shown = diagnosis.run(0)
    assert "ok    others: 1 mon_group of libvirt's own monitors" in shown
    assert "note  others: /mon_groups/pqos is a group of another program" in shown
    assert "-> cat /sys/fs/resctrl/mon_groups/pqos/tasks" in shown
    assert "-> cat /sys/fs/resctrl/web/tasks" in shown


@pytest.mark.parametrize(
    ("judging", "says"),
    [
        (JudgingStatus(), "note  interference: off: the agent does not judge"),
        (JudgingStatus(is_judging=True), "note  work: nothing measures it"),
        (
            JudgingStatus(is_judging=True, perf=True, perf_problem="not permitted"),
            "does not measure it: not permitted",
        ),
    ],
)
def test_interference_and_what_measures_work(diagnosis: Diagnosis, judging: JudgingStatus, says: str) -> None:
    diagnosis.host.agent.status_of_itself = replace(diagnosis.host.agent.status_of_itself, judging=judging)
    assert says in diagnosis.run(0)


def test_telemetry_measures_work(diagnosis: Diagnosis) -> None:
    status = diagnosis.host.agent.status_of_itself
    telemetry = Telemetry(64, ("unhalted_core_cycles", "uops_retired"))
    node = replace(status.node, telemetry=telemetry, packages=(Package(0), Package(1)))
    diagnosis.host.agent.status_of_itself = replace(status, node=node, judging=JudgingStatus(is_judging=True))
    shown = diagnosis.run(0)
    assert "ok    telemetry: unhalted_core_cycles, uops_retired of 2 CPU packages" in shown
    assert "-> boot the host with rdt=energy" in shown
    assert "ok    work: telemetry of the CPU packages measures it" in shown


def test_what_telemetry_needs_is_said_of_the_host(diagnosis: Diagnosis) -> None:
    platform = Platform("host", "7.0.3-1-amd64", "x86_64", "GenuineIntel")
    diagnosis.kernel = KernelEvidence(platform=platform)
    assert "-> on such a CPU: boot the host with rdt=energy,perf" in diagnosis.run(0)


def test_a_domain_that_is_disturbed_has_its_page(diagnosis: Diagnosis) -> None:
    judging = JudgingStatus(is_judging=True, perf=True)
    diagnosis.host.agent.status_of_itself = replace(diagnosis.host.agent.status_of_itself, judging=judging)
    verdicts = [{"victim": "vm3"}, {"victim": "vm4", "until": "2026-09-21T14:00:00Z"}]
    diagnosis.host.agent.judged = {"isJudging": True, "cacheBlocks": [{"id": 0, "verdicts": verdicts}]}
    shown = diagnosis.run(0)
    assert "note  interference: vm3 is disturbed\n        -> cachemon host why vm3" in shown
    assert "vm4" not in shown


def test_of_another_host_only_what_answers_is_found(diagnosis: Diagnosis) -> None:
    diagnosis.host.uri = "qemu+ssh://root@kvm2/system"
    diagnosis.host.other_agent = lambda: elsewhere(diagnosis.host.uri)
    shown = diagnosis.run(1)
    assert shown.startswith("Host root@kvm2\n")
    assert "FAIL  agent: figures and --live groups are with the agent on root@kvm2" in shown
    assert "-> forward its socket with `ssh -fnNT -L" in shown
    assert diagnosis.read == []


def test_findings_come_as_data_too(diagnosis: Diagnosis) -> None:
    data = json.loads(diagnosis.run(0, "-o", "json"))
    assert data["host"]
    assert data["findings"][0] == {
        "verdict": "ok",
        "what": "libvirt",
        "message": "it answers: 1 of 1 domains run",
        "next": "",
    }


def test_lines_of_systemctl_are_read() -> None:
    text = "Result=exit-code\nLoadState=loaded\nActiveState=failed\nSubState=failed\n"
    assert parse_unit(text) == ServiceUnit("loaded", "failed", "failed", "exit-code")
    assert parse_unit("") == ServiceUnit()
