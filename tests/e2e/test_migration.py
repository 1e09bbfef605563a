from typing import TYPE_CHECKING

from lab.cluster import Cluster
from lab.wait import until
from tests.e2e.status_writes import status_writes, writer_of

if TYPE_CHECKING:
    from tests.e2e.view import Start, View, Watch

AGENT = "system:serviceaccount:cachemon-system:cachemon-agent"


def test_a_status_is_only_ever_written_by_the_agent_of_its_node(
    cluster: Cluster, namespace: str, start: "Start", watch: "Watch", view: "View"
) -> None:
    vmi = start("vm1", "node01")
    watch("vm1")
    view.until_ready("vm1", node="node01")
    vmi.migrate("node02")
    view.until_ready("vm1", node="node02")

    def writers_here() -> set[str]:
        """The nodes whose agents wrote in this namespace; whoever wrote anywhere must have been bound."""
        writers = set()
        for event, status in status_writes(cluster.control_plane.audit_events()):
            if event["user"]["username"] == AGENT:
                claimed, bound = writer_of(event), status["nodeName"]
                assert claimed == bound, f"the agent of {claimed} wrote {event['objectRef']} bound to {bound}"
                if event["objectRef"]["namespace"] == namespace:
                    writers.add(claimed)
        return writers

    until("both agents to have written, one after the other", lambda: writers_here() == {"node01", "node02"})


def test_the_agent_of_another_node_is_refused_by_the_api_server(
    cluster: Cluster, namespace: str, start: "Start", watch: "Watch", view: "View"
) -> None:
    start("vm1", "node01")
    watch("vm1")
    view.until_ready("vm1", node="node01")
    body = (
        '{"apiVersion":"cachemon.dev/v1alpha1","kind":"CacheMonitorGroup",'
        f'"metadata":{{"name":"vm1","namespace":"{namespace}"}},"status":{{"summary":{{"occupancy":"1"}}}}}}'
    )
    refusal = ""
    try:
        cluster.control_plane.kubectl(
            *(
                "apply",
                "--server-side",
                "--subresource=status",
                "--field-manager=cachemon-agent",
                "--force-conflicts",
            ),
            *("--validate=false", "-f", "-"),
            input=body,
            kubeconfig=cluster.control_plane.work / "agent-node02.kubeconfig",
        )
    except Exception as error:  # noqa: BLE001  what kubectl says is what counts
        refusal = str(error)
    assert "node02" in refusal
    assert "node01" in refusal
