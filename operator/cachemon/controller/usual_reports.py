"""Reports that change no decision: an agent that was not silent has reported again, and said nothing else. Pure.

A decision holds until the time at which it was to be made again. By then the latest report is known, and so is the
next such time. So an agent that reports every two seconds costs a decision once in three periods.
"""

from dataclasses import replace

from cachemon.controller.collection import Change
from cachemon.controller.decision import StoredGroup
from cachemon.controller.node_agent import NodeAgent
from cachemon.controller.report_times import LatestReport


def is_usual_heartbeat(
    change: Change[NodeAgent], before: LatestReport | None, after: LatestReport | None, now: float
) -> bool:
    """Whether no group of a node has to be decided again.

    Args:
        change: of the node's object.
        before: its latest report before that.
        after: its latest report.
        now: monotonic seconds.
    """
    if change.before is None or change.after is None:
        return False
    same = replace(change.before, report=change.after.report) == change.after
    return same and _is_usual(before, after, change.after.period_seconds, now)


def is_usual_report(
    change: Change[StoredGroup], before: LatestReport | None, after: LatestReport | None, now: float
) -> bool:
    """Whether a group need not be decided again; arguments as for `is_usual_heartbeat`.

    While `Ready` is `Unknown`, its message has the time of the last report.
    """
    if change.before is None or change.after is None or change.after.ready == "Unknown":
        return False
    had, has = change.before, change.after
    group = replace(had.group, resource_version=has.group.resource_version, observed_time=has.group.observed_time)
    same = replace(had, group=group, report=has.report) == has
    return same and _is_usual(before, after, has.group.period_in_force, now)


def _is_usual(before: LatestReport | None, after: LatestReport | None, period_seconds: float, now: float) -> bool:
    if before is None or after is None or before.clock_problem != after.clock_problem:
        return False
    return now < before.silent_from(period_seconds) <= after.silent_from(period_seconds)
