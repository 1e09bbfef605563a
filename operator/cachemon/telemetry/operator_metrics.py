"""The operator's own metrics."""

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from cachemon import __version__
from cachemon.daemon.metrics_formats import MetricsFormat
from cachemon.telemetry.exposition import render
from cachemon.telemetry.process_families import process_metrics

_RESULTS = ("ok", "not_found", "throttled", "unreachable", "conflict", "refused", "failed")
_RELIST_RESULTS = ("ok", "failed")
_EVENT_RESULTS = ("ok", "failed")


class Metrics:
    """Metrics of the operator.

    Attributes:
        registry: has all metrics.
        decisions: decisions on a group or a policy.
        relists: complete lists, by result.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.decisions = Counter(
            "cachemon_operator_decisions", "Decisions on a group or a policy", registry=self.registry
        )
        self.relists = Counter(
            "cachemon_operator_relists", "Complete lists of all resources", ["result"], registry=self.registry
        )
        self._writes = Counter(
            "cachemon_operator_writes",
            "Writes of statuses and stamped groups by result",
            ["result"],
            registry=self.registry,
        )
        self._events = Counter(
            "cachemon_operator_events", "Events posted by result", ["result"], registry=self.registry
        )
        self._unanswered = Gauge(
            "cachemon_operator_watch_unanswered_seconds",
            "How long the API server has not answered a request of the watches; 0 when it has answered all",
            registry=self.registry,
        )
        build = Gauge(
            "cachemon_operator_build_info", "Always 1; the label has the version", ["version"], registry=self.registry
        )
        build.labels(__version__).set(1)
        for result in _RESULTS:
            self._writes.labels(result)
        for result in _RELIST_RESULTS:
            self.relists.labels(result)
        for result in _EVENT_RESULTS:
            self._events.labels(result)

    def count_write(self, result: str) -> None:
        """Count a write; `result` is one of ok, not_found, throttled, unreachable, conflict, refused, failed."""
        self._writes.labels(result).inc()

    def count_event(self, result: str) -> None:
        """Count an Event; `result` is ok or failed."""
        self._events.labels(result).inc()

    def show_groups(self, ready: Callable[[], Iterable[str]]) -> None:
        """Register groups by the status of Ready (`True`, `False`, `Unknown`), counted for each page."""
        self.registry.register(_Groups(ready))

    def show_unreadable(self, unreadable: Callable[[], Mapping[str, int]]) -> None:
        """Register objects that can't be read, by kind, counted for each page."""
        self.registry.register(_UnreadableObjects(unreadable))

    def show_unanswered(self, seconds: Callable[[], float]) -> None:
        """Show how long a request of the watches has been without an answer, asked for each page."""
        self._unanswered.set_function(seconds)

    def prepare(self, wanted: MetricsFormat = MetricsFormat.TEXT) -> Callable[[], bytes]:
        """Collect the metrics of now, here: this thread changes the groups. Returns what renders the page."""
        own = [_without_created(metric) for metric in self.registry.collect()]
        return lambda: render((*own, *process_metrics()), wanted)


def _without_created(metric: Metric) -> Metric:
    metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
    return metric


class _Groups(Collector):
    def __init__(self, ready: Callable[[], Iterable[str]]) -> None:
        self._ready = ready

    def collect(self) -> Iterator[GaugeMetricFamily]:
        tally = Tally(self._ready())
        family = GaugeMetricFamily(
            "cachemon_operator_groups", "CacheMonitorGroups by the status of Ready", labels=["ready"]
        )
        for status in ("True", "False", "Unknown"):
            family.add_metric([status], tally[status])
        yield family


class _UnreadableObjects(Collector):
    def __init__(self, unreadable: Callable[[], Mapping[str, int]]) -> None:
        self._unreadable = unreadable

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "cachemon_operator_unreadable_objects",
            "Objects that are left out, as they can't be read; the log names them",
            labels=["kind"],
        )
        for kind, count in sorted(self._unreadable().items()):
            family.add_metric([kind], count)
        yield family
