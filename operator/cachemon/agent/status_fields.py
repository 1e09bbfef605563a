"""Status fields that the agent writes to the API, from figures and states. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from cachemon.agent.block_fields import block_figures
from cachemon.agent.foreign_fields import foreign_lacking, foreign_state, foreign_status
from cachemon.agent.interference_fields import (
    interference_report,
    interference_summary,
    judged_at,
    typical_field,
    undisturbed_condition,
)
from cachemon.agent.targets import BoundTargetLayout
from cachemon.agent.telemetry_fields import package_fields
from cachemon.engine.figures import Figures
from cachemon.engine.layout import GroupLayout, GroupState
from cachemon.model.api import MONITORED
from cachemon.model.conditions import Condition, render_condition
from cachemon.model.fitted_text import LONGEST_COLUMN, fit_items, fit_text, printable
from cachemon.model.group_limit import MOST_GROUPS
from cachemon.model.groups import GroupKey, MonitoringGroup
from cachemon.model.readings import Missing, Reading, total
from cachemon.model.reasons import Reason
from cachemon.model.times import format_time
from cachemon.model.units import format_bytes, format_rate

LONGEST_MESSAGE = 1024
LONGEST_CONDITION = 4096
NOTABLE_AGE_SECONDS = 3.0
HIGHEST_AGE_SECONDS = 86_400  # of the schema


def monitored_condition(layout: BoundTargetLayout, period_seconds: int = 0) -> Condition:
    """Whether every group of the object is fully monitored; else which group is not, and why.

    Args:
        layout: the states of the object's groups.
        period_seconds: time between two writes. The message explains one longer than the spec asks for.
    """
    condition = _states_condition(layout)
    wanted = layout.object.status_period_seconds
    if period_seconds <= wanted:
        return condition
    slow = (
        f"; renewed every {period_seconds} s instead of {wanted} s: writing the groups of this namespace takes more "
        "than its share of what the node's agent may write; ask for longer periods (`spec.statusPeriodSeconds`)"
    )
    return replace(condition, message=fit_text(condition.message, LONGEST_CONDITION - len(slow)) + slow)


def _states_condition(layout: BoundTargetLayout) -> Condition:
    problem = layout.object.problem
    if problem:
        return Condition(MONITORED, "False", Reason.INVALID_SPEC, f"{_printable(problem)}; correct spec.groups")
    lacking = [
        (group.reason, f"{group.group.name}: {group.message}") for group in layout.groups if group.reason is not None
    ]
    if refused := layout.target.refused:
        lacking.insert(0, (Reason.TOO_MANY_GROUPS, _refusal(len(refused), len(layout.groups) + len(refused))))
    if not lacking:
        return Condition(MONITORED, "True", Reason.MONITORED, f"{_count(layout.groups)} monitored")
    messages = fit_items([_printable(message) for _, message in lacking], LONGEST_CONDITION, "; ")
    return Condition(MONITORED, "False", lacking[0][0], messages)


def _refusal(refused: int, of: int) -> str:
    return (
        f"{refused} of {of} groups are refused: a VMI has at most {MOST_GROUPS} groups over all its "
        "CacheMonitorGroups, those of policies first, then those of the oldest objects; delete groups that "
        "nobody needs"
    )


def _printable(text: str) -> str:
    """Fit the text to the schema's limit; "?" replaces control characters, which others' mon_groups may contain."""
    return printable(fit_text(text, LONGEST_MESSAGE))


class Signature(NamedTuple):
    """A change of it makes a report urgent.

    Attributes:
        state: the groups, their states, whether the VMI is disturbed, and the generation of the spec.
        lacking: the missing figures with their reasons.
    """

    state: tuple[object, ...]
    lacking: tuple[object, ...]


def signature(layout: BoundTargetLayout, figures: Figures) -> Signature:
    """The signature of an object's report. Derives figures only for groups that lack one."""
    state = tuple(
        (group.group.name, group.state, group.reason, group.message, group.vcpus, group.threads, foreign_state(group))
        for group in layout.groups
    )
    refused = tuple(group.name for group in layout.target.refused)
    whole = (layout.object.generation, refused, _judged(layout, figures), *state)
    lacking = (*_lacking(layout, figures), *_unread(layout, figures), *foreign_lacking(layout.groups, figures))
    return Signature(whole, lacking)


def _judged(layout: BoundTargetLayout, figures: Figures) -> object:
    """What of a verdict is worth a report at once."""
    if (verdicts := figures.minute_verdicts) is None:
        return None
    vmi = layout.object.vmi
    condition, report = undisturbed_condition(verdicts, vmi), interference_report(verdicts, vmi)
    return condition.status, condition.reason, *map(report.get, ("since", "resource", "neighbour"))


