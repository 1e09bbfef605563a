"""What Prometheus' operator makes of the chart's monitors."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def snake(value: Any) -> Any:
    """A monitor's `sourceLabels` as Prometheus' own `source_labels`."""
    if isinstance(value, list):
        return [snake(item) for item in value]
    if isinstance(value, dict):
        return {re.sub("[A-Z]", lambda it: f"_{it[0].lower()}", key): snake(item) for key, item in value.items()}
    return value


def scrape_config(endpoint: Mapping[str, Any], target: str, token: Path, meta: Mapping[str, str]) -> dict[str, Any]:
    """What Prometheus' operator makes of an endpoint (pkg/prometheus/promcfg.go), for one target."""
    assert endpoint["authorization"]["credentials"]
    assert endpoint["tlsConfig"] == {"insecureSkipVerify": True}
    of_the_operator = [
        {"source_labels": [f"__meta_kubernetes_{source}"], "target_label": label}
        for label, source in (("namespace", "namespace"), ("pod", "pod_name"), ("container", "pod_container_name"))
    ]
    return {
        "job_name": target,
        "scheme": endpoint["scheme"],
        "honor_labels": endpoint["honorLabels"],
        "authorization": {"credentials_file": str(token)},
        "tls_config": {"insecure_skip_verify": True},
        "relabel_configs": [
            *of_the_operator,
            {"target_label": "endpoint", "replacement": endpoint["port"]},
            *snake(endpoint["relabelings"]),
        ],
        "metric_relabel_configs": snake(endpoint["metricRelabelings"]),
        "static_configs": [{"targets": [target], "labels": {f"__meta_kubernetes_{k}": v for k, v in meta.items()}}],
    }
