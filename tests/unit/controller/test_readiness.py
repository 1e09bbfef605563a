from typing import Any

import pytest

from cachemon.controller.binding import Binding, bind
from cachemon.controller.node_agent import NodeAgent
from cachemon.controller.readiness import judge
from cachemon.controller.report_times import LatestReport
from cachemon.model.age import ALLOWANCE_SECONDS
from cachemon.model.api import ObjectName
from tests.unit.controller.builders import NOW, agent, figures, group, latest_report, pod, vmi

SEEN = latest_report()
STALE = NOW + 180 + ALLOWANCE_SECONDS


def binding(agents: dict[str, NodeAgent] | None = None, now: float = NOW) -> Binding:
    agents = {"a": agent(seen=10**6)} if agents is None else agents
    return bind(ObjectName("tenant", "vm"), vmi(), [pod("p1", "a")], agents, now)


def judged(
    status: dict[str, Any] | None,
    now: float = NOW,
    bound: Binding | None = None,
    *,
    seen: LatestReport | None = SEEN,
) -> tuple[str, str]:
    ready = judge(group(status), bound or binding(), now, latest=seen).ready
    return ready.status, ready.reason


def test_fresh_figures_of_a_monitored_group_are_ready() -> None:
    assert judged(figures()) == ("True", "FiguresFresh")


def test_a_group_that_is_bound_and_has_no_figures_waits_for_its_agent() -> None:
    assert judged(None) == ("False", "WaitingForAgent")
    assert judge(group(figures()), binding(), NOW, latest=SEEN, figures_count=False).ready.reason == "WaitingForAgent"


def test_a_monitored_group_is_not_ready_before_its_counters_were_read() -> None:
    assert judged(figures(), seen=None) == ("False", "WaitingForFigures")
    assert judged(figures(status="False", reason="OutOfRMIDs"), seen=None) == ("False", "OutOfRMIDs")


def test_why_it_is_not_monitored_is_why_it_is_not_ready() -> None:
    assert judged(figures(status="False", reason="RMIDsExhausted")) == ("False", "RMIDsExhausted")
    assert judged(figures(status="Unknown", reason="Starting")) == ("Unknown", "Starting")


def test_why_it_is_not_bound_is_why_it_is_not_ready_whatever_the_figures_say() -> None:
    unbound = bind(ObjectName("tenant", "vm"), None, [], {}, NOW)
    assert judged(figures(), bound=unbound) == ("False", "VMINotFound")
    unsupported = binding({"a": agent(ready="False")})
    assert judged(figures(), bound=unsupported) == ("False", "NodeUnsupported")


def test_three_silent_periods_make_it_unknown_at_the_second_that_was_foretold() -> None:
    readiness = judge(group(figures()), binding(), STALE - 0.1, latest=SEEN)
    assert (readiness.ready.status, readiness.changes_at) == ("True", STALE)
    readiness = judge(group(figures()), binding(), STALE, latest=SEEN)
    assert (readiness.ready.status, readiness.ready.reason) == ("Unknown", "AgentNotReporting")
    assert readiness.changes_at is None
    assert figures()["observedTime"] in readiness.ready.message


def test_silence_hides_the_last_report_of_the_agent() -> None:
    assert judged(figures(status="False", reason="RMIDsExhausted"), STALE) == ("Unknown", "AgentNotReporting")


def test_the_period_is_the_groups_own() -> None:
    assert (
        judge(group(figures(), period=1), binding(), NOW + 3 + ALLOWANCE_SECONDS, latest=SEEN).ready.status
        == "Unknown"
    )


def test_a_group_with_figures_whose_node_lost_its_agent_is_unknown_and_one_without_is_not_ready() -> None:
    lost = binding({})
    assert judged(figures(), bound=lost) == ("Unknown", "AgentNotReporting")
    assert judged(None, bound=lost, seen=None) == ("False", "NoAgent")


def test_a_condition_without_a_time_is_believed_for_what_it_says() -> None:
    status = figures(status="False", reason="ResctrlNotMounted")
    del status["observedTime"]
    assert judged(status, STALE, seen=None) == ("False", "ResctrlNotMounted")


def test_a_clock_that_is_off_is_named_and_makes_nothing_old() -> None:
    wrong = "the clock of node `a` is 10 min ahead of the API server's"
    ready = judge(group(figures()), binding(), NOW, latest=SEEN, clock_problem=wrong).ready
    assert (ready.status, ready.reason) == ("True", "FiguresFresh")
    assert ready.message.endswith(wrong)


def test_a_period_that_the_agent_had_to_stretch_is_the_one_that_counts() -> None:
    stretched = group(figures() | {"statusPeriodSeconds": 120})
    readiness = judge(stretched, binding(), NOW + 360, latest=SEEN)
    assert (readiness.ready.status, readiness.changes_at) == ("True", NOW + 360 + ALLOWANCE_SECONDS)
    assert "every 120 s" in readiness.ready.message
    silent = judge(stretched, binding(), NOW + 360 + ALLOWANCE_SECONDS, latest=SEEN)
    assert silent.ready.status == "Unknown"


@pytest.mark.parametrize("period", [-5, 0, 1, 59, "120", None])
def test_an_agent_can_not_make_its_figures_old_sooner_than_the_spec_says(period: object) -> None:
    assert judged(figures() | {"statusPeriodSeconds": period}, STALE - 0.1) == ("True", "FiguresFresh")


def test_an_agent_is_never_believed_for_longer_than_three_days() -> None:
    lying = group(figures() | {"statusPeriodSeconds": 10**9})
    late = NOW + 3 * 86_400 + ALLOWANCE_SECONDS
    assert judge(lying, binding(), late, latest=SEEN).ready.status == "Unknown"
