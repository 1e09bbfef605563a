"""The reference page of metrics, made of what the programs say of themselves."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from cachemon.agent.metrics_page import FAMILIES
from cachemon.host.agent.host_metrics import FAMILIES as HOST_FAMILIES
from cachemon.telemetry.operator_metrics import Metrics
from cachemon.telemetry.process_families import process_families
from lab.repository import REPOSITORY
from tools.markdown_pages import MADE, table


def metrics_page() -> str:
    """Every metric of the programs."""
    lines = [
        "# Metrics\n",
        MADE,
        "`node`, `namespace` and `name` are KubeVirt's own labels (`name` is the VMI), so series join with",
        "`kubevirt_vmi_*` on `namespace, name`. `object` is the CacheMonitorGroup, `group` an item of its groups,",
        "`cache_id` the kernel's id of the last-level cache, `package` its number of the CPU package. Metrics with",
        "`package` are there only where the kernel has telemetry (Intel AET, Linux 7.0), and have all its decimals.",
        "Series of a VM vanish when the VM has gone. A figure",
        "that can't be given exactly is absent, not zero. [Scrape the metrics](../guides/scrape-the-metrics.md)",
        "shows who may read them.\n",
        "A group takes about 400 bytes of the page for each cache block, and more with long names. With telemetry it",
        "takes about 700 bytes more for each CPU package. With gzip it",
        "takes about a tenth of that. A scrape has the figures of now: the page is rendered for it, and scrapes that",
        "come meanwhile share it. Rendering takes at most a fifth of the time: a scrape that comes too soon gets the",
        "page of before.\n",
        "A client gets the text format of Prometheus, or OpenMetrics 1.0 when it prefers that (`Accept`), as",
        "Prometheus does. Each of the two is rendered only when somebody asks for it. There are no exemplars and",
        "no `_created` series.\n",
        "## Of each agent\n",
        *table(("metric", "type", "labels", "meaning"), map(_agent_metric, FAMILIES)),
        "\n## Of the operator\n",
        *table(("metric", "type", "labels", "meaning"), _operator_metrics()),
        "\n## Of the agent of a plain libvirt host\n",
        "Served only with `--metrics-address`. `domain` is libvirt's name of the domain.\n",
        *table(("metric", "type", "labels", "meaning"), map(_agent_metric, HOST_FAMILIES)),
        "\n## Of the process of each program\n",
        "Names and meanings are those of every client of Prometheus.\n",
        *table(("metric", "type", "labels", "meaning"), map(_agent_metric, process_families())),
        "\n## Recording rules\n",
        "[recording-rules.yaml](../../charts/cachemon/files/recording-rules.yaml) has sums for dashboards and",
        "long-term storage, by the labels before the first colon. A sum over cache blocks is absent while one has",
        "no figure.\n",
        *table(("record", "meaning"), _recording_rules()),
        "\n## Queries\n",
        *table(("question", "query"), ((question, f"`{query}`") for question, query in QUERIES.items())),
    ]
    return "\n".join(lines) + "\n"


QUERIES: Mapping[str, str] = {
    "Who fills the caches of a node?": 'topk(5, cachemon_vmi_cache_occupancy_bytes{node="node01"})',
    "What share of each cache block is in use?": (
        "cachemon_node_cache_occupancy_bytes / on (node, cache_id) cachemon_cache_capacity_bytes"
    ),
    "Which VMs take the most memory bandwidth?": (
        "topk(5, sum by (namespace, name) (rate(cachemon_vmi_memory_traffic_bytes_total[1m])))"
    ),
    "How much of a cache block do VMs hold that nobody monitors, the host included?": (
        "cachemon_node_cache_occupancy_bytes - cachemon_node_cache_monitored_bytes"
    ),
    "How many watts do the cores use for each VM?": (
        "sum by (namespace, name) (rate(cachemon_vmi_core_energy_joules_total[1m]))"
    ),
    "How long does a sample take?": (
        "rate(cachemon_agent_sample_seconds_total[5m]) / rate(cachemon_agent_samples_total[5m])"
    ),
}


def _agent_metric(family: Any) -> tuple[str, ...]:
    return f"`{family.name}`", family.kind, ", ".join(family.labels) or "none", family.meaning


def _operator_metrics() -> Iterator[tuple[str, ...]]:
    metrics = Metrics()
    metrics.show_groups(list)
    metrics.show_unreadable(lambda: {"Pod": 0})
    for family in metrics.registry.collect():
        sample = family.samples[0]
        yield f"`{sample.name}`", family.type, ", ".join(sample.labels) or "none", family.documentation + "."


def _recording_rules() -> Iterator[tuple[str, ...]]:
    text = (REPOSITORY / "charts/cachemon/files/recording-rules.yaml").read_text(encoding="utf-8")
    for meaning, record in re.findall(r"^  # (.+)\n  - record: (\S+)$", text, re.MULTILINE):
        yield f"`{record}`", meaning
