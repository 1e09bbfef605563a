"""The end of a node: power cut, and later its Node object deleted."""

import secrets
from typing import TYPE_CHECKING

from lab.cluster import Cluster
from lab.wait import until
from tests.e2e.view import agent_flags

if TYPE_CHECKING:
    from tests.e2e.view import Start, View, Watch

NODES = "/apis/cachemon.dev/v1alpha1/cachemonitornodes"


def test_a_lost_node_makes_the_figures_old_first_and_withdraws_them_when_kubevirt_gives_the_vmi_up(
    cluster: Cluster, start: "Start", watch: "Watch", view: "View"
) -> None:
    name = f"node-{secrets.token_hex(3)}"
    node = cluster.add_node(name, agent_flags=agent_flags(1))
    request = cluster.control_plane.request
    try:
        node.start_agent()
        vmi = start("vm1", name)
        watch("vm1")
        last = view.until_ready("vm1", node=name)

        node.kill_agent()
        vmi.machine.kill()
        view.until_condition("vm1", "Ready", "Unknown", "AgentNotReporting")
        kept = view.status("vm1")
        assert kept["summary"].keys() == last["summary"].keys()
        view.until_condition("vm1", "Bound", "False", "NoAgent")

        (owner,) = request("GET", f"{NODES}/{name}")["metadata"]["ownerReferences"]
        the_node = request("GET", f"/api/v1/nodes/{name}")
        assert (owner["kind"], owner["name"], owner["uid"]) == ("Node", name, the_node["metadata"]["uid"])
        request("DELETE", f"/api/v1/nodes/{name}")
        request("DELETE", f"{NODES}/{name}")  # the garbage collector's part, by that owner reference

        def knows() -> bool:
            return "has no cachemon agent" in view.condition("vm1", "Bound")["message"]

        until("the operator to know that the agent is gone for good", knows)
        assert view.condition("vm1", "Ready")["reason"] == "AgentNotReporting"
        assert view.status("vm1")["summary"] == kept["summary"]

        vmi.report_failure()
        view.until_condition("vm1", "Ready", "False", "VMINotRunning")
        until("the figures to go", lambda: not {"summary", "groups"} & view.status("vm1").keys())
        assert view.status("vm1")["nodeName"] == ""
        vmi.delete()
        vmi.start("node02")
        view.until_ready("vm1", node="node02")
    finally:
        node.stop()
        del cluster.nodes[name]