def _lacking(layout: BoundTargetLayout, figures: Figures) -> Iterable[object]:
    for group in layout.groups:
        key = GroupKey(layout.uid, group.group.name)
        for block in figures.groups.get(key, ()) if key in figures.lacking else ():
            if isinstance(block.occupancy, Missing):
                yield group.group.name, block.block.id, block.occupancy
            for event, traffic in block.traffic.items():
                if traffic.bytes_per_second is None:
                    yield group.group.name, block.block.id, event


def _unread(layout: BoundTargetLayout, figures: Figures) -> Iterable[str]:
    """Groups that have mon_groups, and no figures of them yet."""
    keys = (GroupKey(layout.uid, group.group.name) for group in layout.groups)
    return (key.group for key in keys if key in figures.unread)


def read_fields(figures: Figures, age_seconds: float) -> dict[str, Any]:
    """When figures were read; the age is absent while what the API server notes of the write serves as well."""
    age = (
        {"figuresAgeSeconds": min(HIGHEST_AGE_SECONDS, int(age_seconds))}
        if age_seconds >= NOTABLE_AGE_SECONDS
        else {}
    )
    return {"observedTime": format_time(figures.wall_time)} | age


def group_status(
    layout: BoundTargetLayout,
    figures: Figures,
    now: str,
    *,
    period_seconds: int | None = None,
    age_seconds: float = 0.0,
) -> dict[str, Any]:
    """The agent's complete part of a CacheMonitorGroup's status: the apply removes fields that it lacks.

    Args:
        layout: the states of the object's groups.
        figures: the newest sample.
        now: RFC 3339, the time of a condition that changes.
        period_seconds: time between two writes; None for the period in the spec.
        age_seconds: of the sample.
    """
    obj = layout.object
    period_seconds = period_seconds or obj.status_period_seconds
    conditions, report = [(monitored_condition(layout, period_seconds), now)], dict[str, Any]()
    if (verdicts := figures.minute_verdicts) is not None:
        report = interference_report(verdicts, obj.vmi)
        conditions.append((undisturbed_condition(verdicts, obj.vmi), judged_at(verdicts, figures.wall_time)))
    unread = frozenset(_unread(layout, figures))
    has_no_figures = unread and all(group.group.name in unread for group in layout.groups if group.mon_groups)
    status = ({} if has_no_figures else read_fields(figures, age_seconds)) | {
        "statusPeriodSeconds": period_seconds,
        "summary": _summary(layout, figures) | ({"interference": interference_summary(report)} if report else {}),
        "groups": [
            *(_group(group, GroupKey(layout.uid, group.group.name), figures) for group in layout.groups),
            *map(_refused_group, layout.target.refused),
        ],
        "conditions": [
            render_condition(condition, before=obj.raw_conditions, generation=obj.generation, now=since)
            for condition, since in conditions
        ],
    }
    return status | ({"interference": report} if report else {}) | typical_field(verdicts, obj)


def _summary(layout: BoundTargetLayout, figures: Figures) -> dict[str, str]:
    monitored = sum(group.state is GroupState.MONITORED for group in layout.groups)
    summary = {"groups": f"{monitored}/{len(layout.groups) + len(layout.target.refused)}"}
    by_block = figures.objects.get(layout.uid, {})
    if by_block:
        summary["blocks"] = _blocks(by_block)
        occupancy = total(by_block.values())
        if not isinstance(occupancy, Missing):
            summary["occupancy"] = format_bytes(occupancy)
    rate = figures.rates.get(layout.uid)
    if rate is not None:
        summary["memoryBandwidth"] = format_rate(rate)
    return summary


def _blocks(by_block: Mapping[int, Reading]) -> str:
    shown = [
        f"{id_}={reading if isinstance(reading, Missing) else format_bytes(reading)}"
        for id_, reading in by_block.items()
    ]
    return fit_items(shown, LONGEST_COLUMN)


def _group(layout: GroupLayout, key: GroupKey, figures: Figures) -> dict[str, Any]:
    status: dict[str, Any] = {"name": layout.group.name, "state": str(layout.state), "threads": layout.threads}
    if layout.group.wants_vcpus:
        status["vcpus"] = list(layout.vcpus)
    if layout.reason:
        status["reason"] = layout.reason
        status["message"] = _printable(layout.message)
    if blocks := block_figures(figures.groups.get(key, ()), figures.shares.get(key, ())):
        status["cacheBlocks"] = blocks
    if packages := package_fields(figures.packages.get(key, ())):
        status["packages"] = packages
    return status | foreign_status(layout, figures)


def _refused_group(group: MonitoringGroup) -> dict[str, Any]:
    """The shortest form: a tenant may have any number of them, and the condition has the message."""
    return {"name": group.name, "state": str(GroupState.REFUSED), "reason": str(Reason.TOO_MANY_GROUPS)}


def _count(groups: Iterable[object]) -> str:
    return "1 group" if (number := len(tuple(groups))) == 1 else f"{number} groups"
