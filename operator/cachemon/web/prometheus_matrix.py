"""The queries for a history in a Prometheus, and what it answers. Pure.

The names of the metrics are those of the agents (docs/reference/metrics.md). Prometheus's API is documented at
prometheus.io/docs/prometheus/latest/querying/api, `query_range`.
"""

import json
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from cachemon.web.page_source import Subject
from cachemon.web.points import GAP, Column, Figure, Points, Track

_SHORTEST_WINDOW_SECONDS = 240
"""Of a rate: it needs two samples, and many scrape once a minute."""


class MatrixError(ValueError):
    """An answer is not what Prometheus documents, or says that the query failed."""


@dataclass(frozen=True, slots=True)
class RangeQuery:
    """A query, and what its answer is.

    Attributes:
        text: in PromQL.
        figure: that it answers.
        track: of a series, by its labels.
        group: of a series, by its labels.
    """

    text: str
    figure: Figure
    track: Callable[[Mapping[str, str]], Track]
    group: Callable[[Mapping[str, str]], str]


@dataclass(frozen=True, slots=True)
class Scope:
    """Which series are wanted.

    Attributes:
        namespace: the only one whose VMs are wanted; empty for all.
        cluster: value of the label `cluster`; empty where the server has one cluster only.
    """

    namespace: str = ""
    cluster: str = ""

    def selector(self, **labels: str) -> str:
        """The matchers of these labels; empty values match anything."""
        wanted = {**labels, "cluster": self.cluster}
        return "{" + ",".join(_label(name, value) for name, value in wanted.items() if value) + "}"


def queries_for(subject: Subject, scope: Scope, step_seconds: int) -> list[RangeQuery]:
    """What to ask for.

    Args:
        subject: a node or a VM.
        scope: which series are wanted.
        step_seconds: between two points.
    """
    window = f"[{max(2 * step_seconds, _SHORTEST_WINDOW_SECONDS)}s]"
    if subject.node:
        blocks = _NODES.occupancy_query(scope.selector(node=subject.node))
        return [blocks, *_VMS.queries(scope.selector(node=subject.node, namespace=scope.namespace), window)]
    namespace, _, name = subject.vm.partition("/")
    vm = scope.selector(namespace=namespace, name=name)
    return [*_VMS.queries(vm, window), *_GROUPS.queries(vm, window)]


def _label(name: str, value: str) -> str:
    """A matcher. PromQL writes strings as Go does, and JSON's escapes are a part of that."""
    return f"{name}={json.dumps(value, ensure_ascii=False)}"


def _of_node(labels: Mapping[str, str]) -> Track:
    return Track(labels["node"])


def _of_vm(labels: Mapping[str, str]) -> Track:
    return Track(labels["node"], f"{labels['namespace']}/{labels['name']}")


def _of_object(labels: Mapping[str, str]) -> Track:
    return Track(labels["node"], f"{labels['namespace']}/{labels['name']}", labels["object"])


def _whole(labels: Mapping[str, str]) -> str:
    del labels
    return ""


def _group(labels: Mapping[str, str]) -> str:
    return labels["group"]


@dataclass(frozen=True, slots=True)
class _Family:
    """Metrics with the same labels.

    A restarted agent has another `instance`, and its old series has a rate for some minutes more. Two servers may
    scrape the same agent. So the largest of the series that differ in such labels counts.
    """

    occupancy: str
    traffic: str
    labels: str
    track: Callable[[Mapping[str, str]], Track]
    group: Callable[[Mapping[str, str]], str]

    def queries(self, selector: str, window: str) -> Iterator[RangeQuery]:
        yield self.occupancy_query(selector)
        rate = f"rate({self.traffic}{selector}{window})"
        yield RangeQuery(self._largest(rate), "bandwidth", self.track, self.group)

    def occupancy_query(self, selector: str) -> RangeQuery:
        return RangeQuery(self._largest(self.occupancy + selector), "occupancy", self.track, self.group)

    def _largest(self, expression: str) -> str:
        return f"max by (cluster, cache_id, {self.labels}) ({expression})"


_NODES = _Family("cachemon_node_cache_occupancy_bytes", "", "node", _of_node, _whole)
_VMS = _Family(
    "cachemon_vmi_cache_occupancy_bytes",
    "cachemon_vmi_memory_traffic_bytes_total",
    "node, namespace, name",
    _of_vm,
    _whole,
)
_GROUPS = _Family(
    "cachemon_cache_occupancy_bytes",
    "cachemon_memory_traffic_bytes_total",
    "node, namespace, name, object, group",
    _of_object,
    _group,
)


def read_matrices(
    answers: Mapping[RangeQuery, Any], start: float, step_seconds: int, count: int
) -> dict[Track, Points]:
    """The points of some answers. All are at `start` and whole steps after it.

    Args:
        answers: JSON by query.
        start: time of the first point.
        step_seconds: between two points.
        count: of points.

    Raises:
        MatrixError: an answer is not valid, or is an error.
    """
    times = array("d", (start + place * step_seconds for place in range(count)))
    columns: dict[Track, dict[Column, array[float]]] = defaultdict(dict)
    clusters = set()
    for query, answer in answers.items():
        for labels, values in _series(answer):
            try:
                track, column = (
                    query.track(labels),
                    Column(int(labels["cache_id"]), query.figure, query.group(labels)),
                )
            except (KeyError, ValueError) as err:
                raise MatrixError(f"a series lacks the label {err}: is honorLabels set?") from err
            clusters.add(labels.get("cluster", ""))
            kept = columns[track].setdefault(column, array("d", [GAP]) * count)
            for time, value in values:
                place = round((time - start) / step_seconds)
                if 0 <= place < count and isfinite(value):
                    kept[place] = value
    if len(clusters) > 1:
        named = ", ".join(sorted(clusters))
        raise MatrixError(f"it has several clusters ({named}): name yours with --prometheus-cluster")
    return {track: Points(times, found) for track, found in columns.items()}


def _series(answer: Any) -> Iterator[tuple[Mapping[str, str], list[tuple[float, float]]]]:
    try:
        if answer["status"] != "success":
            raise MatrixError(f"it says: {answer['error']}")
        for item in answer["data"]["result"]:
            yield item["metric"], [(float(time), float(value)) for time, value in item["values"]]
    except (KeyError, TypeError, ValueError) as err:
        if isinstance(err, MatrixError):
            raise
        raise MatrixError("its answer is not that of a Prometheus") from err
