from typing import TYPE_CHECKING, Any

from lab.cluster import Cluster
from lab.wait import until

if TYPE_CHECKING:
    from tests.e2e.conftest import Start, View, Watch

AGENT = "system:serviceaccount:cachemon-system:cachemon-agent"


def test_a_live_migration_is_prepared_followed_and_cleaned_up(
    cluster: Cluster, namespace: str, start: "Start", watch: "Watch", view: "View"
) -> None:
    vmi = start("vm1", "node01", busy_percent=(20, 10))
    watch("vm1")
    view.until_ready("vm1", node="node01")
    source_groups = view.own_mon_groups("node01", vmi)
    assert source_groups

    def target_is_prepared() -> bool:
        status = view.status("vm1")
        roles = {placement["role"]: placement["nodeName"] for placement in status["placements"]}
        held = cluster.nodes["node02"].emulator.control.books().groups
        return (
            status["nodeName"] == "node01"
            and status["migrationTargetNodeName"] == "node02"
            and roles == {"Active": "node01", "MigrationTarget": "node02"}
            and any(len(group.tids) == 2 for path, group in held.items() if path != "/")
        )

    vmi.migrate("node02", lambda: until("the target to hold the threads before the switch", target_is_prepared))
    view.until_ready("vm1", node="node02")
    status = until(
        "the binding to settle", lambda: view.status("vm1") if len(view.status("vm1")["placements"]) == 1 else None
    )
    assert status["placements"] == [{"nodeName": "node02", "podUID": vmi.pod_uid, "role": "Active"}]
    assert status["migrationTargetNodeName"] == ""
    source = cluster.nodes["node01"].emulator.mountpoint / "mon_groups"
    until("the source's mon_groups to go", lambda: not source_groups & {path.name for path in source.iterdir()})
    readies = _ready_statuses(cluster, namespace, "vm1")
    first = readies.index("True")
    assert set(readies[first:]) == {"True"}, "the migration blinked"


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
        for event in cluster.control_plane.audit_events():
            if _is_status_write(event) and event["user"]["username"] == AGENT:
                (claimed,) = event["user"]["extra"]["authentication.kubernetes.io/node-name"]
                bound = event["responseObject"]["status"]["nodeName"]
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


def _is_status_write(event: dict[str, Any]) -> bool:
    reference: dict[str, str] = event.get("objectRef", {})
    return bool(
        reference.get("resource") == "cachemonitorgroups"
        and reference.get("subresource") == "status"
        and event["stage"] == "ResponseComplete"
        and event["responseStatus"]["code"] == 200
    )


def _ready_statuses(cluster: Cluster, namespace: str, name: str) -> list[str]:
    """Condition Ready after each write of the status, oldest first."""
    found = []
    for event in cluster.control_plane.audit_events():
        reference = event.get("objectRef", {})
        if _is_status_write(event) and (reference["namespace"], reference["name"]) == (namespace, name):
            conditions = event["responseObject"]["status"].get("conditions", [])
            found += [item["status"] for item in conditions if item["type"] == "Ready"]
    return found
