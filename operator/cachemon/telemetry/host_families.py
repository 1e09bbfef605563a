"""The metrics of a host's agent: names, types, labels, meanings. docs/reference/metrics.md is made of this."""

from cachemon.telemetry.families import Family

__all__ = ["FAMILIES"]

_GROUP = ("domain", "group", "kept")

GROUP_OCCUPANCY = Family(
    "cachemon_host_cache_occupancy_bytes",
    "gauge",
    (*_GROUP, "cache_id"),
    "Bytes of a cache block that a group of a domain holds; `kept` is `live`, `config`, or `libvirt` for its own.",
)
GROUP_TRAFFIC = Family(
    "cachemon_host_memory_traffic_bytes_total",
    "counter",
    (*_GROUP, "cache_id"),
    "Bytes between the cache block and memory since the agent started.",
)
GROUP_LOCAL_TRAFFIC = Family(
    "cachemon_host_memory_traffic_local_bytes_total",
    "counter",
    (*_GROUP, "cache_id"),
    "Bytes between the cache block and memory of its own NUMA node since the agent started.",
)
GROUP_MONITORED = Family(
    "cachemon_host_group_monitored", "gauge", _GROUP, "1 when the whole group is monitored, else 0."
)
GROUPS = Family(
    "cachemon_host_groups",
    "gauge",
    ("state", "reason"),
    "Groups by state, libvirt's own among them; `reason` is empty for those that are monitored.",
)
DOMAIN_OCCUPANCY = Family(
    "cachemon_host_domain_cache_occupancy_bytes",
    "gauge",
    ("domain", "cache_id"),
    "Bytes of a cache block that all threads of a domain in groups of ours hold; groups that overlap count once.",
)
DOMAIN_TRAFFIC = Family(
    "cachemon_host_domain_memory_traffic_bytes_total",
    "counter",
    ("domain", "cache_id"),
    "Bytes between the cache block and memory by all threads of a domain in groups of ours since the agent started.",
)
CAPACITY = Family("cachemon_host_cache_capacity_bytes", "gauge", ("cache_id",), "Size of a cache block in bytes.")
OCCUPANCY = Family(
    "cachemon_host_cache_used_bytes", "gauge", ("cache_id",), "Bytes of a cache block that are in use."
)
RMIDS = Family(
    "cachemon_host_rmids", "gauge", ("use",), "RMIDs of the host: `total`, `ours`, and `others` by other programs."
)
AVAILABLE = Family(
    "cachemon_host_monitoring_available", "gauge", (), "1 when the host's cache can be monitored, else 0."
)
LIBVIRT = Family("cachemon_host_libvirt_connected", "gauge", (), "1 while libvirt answers, else 0.")
SAMPLES = Family("cachemon_host_agent_samples_total", "counter", (), "Samples taken.")
SAMPLE_SECONDS = Family(
    "cachemon_host_agent_sample_seconds_total", "counter", (), "Seconds that all samples took together."
)
OVERRUNS = Family(
    "cachemon_host_agent_sample_overruns_total", "counter", (), "Samples that took longer than their period."
)
RECONCILES = Family("cachemon_host_agent_reconciles_total", "counter", (), "Passes of the reconcile loop.")
GAPS = Family(
    "cachemon_host_agent_traffic_gaps_total",
    "counter",
    ("reason",),
    "How often counting traffic broke off: the traffic meanwhile is in no figure.",
)

FAMILIES = (
    GROUP_OCCUPANCY,
    GROUP_TRAFFIC,
    GROUP_LOCAL_TRAFFIC,
    GROUP_MONITORED,
    GROUPS,
    DOMAIN_OCCUPANCY,
    DOMAIN_TRAFFIC,
    CAPACITY,
    OCCUPANCY,
    RMIDS,
    AVAILABLE,
    LIBVIRT,
    SAMPLES,
    SAMPLE_SECONDS,
    OVERRUNS,
    RECONCILES,
    GAPS,
)
