"""`Ready`: bound, monitored, and fresh. Pure.

A live migration changes the node of a group and nothing else. The source's last figures stay, and stay valid, until
the target's arrive or time makes them stale, so a migration causes no gap. Whenever the group was bound to no node,
or to another VMI, the old figures are withdrawn (`decision`) and the group waits for new ones.

A clock that is off makes no figures old (`report_times`). `Ready` stays as it is, and its message names the clock.
"""

from dataclasses import dataclass

from cachemon.controller.binding import Binding
from cachemon.controller.report_times import LatestReport
from cachemon.model.api import MONITORED, READY, CacheMonitorGroup
from cachemon.model.conditions import Condition
from cachemon.model.fitted_text import fit_text
from cachemon.model.reasons import Reason

_LONGEST_QUOTE = 4000


@dataclass(frozen=True, slots=True)
class Readiness:
    """The condition, and when it changes without any event (monotonic seconds), or None for never."""

    ready: Condition
    changes_at: float | None = None


def judge(
    group: CacheMonitorGroup,
    binding: Binding,
    now: float,
    *,
    latest: LatestReport | None,
    figures_count: bool = True,
    clock_problem: str | None = None,
) -> Readiness:
    """Whether the group's figures are complete and fresh now, in monotonic seconds.

    `figures_count` is False when the figures in the object are not those of this binding. `clock_problem` says what
    is wrong with the node's clock, for the message.
    """
    bound, period_seconds = binding.bound, group.period_in_force
    monitored = group.conditions.get(MONITORED) if figures_count else None
    latest = latest if figures_count else None
    silent_at = None if latest is None else latest.silent_from(period_seconds)
    had_figures = monitored is not None and latest is not None
    if not bound.is_true and not (bound.reason == Reason.NO_AGENT and had_figures):
        return Readiness(_copy(bound))
    if monitored is None:
        message = (
            f"bound to node `{binding.node_name}`; its agent has not reported this group yet. "
            "If it stays so, look at that agent's log"
        )
        return Readiness(Condition(READY, "False", Reason.WAITING_FOR_AGENT, message))
    if silent_at is not None and (now >= silent_at or not bound.is_true):
        message = (
            f"no figures from the agent of node `{binding.node_name}` since {group.observed_time}; "
            "the figures here are of that time. Look at the agent's pod"
        )
        return Readiness(Condition(READY, "Unknown", Reason.AGENT_NOT_REPORTING, _with(message, clock_problem)))
    if not monitored.is_true:
        return Readiness(_copy(monitored), silent_at)
    if latest is None:
        message = (
            f"monitored on node `{binding.node_name}`, and its counters are being read for the first time; if it "
            "stays so, look at that node's `cachemon_agent_sample_seconds_total`"
        )
        return Readiness(Condition(READY, "False", Reason.WAITING_FOR_FIGURES, message))
    message = (
        f"the agent renewed the figures every {period_seconds} s when this was written; "
        "status.observedTime says when it last did"
    )
    return Readiness(Condition(READY, "True", Reason.FIGURES_FRESH, _with(message, clock_problem)), silent_at)


def _with(message: str, clock_problem: str | None) -> str:
    return f"{message}. But {clock_problem}" if clock_problem else message


def _copy(cause: Condition) -> Condition:
    return Condition(READY, cause.status, cause.reason, fit_text(cause.message, _LONGEST_QUOTE))
