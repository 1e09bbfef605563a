"""What a tenant sees of verdicts: a condition and a short report about its own VM. Pure.

Tenants learn no name of another namespace, no time finer than a minute, and no slowdown under 10 %.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cachemon.interference.comparisons import Stay
from cachemon.interference.evidence_text import LONGEST_EVIDENCE, MOST_PERCENT, evidence, percent
from cachemon.interference.stay_fields import newest, stay_item, stays_of
from cachemon.interference.verdict_log import NodeVerdicts
from cachemon.interference.verdicts import OTHERS, Judgement, Level, Verdict
from cachemon.model.api import UNDISTURBED, CacheMonitorGroup, ObjectName
from cachemon.model.conditions import Condition
from cachemon.model.fitted_text import fit_text
from cachemon.model.numbers import exact
from cachemon.model.reasons import Reason
from cachemon.model.times import format_time

LEAST_SHOWN_RATIO = 0.10
"""Tenants see no smaller slowdown. Small ones would show what a neighbour works on."""

_MINUTE_SECONDS = 60
_THIS_VM = "this VM"
_NOT_JUDGED: Mapping[Judgement, tuple[Reason, str]] = {
    Judgement.TOO_YOUNG: (
        Reason.TOO_YOUNG,
        "what is usual for this VM is not known yet: that takes minutes after the start of VM or agent",
    ),
    Judgement.NO_REFERENCE: (
        Reason.NO_REFERENCE,
        "the VM was too idle before to know what is usual for it",
    ),
    Judgement.GAP: (
        Reason.GAP,
        "figures of the last minutes are missing: the VM moves, its groups changed, or Monitored has the reason",
    ),
    Judgement.IDLE: (Reason.IDLE, "the VM is too idle to be disturbed noticeably"),
    Judgement.CPU_CONTENTION: (
        Reason.CPU_CONTENTION,
        "the VM waits for CPUs, which hides what cache and memory do: look at CPU limits and at the load of the node",
    ),
    Judgement.SUSPECTS_UNWATCHED: (
        Reason.SUSPECTS_UNWATCHED,
        "the VM is disturbed, and no monitored VM explains that: have more VMs of the node monitored",
    ),
}
_LEVELS: Mapping[Level, Reason] = {
    Level.TAKING_CACHE: Reason.TAKING_CACHE,
    Level.LIKELY: Reason.LIKELY,
    Level.CONFIRMED: Reason.CONFIRMED,
}


def undisturbed_condition(verdicts: NodeVerdicts, vmi: ObjectName) -> Condition:
    """Whether no other VM takes cache or memory bandwidth from a VMI."""
    if shown := _shown(verdicts, vmi):
        return Condition(UNDISTURBED, "False", _LEVELS[shown.level], _sentence(shown, vmi))
    judgement = verdicts.judgements.get(str(vmi), Judgement.GAP if verdicts.time else Judgement.TOO_YOUNG)
    if judgement in _NOT_JUDGED:
        return Condition(UNDISTURBED, "Unknown", *_NOT_JUDGED[judgement])
    return Condition(
        UNDISTURBED, "True", Reason.UNDISTURBED, "no other VM takes cache or memory bandwidth from this VM noticeably"
    )


def interference_report(verdicts: NodeVerdicts, vmi: ObjectName) -> dict[str, Any]:
    """The fields `interference` and `summary.interference` of a group's status; none while nothing is wrong."""
    shown = _shown(verdicts, vmi)
    if shown is None:
        return {}
    report: dict[str, Any] = {
        "level": str(shown.level),
        "resource": str(shown.resource),
        "since": _minute_of(verdicts.wall_time(shown.since)),
        "neighbour": _neighbour(shown, vmi),
        "evidence": _sentence(shown, vmi),
    }
    if shown.lost_bytes >= 1:
        report["bytesLost"] = exact(round(shown.lost_bytes))
    if shown.slowdown_ratio is not None:
        report["slowdownPercent"] = min(percent(shown.slowdown_ratio), MOST_PERCENT)
    return report


def typical_field(verdicts: NodeVerdicts | None, obj: CacheMonitorGroup) -> dict[str, Any]:
    """The field `typical`: what is usual for the VMI here, and what was on the node before.

    It is absent while neither is known, and where nobody judges (None). The apply removes what it lacks. So the agent
    that a VMI moves to writes the values of the node before again.
    """
    if verdicts is None:
        return {}
    others = [it for it in stays_of(obj.raw_typical) if it.node != obj.node_name and it.vmi_uid == obj.vmi_uid]
    stays = [before] if (before := newest(others)) else []
    if usual := verdicts.typical.get(str(obj.vmi)):
        dated = replace(usual, until=verdicts.wall_time(usual.until))
        stays.insert(0, Stay(obj.node_name, obj.vmi_uid, dated))
    return {"typical": [stay_item(stay) for stay in stays]} if stays else {}


def judged_at(verdicts: NodeVerdicts, now: float) -> str:
    """The minute of the verdicts, RFC 3339: the time of a condition that changes.

    Before the first window it is the minute of now, in seconds since the epoch.
    """
    return _minute_of(verdicts.wall_time(verdicts.time) if verdicts.time else now)


def _minute_of(seconds: float) -> str:
    return format_time(seconds // _MINUTE_SECONDS * _MINUTE_SECONDS)


def interference_summary(report: Mapping[str, Any]) -> str:
    """The column of a report, e.g. `Likely Cache 21%`."""
    slowdown = f" {report['slowdownPercent']}%" if "slowdownPercent" in report else ""
    return f"{report['level']} {report['resource']}{slowdown}"


def names_of_vmi(vm: str) -> dict[str, str]:
    """Namespace and name, of a name in verdicts."""
    namespace, _, name = vm.partition("/")
    return {"namespace": namespace, "name": name}


def _shown(verdicts: NodeVerdicts, vmi: ObjectName) -> Verdict | None:
    return next(
        (
            verdict
            for verdict in verdicts.of_victim(str(vmi))
            if verdict.slowdown_ratio is None or verdict.slowdown_ratio >= LEAST_SHOWN_RATIO
        ),
        None,
    )


def _sentence(verdict: Verdict, vmi: ObjectName) -> str:
    return fit_text(evidence(verdict, _THIS_VM, _neighbour(verdict, vmi)), LONGEST_EVIDENCE)


def _neighbour(verdict: Verdict, vmi: ObjectName) -> str:
    """Its name only where the tenant may see it: in the same namespace."""
    if verdict.suspect == OTHERS:
        return "others of this node"
    if verdict.suspect.startswith(f"{vmi.namespace}/"):
        return verdict.suspect
    return "another VM of this node"
