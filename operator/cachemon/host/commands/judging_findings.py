"""What `diagnose` finds about verdicts: whether they are on, what measures work, which are open. Pure."""

from collections.abc import Iterator
from shlex import quote

from cachemon.commands.findings import CheckResult, Finding, limited
from cachemon.host.commands.host_evidence import AgentEvidence
from cachemon.model.telemetry import PERF_EVENTS

_SHOWN = 10
_SWITCH_ON = (
    "sudo systemctl edit cachemon-host, and below [Service] Environment=CACHEMON_HOST_INTERFERENCE=true; then "
    "sudo systemctl restart cachemon-host"
)
_PERF = "docs/interference.md, Count work by perf"


def judging_findings(agent: AgentEvidence, program: str) -> Iterator[Finding]:
    """The findings; none without the agent, which alone knows.

    Args:
        agent: what it says.
        program: how a person calls this program for the same host.
    """
    if agent.status is None:
        return
    judging = agent.status.judging
    if not judging.is_judging:
        message = "off: the agent does not judge which domain disturbs which"
        yield Finding(CheckResult.NOTE, "interference", message, _SWITCH_ON)
        return
    verdicts = [item for block in agent.verdicts.get("cacheBlocks", ()) for item in block["verdicts"]]
    victims = sorted({str(item["victim"]) for item in verdicts if not item.get("until")})
    if not victims:
        yield Finding(CheckResult.WORKS, "interference", "on, and no domain is disturbed now")
    disturbed = [
        Finding(CheckResult.NOTE, "interference", f"{name} is disturbed", f"{program} why {quote(name)}")
        for name in victims
    ]
    yield from limited(disturbed, _SHOWN, Finding(CheckResult.NOTE, "interference", "more domains are disturbed"))
    yield _work(agent)


def _work(agent: AgentEvidence) -> Finding:
    """What measures whether a domain is slower."""
    assert agent.status
    telemetry, judging = agent.status.node.telemetry, agent.status.judging
    if telemetry and any(event in telemetry.events for event in PERF_EVENTS):
        return Finding(CheckResult.WORKS, "work", "telemetry of the CPU packages measures it")
    if not judging.perf:
        message = "nothing measures it, so no verdict says that a domain is slower; perf is off"
        return Finding(CheckResult.NOTE, "work", message, _PERF)
    if judging.perf_problem:
        return Finding(CheckResult.NOTE, "work", f"perf does not measure it: {judging.perf_problem}", _PERF)
    return Finding(CheckResult.WORKS, "work", "perf measures it, 10 s of each minute")
