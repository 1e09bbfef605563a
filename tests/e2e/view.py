"""What the API says of a namespace's groups, and what the fixtures of this folder are."""

from collections.abc import Callable
from typing import Any

from cachemon.model.live_figures import LIVE_ANNOTATION
from lab.cluster import Cluster
from lab.speed import period
from lab.vms.vmi import Vmi
from lab.wait import until
from tests.e2e.blinks import Write, since_ready
from tests.e2e.status_writes import status_writes, writer_of


def agent_flags(node_period: int = 5) -> tuple[str, ...]:
    """With a period of the heartbeat that this machine keeps: an agent that is late by three says nothing."""
    return (f"--node-period={period(node_period)}", "--scan-period=0.5", "--rate-window=2")


Start = Callable[..., Vmi]
Watch = Callable[..., str]


class View:
    """What the API says of a namespace's CacheMonitorGroups, and waiting for it to say something."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self._namespace = namespace

    def status(self, name: str) -> dict[str, Any]:
        status: dict[str, Any] = self._cluster.group(self._namespace, name).get("status", {})
        return status

    def condition(self, name: str, kind: str) -> dict[str, str]:
        found = (item for item in self.status(name).get("conditions", ()) if item["type"] == kind)
        return next(found, {"status": "", "reason": "", "message": ""})

    def until_ready(self, name: str, *, node: str = "", seconds: float = 40) -> dict[str, Any]:
        def ready() -> dict[str, Any] | None:
            status = self.status(name)
            bandwidth = status.get("summary", {}).get("memoryBandwidth")
            placed = not node or status.get("nodeName") == node
            return status if placed and bandwidth and self.condition(name, "Ready")["status"] == "True" else None

        return until(f"{name} to be Ready with figures", ready, seconds=seconds)

    def until_condition(self, name: str, kind: str, status: str, reason: str, *, seconds: float = 40) -> str:
        def holds() -> str | None:
            found = self.condition(name, kind)
            return (found["message"] or "-") if (found["status"], found["reason"]) == (status, reason) else None

        return until(f"{name} to be {kind}={status} because {reason}", holds, seconds=seconds)

    def until_renewed(self, name: str, *, seconds: float = 40) -> None:
        """Wait for figures that are newer than those that are there now."""
        stale = self.status(name)["observedTime"]
        until(f"news of {name}", lambda: self.status(name)["observedTime"] > stale, seconds=seconds)

    def ask_live(self, name: str, value: str) -> None:
        """Ask for fresh figures, as a person does without the plugin."""
        where = ("cmg", name, "-n", self._namespace, "--overwrite")
        self._cluster.control_plane.kubectl("annotate", *where, f"{LIVE_ANNOTATION}={value}")

    def group(self, name: str, group: str) -> dict[str, Any]:
        found: dict[str, Any] = next(item for item in self.status(name)["groups"] if item["name"] == group)
        return found

    def writes(self, name: str) -> list[Write]:
        """Every write of its status that the API server took, oldest first."""
        return [
            Write(writer_of(event), status)
            for event, status in status_writes(self._cluster.control_plane.audit_events(self._namespace))
            if (event["objectRef"]["namespace"], event["objectRef"]["name"]) == (self._namespace, name)
        ]

    def writes_since_ready(self, name: str) -> list[Write]:
        """Those from the first on in which it was Ready and had all its figures."""
        return since_ready(self.writes(name))

    def own_mon_groups(self, node: str, vmi: Vmi) -> set[str]:
        return self.mon_groups(node, vmi.pod_uid)

    def mon_groups(self, node: str, pod_uid: str) -> set[str]:
        """Those of a pod by name; they may be empty."""
        root = self._cluster.nodes[node].emulator.mountpoint / "mon_groups"
        return {path.name for path in root.iterdir() if pod_uid in path.name}

    def held(self, node: str) -> dict[int, str]:
        """The mon_group of every thread that is in one, on a node."""
        groups = self._cluster.nodes[node].emulator.control.books().groups
        return {tid: path for path, group in groups.items() if path != "/" for tid in group.tids}
