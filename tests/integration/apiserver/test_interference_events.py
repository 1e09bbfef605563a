"""Events about a VM that another one disturbs, by the operator on a real API server."""

from lab.wait import until
from tests.integration.apiserver.examples import condition
from tests.integration.apiserver.operated import START_SECONDS, Object, Tenant, bound, now, operator, tenant
from tests.unit.plugin.disturbed import interference, verdict

__all__ = ["operator", "tenant"]


def blocks(*verdicts: Object) -> list[Object]:
    return [{"level": 3, "id": 0, "reading": "Valid", "verdicts": list(verdicts)}]


def of_interference(events: list[Object]) -> set[tuple[str, str]]:
    return {
        (event["regarding"]["kind"], event["reason"])
        for event in events
        if event["reason"].startswith("Interference")
    }


def test_tenants_and_administrators_read_of_a_verdict_where_they_look(tenant: Tenant) -> None:
    node, victim = tenant.node(1), f"{tenant.namespace}/vm1"
    tenant.agent_reports_node(node, cacheBlocks=blocks())
    tenant.add_group("g", "vm1")
    tenant.start_vmi("vm1", node)
    tenant.becomes("g", "placed", lambda s: bound(s) == "True/Placed", seconds=START_SECONDS)
    tenant.agent_reports_group("g", conditions=[condition("Monitored"), condition("Undisturbed")])
    tenant.becomes("g", "reported", lambda s: "observedTime" in s)

    tenant.agent_reports_node(node, cacheBlocks=blocks(verdict(victim)))
    disturbed = [condition("Monitored"), condition("Undisturbed", "False", "Likely")]
    tenant.agent_reports_group("g", interference=interference(since=now()), conditions=disturbed)
    expected = {("CacheMonitorGroup", "InterferenceLikely"), ("VirtualMachineInstance", "InterferenceLikely")}
    until("tenants have Events", lambda: of_interference(tenant.events()) == expected, seconds=30)
    text = str([event for event in tenant.events() if event["reason"] == "InterferenceLikely"])
    assert f"`virtctl migrate vm1 -n {tenant.namespace}`" in text
    assert "tenant-b" not in text

    def of_node() -> list[Object]:
        return [event for event in tenant.events("default") if event["regarding"].get("name") == node]

    until("the node has one", lambda: of_interference(of_node()), seconds=30)
    (event,) = of_node()
    assert (event["regarding"]["kind"], event["reason"]) == ("CacheMonitorNode", "InterferenceLikely")
    assert "tenant-b/vm3" in event["note"]
    assert f"`kubectl cachemon verdicts {node}`" in event["note"]
