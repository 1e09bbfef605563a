"""What prometheus_client's own parser reads of a page in OpenMetrics."""

from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families


def families_of(page: bytes) -> list[Metric]:
    """The families of a page; ValueError when it breaks the format."""
    return list(text_string_to_metric_families(page.decode()))  # type: ignore[no-untyped-call]
