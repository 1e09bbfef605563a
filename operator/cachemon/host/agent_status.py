"""The answer of the agent's socket about itself, as a value and as JSON. Pure.

    {"version": "0.1.0", "host": "kvm1", "libvirt": "qemu:///system", "resctrl": "/sys/fs/resctrl", "problem": "",
     "domains": 2, "rmids": {"total": 64, "ours": 2, "others": 1}, "samples": 17, "reconciles": 9,
     "unavailable": null, "events": ["llc_occupancy"], "assignMode": null, "unreadResources": [], "telemetry": null,
     "interference": {"isJudging": true, "perf": false, "perfProblem": ""}}

Agents of other versions lack fields: these are then as if the kernel offered nothing and nobody judged.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cachemon.engine.layout import NodeFacts
from cachemon.model.errors import InvalidInputError, MonitoringUnavailableError
from cachemon.model.reasons import Reason
from cachemon.model.telemetry import Package, Telemetry


@dataclass(frozen=True, slots=True)
class JudgingStatus:
    """Whether the agent judges which domain disturbs which.

    Attributes:
        is_judging: whether it does.
        perf: whether perf counts work for that.
        perf_problem: why perf counts nothing, or less than it should; empty while it does.
    """

    is_judging: bool = False
    perf: bool = False
    perf_problem: str = ""


@dataclass(frozen=True, slots=True)
class AgentStatus:
    """The agent and what it works with.

    Attributes:
        version: of the agent.
        host: its name; empty where an older agent does not say.
        libvirt: the URI that it is connected to.
        resctrl: the mount point that it reads.
        problem: what keeps it from its work, or empty.
        domains: how many run.
        node: what the kernel offers; without its blocks and control groups.
        judging: whether it judges.
        reconciles: passes of its loop that makes mon_groups.
        samples: how often it has read the counters.
    """

    version: str
    host: str
    libvirt: str
    resctrl: str
    problem: str
    domains: int
    node: NodeFacts = field(default_factory=NodeFacts)
    judging: JudgingStatus = field(default_factory=JudgingStatus)
    reconciles: int = 0
    samples: int = 0


def render_status(status: AgentStatus) -> dict[str, Any]:
    """As JSON."""
    node, judging = status.node, status.judging
    return {
        "version": status.version,
        "host": status.host,
        "libvirt": status.libvirt,
        "resctrl": status.resctrl,
        "problem": status.problem,
        "domains": status.domains,
        "rmids": {"total": node.num_rmids, "ours": node.own_mon_groups, "others": node.other_rmids},
        "reconciles": status.reconciles,
        "samples": status.samples,
        "unavailable": node.unavailable
        and {"reason": str(node.unavailable.reason), "message": str(node.unavailable)},
        "events": list(node.events),
        "assignMode": node.assign_mode,
        "unreadResources": list(node.unread_resources),
        "telemetry": node.telemetry
        and {
            "rmids": node.telemetry.num_rmids,
            "events": list(node.telemetry.events),
            "packages": [package.id for package in node.packages],
        },
        "interference": {
            "isJudging": judging.is_judging,
            "perf": judging.perf,
            "perfProblem": judging.perf_problem,
        },
    }


def parse_status(answer: Mapping[str, Any]) -> AgentStatus:
    """From JSON.

    Raises:
        InvalidInputError: this is no status: another program answers.
    """
    try:
        judging = answer.get("interference", {})
        return AgentStatus(
            version=str(answer["version"]),
            host=str(answer.get("host", "")),
            libvirt=str(answer["libvirt"]),
            resctrl=str(answer["resctrl"]),
            problem=str(answer["problem"]),
            domains=int(answer["domains"]),
            node=_node(answer),
            judging=JudgingStatus(
                bool(judging.get("isJudging")), bool(judging.get("perf")), str(judging.get("perfProblem", ""))
            ),
            reconciles=int(answer.get("reconciles", 0)),
            samples=int(answer.get("samples", 0)),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as err:
        raise InvalidInputError(
            f"the answer is no status of cachemon's agent ({err!r}); restart it: systemctl restart cachemon-host"
        ) from err


def _node(answer: Mapping[str, Any]) -> NodeFacts:
    rmids, telemetry, unavailable = answer["rmids"], answer.get("telemetry"), answer.get("unavailable")
    return NodeFacts(
        unavailable=unavailable
        and MonitoringUnavailableError(Reason(unavailable["reason"]), str(unavailable["message"])),
        num_rmids=int(rmids["total"]),
        events=tuple(map(str, answer.get("events", ()))),
        assign_mode=answer.get("assignMode"),
        own_mon_groups=int(rmids["ours"]),
        other_rmids=int(rmids["others"]),
        telemetry=telemetry and Telemetry(int(telemetry["rmids"]), tuple(map(str, telemetry["events"]))),
        packages=tuple(Package(int(id_)) for id_ in telemetry["packages"]) if telemetry else (),
        unread_resources=tuple(map(str, answer.get("unreadResources", ()))),
    )
