import re
from typing import Any

import pytest

from cachemon.web.page_source import Subject
from cachemon.web.points import Column, Points, Track, series_of
from cachemon.web.prometheus_matrix import MatrixError, RangeQuery, Scope, queries_for, read_matrices
from lab.repository import REPOSITORY

NODE, VM = Subject(node="node01"), Subject(vm="a/vm1")
LABELS = {"node": "node01", "namespace": "a", "name": "vm1", "cache_id": "0"}


def texts(subject: Subject, scope: Scope = Scope(), step: int = 15) -> list[str]:  # noqa: B008  it is frozen
    """The queries without the labels that are kept."""
    return [
        re.fullmatch(r"max by \(cluster, cache_id, [a-z, ]+\) \((.*)\)", query.text)[1]  # type: ignore[index]
        for query in queries_for(subject, scope, step)
    ]


def test_a_node_is_asked_for_by_name() -> None:
    assert texts(NODE) == [
        'cachemon_node_cache_occupancy_bytes{node="node01"}',
        'cachemon_vmi_cache_occupancy_bytes{node="node01"}',
        'rate(cachemon_vmi_memory_traffic_bytes_total{node="node01"}[240s])',
    ]


def test_of_one_namespace_only_its_vms_are_asked_for() -> None:
    assert texts(NODE, Scope("a"))[1:] == [
        'cachemon_vmi_cache_occupancy_bytes{node="node01",namespace="a"}',
        'rate(cachemon_vmi_memory_traffic_bytes_total{node="node01",namespace="a"}[240s])',
    ]


def test_of_several_clusters_one_is_asked_for() -> None:
    assert (
        texts(NODE, Scope(cluster="prod"))[0] == 'cachemon_node_cache_occupancy_bytes{node="node01",cluster="prod"}'
    )
    assert all(',cluster="prod"}' in text for text in texts(VM, Scope(cluster="prod")))


def test_series_of_several_clusters_are_not_mixed() -> None:
    query = queries_for(NODE, Scope(), 15)[1]
    series = [({**LABELS, "cluster": name}, [(100.0, "5")]) for name in ("prod", "test")]
    with pytest.raises(MatrixError, match=r"several clusters \(prod, test\): name yours with --prometheus-cluster"):
        read(query, *series)
    assert len(read(query, series[0])) == 1


def test_a_vm_is_asked_for_with_its_groups() -> None:
    vm = '{namespace="a",name="vm1"}'
    assert texts(VM, step=600) == [
        f"cachemon_vmi_cache_occupancy_bytes{vm}",
        f"rate(cachemon_vmi_memory_traffic_bytes_total{vm}[1200s])",
        f"cachemon_cache_occupancy_bytes{vm}",
        f"rate(cachemon_memory_traffic_bytes_total{vm}[1200s])",
    ]


def test_a_name_stays_within_its_quotes() -> None:
    assert texts(Subject(node='"} or up{a="\\'))[0] == (
        'cachemon_node_cache_occupancy_bytes{node="\\"} or up{a=\\"\\\\"}'
    )


def test_every_metric_and_label_is_one_of_the_agents() -> None:
    reference = (REPOSITORY / "docs/reference/metrics.md").read_text()
    rows = {
        line.split("|")[1].strip(" `"): line.split("|")[3] for line in reference.splitlines() if "cachemon_" in line
    }
    for query in [*queries_for(NODE, Scope("a"), 15), *queries_for(VM, Scope(), 15)]:
        kept, _, expression = query.text.removeprefix("max by (cluster, ").partition(") (")
        name, _, selector = expression.removeprefix("rate(").partition("{")
        asked = {matcher.partition("=")[0] for matcher in selector.partition("}")[0].split(",")}
        labels = {label.strip() for label in rows[name].split(",")}
        assert asked | set(kept.split(", ")) <= labels
        track = query.track(dict.fromkeys(labels, "1"))
        assert track.node == "1"
        assert isinstance(query.group(dict.fromkeys(labels, "1")), str)


def answer(*series: tuple[dict[str, str], list[tuple[float, str]]]) -> dict[str, Any]:
    return {
        "status": "success",
        "data": {
            "resultType": "matrix",
            "result": [{"metric": labels, "values": values} for labels, values in series],
        },
    }


def read(query: RangeQuery, *series: tuple[dict[str, str], list[tuple[float, str]]]) -> dict[Track, Points]:
    return read_matrices({query: answer(*series)}, start=100, step_seconds=10, count=4)


def test_points_are_at_their_steps_and_missing_ones_are_gaps() -> None:
    occupancy = queries_for(NODE, Scope(), 15)[1]
    found = read(occupancy, (LABELS, [(100, "5"), (120, "7.2"), (130, "NaN"), (999, "1")]))
    (series,) = series_of(found, [100, 110, 120, 130])
    assert (series["vm"], series["node"], series["block"], series["group"]) == ("a/vm1", "node01", 0, "")
    assert series["occupancy"] == [5, None, 7, None]


def test_groups_have_tracks_of_their_objects() -> None:
    query = queries_for(VM, Scope(), 15)[3]
    (track,) = found = read(query, ({**LABELS, "object": "cmg1", "group": "vcpus_0"}, [(100, "5")]))
    assert track == Track("node01", "a/vm1", "cmg1")
    assert list(found[track].columns) == [Column(0, "bandwidth", "vcpus_0")]


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"status": "error", "error": "query timed out"}, "it says: query timed out"),
        ([], "not that of a Prometheus"),
        (
            {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": 1}]}},
            "not that of",
        ),
        (answer((LABELS, [(100, "five")])), "not that of a Prometheus"),
        (answer(({**LABELS, "cache_id": "x"}, [(100, "5")])), "lacks the label"),
        (answer(({"cache_id": "0"}, [(100, "5")])), "lacks the label 'node': is honorLabels set"),
    ],
)
def test_another_answer_is_refused(found: Any, message: str) -> None:
    with pytest.raises(MatrixError, match=message):
        read_matrices({queries_for(NODE, Scope(), 15)[1]: found}, 100, 10, 4)
