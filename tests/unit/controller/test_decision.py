from typing import Any

from cachemon.controller.decision import Decision, decide, parse_stored_group
from cachemon.controller.report_times import receive_report
from cachemon.controller.vmi import Vmi
from tests.unit.controller.builders import NOW, agent, at, condition, figures, group_object, moment, pod, vmi

AGENTS = {"a": agent()}


def decided(status: dict[str, Any] | None, machine: Vmi | None = None, now: float = NOW) -> Decision:
    machine = machine or vmi()
    pods = [pod("p1", "a", vmi_uid=machine.uid)]
    stored = parse_stored_group(group_object(status=status))
    seen = receive_report(None, stored.report, moment(), listed=True)
    return decide(stored, machine, pods, AGENTS, moment(now - NOW), latest=seen)


def written(decision: Decision) -> dict[str, Any]:
    assert decision.status is not None
    return dict(decision.status)


def test_the_operator_writes_its_own_fields_and_no_others() -> None:
    status = written(decided(None))
    assert status.keys() == {
        "observedGeneration",
        "nodeName",
        "migrationTargetNodeName",
        "vmiUID",
        "vcpuCount",
        "placements",
        "conditions",
    }
    assert [item["type"] for item in status["conditions"]] == ["Bound", "Ready"]


def test_what_the_object_has_already_is_not_written_again() -> None:
    status = written(decided(None))
    assert decided(status).status is None
    assert not decided(status).writes


def test_the_time_of_a_transition_stays_while_the_status_stays() -> None:
    status = written(decided(None))
    with_figures = status | figures(10)
    with_figures["conditions"] = [*status["conditions"], condition("Monitored", since=10)]
    later = written(decided(with_figures, now=NOW + 20))
    times = {item["type"]: item["lastTransitionTime"] for item in later["conditions"]}
    assert times == {"Bound": at(0), "Ready": at(20)}


def test_the_binding_is_looked_at_again_when_it_may_have_gone_stale() -> None:
    assert decided(None).look_again_at == AGENTS["a"].silent_from
    status = written(decided(None)) | {"observedTime": at(-100), "conditions": [condition("Monitored")]}
    look_again_at = decided(status).look_again_at
    assert look_again_at is not None
    assert look_again_at < AGENTS["a"].silent_from


def test_a_group_that_waits_for_an_event_has_no_timer() -> None:
    stored = parse_stored_group(group_object())
    assert decide(stored, None, [], {}, moment()).look_again_at is None


def test_figures_are_withdrawn_from_a_group_that_is_bound_to_nothing_after_it_has_been_unbound() -> None:
    status = written(decided(None)) | figures()
    decision = decided(status, vmi(phase="Failed"))
    assert decision.withdraw
    assert not decision.withdraw_first
    assert written(decision)["nodeName"] == ""
    assert "placements" not in written(decision)


def test_a_vmi_that_runs_nowhere_yet_is_named_once_the_figures_of_the_last_one_are_gone() -> None:
    bound = written(decided(None))
    with_figures = bound | figures()
    pending = vmi(uid="the-next", phase="Pending")
    decision = decided(with_figures, pending)
    unbound = written(decision)
    assert decision.withdraw
    assert (unbound["nodeName"], unbound["vmiUID"]) == ("", bound["vmiUID"])
    after = written(decided(unbound, pending))
    assert (after["nodeName"], after["vmiUID"]) == ("", "the-next")


def test_figures_left_by_a_crash_between_unbinding_and_withdrawing_go_before_the_next_binding() -> None:
    unbound = written(decided(None, vmi(phase="Pending")))
    decision = decided(unbound | figures())
    assert (decision.withdraw, decision.withdraw_first) == (True, True)
    ready = next(item for item in written(decision)["conditions"] if item["type"] == "Ready")
    assert ready["reason"] == "WaitingForAgent"


def test_what_was_usual_for_the_last_vmi_is_withdrawn_like_its_figures() -> None:
    status = written(decided(None)) | {"typical": [{"nodeName": "a"}]}
    assert decided(status, vmi(phase="Failed")).withdraw


def test_figures_stay_while_the_agent_is_silent() -> None:
    status = written(decided(None)) | figures()
    decision = decided(status, now=NOW + 10_000)
    assert not decision.withdraw
    assert [item["reason"] for item in written(decision)["conditions"]] == ["NoAgent", "AgentNotReporting"]


def test_a_field_that_somebody_else_changed_is_put_right() -> None:
    status = written(decided(None)) | {"nodeName": "elsewhere"}
    assert written(decided(status))["nodeName"] == "a"


def test_a_new_generation_is_acknowledged() -> None:
    obj = group_object(status=written(decided(None)))
    obj["metadata"]["generation"] = 2
    decision = decide(parse_stored_group(obj), vmi(), [pod("p1", "a")], AGENTS, moment())
    assert written(decision)["observedGeneration"] == 2
