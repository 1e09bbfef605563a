"""The metrics of an agent: names, types, labels and what they mean. docs/reference/metrics.md is made of this."""

from typing import Literal, NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

__all__ = ["FAMILIES", "Family", "Metric"]


class Family(NamedTuple):
    """One metric.

    Attributes:
        name: as Prometheus shows it, with the `_total` of a counter.
        kind: its type.
        labels: in the order in which their values are given.
        meaning: one sentence, with the unit.
    """

    name: str
    kind: Literal["counter", "gauge"]
    labels: tuple[str, ...]
    meaning: str

    def empty(self) -> CounterMetricFamily | GaugeMetricFamily:
        """One without samples, to be filled."""
        kind = CounterMetricFamily if self.kind == "counter" else GaugeMetricFamily
        return kind(self.name, self.meaning, labels=self.labels)


_GROUP = ("node", "namespace", "name", "object", "group")
_VMI = ("node", "namespace", "name")

GROUP_OCCUPANCY = Family(
    "cachemon_cache_occupancy_bytes",
    "gauge",
    (*_GROUP, "cache_id"),
    "Bytes of a cache block that a monitoring group holds.",
)
GROUP_TRAFFIC = Family(
    "cachemon_memory_traffic_bytes_total",
    "counter",
    (*_GROUP, "cache_id"),
    "Bytes between the cache block and memory since the agent started.",
)
GROUP_LOCAL_TRAFFIC = Family(
    "cachemon_memory_traffic_local_bytes_total",
    "counter",
    (*_GROUP, "cache_id"),
    "Bytes between the cache block and memory of its own NUMA node since the agent started.",
)
GROUP_MONITORED = Family(
    "cachemon_group_monitored", "gauge", _GROUP, "1 when the whole monitoring group is monitored, else 0."
)
GROUPS = Family(
    "cachemon_groups",
    "gauge",
    ("node", "state", "reason"),
    "Monitoring groups by state; `reason` is empty for those that are monitored.",
)
VMI_OCCUPANCY = Family(
    "cachemon_vmi_cache_occupancy_bytes",
    "gauge",
    (*_VMI, "cache_id"),
    "Bytes of a cache block that all monitored threads of a VMI hold; groups that overlap count once.",
)
VMI_TRAFFIC = Family(
    "cachemon_vmi_memory_traffic_bytes_total",
    "counter",
    (*_VMI, "cache_id"),
    "Bytes between the cache block and memory by all monitored threads of a VMI since the agent started.",
)
CAPACITY = Family("cachemon_cache_capacity_bytes", "gauge", ("node", "cache_id"), "Size of a cache block in bytes.")
NODE_OCCUPANCY = Family(
    "cachemon_node_cache_occupancy_bytes", "gauge", ("node", "cache_id"), "Bytes of a cache block that are in use."
)
NODE_MONITORED = Family(
    "cachemon_node_cache_monitored_bytes",
    "gauge",
    ("node", "cache_id"),
    "Bytes of a cache block that monitored VMs hold.",
)
RMIDS = Family(
    "cachemon_rmids", "gauge", ("node", "use"), "RMIDs of the node: `total`, `ours`, and `others` by other programs."
)
AVAILABLE = Family(
    "cachemon_monitoring_available", "gauge", ("node",), "1 when the node's cache can be monitored, else 0."
)
SAMPLES = Family("cachemon_agent_samples_total", "counter", ("node",), "Samples taken.")
SAMPLE_SECONDS = Family(
    "cachemon_agent_sample_seconds_total", "counter", ("node",), "Seconds that all samples took together."
)
OVERRUNS = Family(
    "cachemon_agent_sample_overruns_total", "counter", ("node",), "Samples that took longer than their period."
)
RECONCILES = Family("cachemon_agent_reconciles_total", "counter", ("node",), "Passes of the reconcile loop.")
GAPS = Family(
    "cachemon_agent_traffic_gaps_total",
    "counter",
    ("node", "reason"),
    "How often counting traffic broke off: the traffic meanwhile is in no figure.",
)
WRITES = Family(
    "cachemon_agent_api_writes_total",
    "counter",
    ("node", "result"),
    "Writes to the API: `written`, `refused`, `failed`, `gone`, `throttled`, `unreachable`.",
)
OBJECTS = Family("cachemon_agent_objects", "gauge", ("node",), "CacheMonitorGroups that this node has a part in.")

FAMILIES = (
    GROUP_OCCUPANCY,
    GROUP_TRAFFIC,
    GROUP_LOCAL_TRAFFIC,
    GROUP_MONITORED,
    VMI_OCCUPANCY,
    VMI_TRAFFIC,
    CAPACITY,
    NODE_OCCUPANCY,
    NODE_MONITORED,
    RMIDS,
    AVAILABLE,
    GROUPS,
    SAMPLES,
    SAMPLE_SECONDS,
    OVERRUNS,
    RECONCILES,
    GAPS,
    WRITES,
    OBJECTS,
)
