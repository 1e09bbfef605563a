"""Comparing what cachemon says with what the emulator itself has in its books."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from lab.cluster import Cluster, Node
from lab.vms.vmi import Vmi
from lab.wait import until
from resctrl_emulator.client import Books, ControlClient


class MisfitError(AssertionError):
    """The books have no exact answer: a mon_group holds other threads, too."""


class Traffic(NamedTuple):
    """Bytes through all cache blocks of a node: what the agent counted, and what the emulator's books say.

    They begin at different moments; what each grows by in the same time is the same.
    """

    counted: int
    booked: int

    def since(self, before: "Traffic") -> "Traffic":
        """What each has grown by."""
        return Traffic(self.counted - before.counted, self.booked - before.booked)


def booked_occupancy(books: Books, tids: Collection[int]) -> dict[int, int]:
    """Bytes by cache id of the mon_groups that hold these threads and no others.

    Raises:
        MisfitError: a thread is in no mon_group, or shares one with another thread.
    """
    holding = {path: group for path, group in books.groups.items() if path != "/" and set(group.tids) & set(tids)}
    held = {tid for group in holding.values() for tid in group.tids}
    if held != set(tids):
        raise MisfitError(f"threads {sorted(tids)} were asked for, mon_groups {sorted(holding)} hold {sorted(held)}")
    return {
        block: sum(int(group.blocks[block]["llc_occupancy"]) for group in holding.values())
        for block in books.capacity_bytes
    }


def until_cache_is_held(control: ControlClient, tids: Collection[int]) -> None:
    """Return when every mon_group of these threads holds some cache: on a busy machine new threads run late.

    A figure of nothing is right, and shows little.
    """

    def is_held() -> bool:
        groups = control.books().groups
        holding = [group for path, group in groups.items() if path != "/" and set(group.tids) & set(tids)]
        occupancies = (sum(int(block["llc_occupancy"]) for block in group.blocks.values()) for group in holding)
        return bool(holding) and all(occupancies)

    until("the threads to hold some cache", is_held)


def reported_occupancy(status: Mapping[str, Any], group: str) -> dict[int, int]:
    """Bytes by cache id that a CacheMonitorGroup's status gives for one of its groups."""
    found = next(item for item in status["groups"] if item["name"] == group)
    return {block["id"]: block["occupancyBytes"] for block in found["cacheBlocks"]}


def wanted_tids(vmi: Vmi, vcpus: Collection[int]) -> set[int]:
    """The threads of these vCPUs, by what QEMU itself says."""
    return {tid for vcpu, tid in vmi.machine.vcpu_tids.items() if vcpu in vcpus}


def frozen_status(cluster: Cluster, namespace: str, name: str, since: datetime | None = None) -> dict[str, Any]:
    """A status whose figures were all read while the emulators stood still.

    Args:
        cluster: whose emulators stand still.
        namespace: of the group.
        name: of the group.
        since: when they already stood still, now by default. One moment for many groups: one period brings all.

    Raises:
        GaveUpError: none came within 30 s.
    """
    frozen_at = since or datetime.now(UTC)

    def read_later() -> dict[str, Any] | None:
        status: dict[str, Any] = cluster.group(namespace, name).get("status", {})
        observed = status.get("observedTime")
        return status if observed and datetime.fromisoformat(observed) > frozen_at else None

    return until(f"figures of {namespace}/{name} read after the counters stopped", read_later)


def frozen_traffic(node: Node, vmi: Vmi, group: str = "vcpus_all") -> Traffic:
    """The traffic of one group, while the node's counters stand still; other groups of the VMI would be booked too.

    Args:
        node: where.
        vmi: its CacheMonitorGroup has its name.
        group: of that object.
    """
    pod_uid = vmi.pod_uid_on(node.name)
    labels = {"node": node.name, "namespace": vmi.namespace, "object": vmi.name, "group": group}
    control = node.emulator.control
    control.freeze()
    try:
        families = {family.name: family for family in text_string_to_metric_families(node.later_metrics())}
        samples = families["cachemon_memory_traffic_bytes"].samples
        counted = sum(int(sample.value) for sample in samples if labels.items() <= sample.labels.items())
        ours = (held for path, held in control.books().groups.items() if pod_uid in path)
        booked = sum(int(block["mbm_total_bytes"]) for held in ours for block in held.blocks.values())
    finally:
        control.thaw()
    return Traffic(counted, booked)
