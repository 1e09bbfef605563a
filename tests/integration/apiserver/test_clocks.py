"""Agents whose clocks are wrong, and agents that write nonsense for a time."""

import time

import pytest

from tests.integration.apiserver.operated import Object, Operator, Tenant, bound, now, operator, ready, tenant

__all__ = ["operator", "tenant"]

STARTED_SECONDS = 60


def message(status: Object) -> str:
    return next((str(item["message"]) for item in status.get("conditions", ()) if item["type"] == "Ready"), "")


def placed(tenant: Tenant, period: int, offset: float) -> None:
    tenant.agent_reports_node(tenant.node(1), observed_time=now(offset))
    tenant.add_group("g", "vm1", period=period)
    tenant.start_vmi("vm1", tenant.node(1))
    tenant.becomes("g", "placed", lambda s: bound(s) == "True/Placed", seconds=STARTED_SECONDS)


@pytest.mark.parametrize(("offset", "message_part"), [
    (-12, "s behind the API server's"),
    (-200, "3 min behind the API server's"),
    (600, "10 min ahead of the API server's"),
])  # fmt: skip
def test_a_clock_that_is_off_is_named_and_the_figures_are_believed(
    tenant: Tenant, offset: float, message_part: str
) -> None:
    placed(tenant, 60, offset)
    tenant.agent_reports_group("g", observed_time=now(offset))
    tenant.becomes("g", "ready", lambda s: ready(s) == "True/FiguresFresh")
    tenant.agent_reports_node(tenant.node(1), observed_time=now(offset + 2))
    tenant.agent_reports_node(tenant.node(1), observed_time=now(offset + 4))
    status = tenant.becomes("g", "the clock named", lambda s: message_part in message(s))
    assert ready(status) == "True/FiguresFresh"
    assert f"the clock of node `{tenant.node(1)}` is" in message(status)


def test_a_time_that_is_absurd_is_believed_for_three_periods_and_no_longer(tenant: Tenant) -> None:
    placed(tenant, 2, 0)
    tenant.add_group("h", "vm1", period=2)
    tenant.becomes("h", "placed", lambda s: bound(s) == "True/Placed")
    absurd = {"g": "9999-12-31T23:59:59Z", "h": "0001-01-01T00:00:00Z"}
    began = {}
    for name, text in absurd.items():
        began[name] = time.monotonic()
        tenant.agent_reports_group(name, observed_time=text)
        tenant.becomes(name, "ready", lambda s: ready(s) == "True/FiguresFresh")
    for name, text in absurd.items():
        status = tenant.becomes(name, "silent", lambda s: ready(s) == "Unknown/AgentNotReporting", seconds=20)
        assert time.monotonic() - began[name] > 4
        assert status["observedTime"] == text


def test_an_agent_that_died_with_a_clock_ahead_is_not_believed_by_the_next_operator(
    tenant: Tenant, operator: Operator
) -> None:
    placed(tenant, 2, 600)
    tenant.agent_reports_group("g", observed_time=now(600))
    tenant.becomes("g", "ready", lambda s: ready(s) == "True/FiguresFresh")
    operator.stop()
    operator.start()
    tenant.becomes("g", "silent", lambda s: ready(s) == "Unknown/AgentNotReporting", seconds=STARTED_SECONDS)


def test_an_operator_that_starts_believes_an_agent_whose_clock_is_behind(tenant: Tenant, operator: Operator) -> None:
    placed(tenant, 60, -600)
    tenant.agent_reports_group("g", observed_time=now(-600))
    before = tenant.becomes("g", "ready", lambda s: ready(s) == "True/FiguresFresh")
    operator.stop()
    operator.start()
    tenant.add_group("h", "vm1")
    tenant.becomes("h", "the operator to work", lambda s: bound(s) == "True/Placed", seconds=STARTED_SECONDS)
    assert tenant.status("g")["conditions"] == before["conditions"]
