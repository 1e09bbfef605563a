import os
import resource
import time
from pathlib import Path

from cachemon.telemetry.process_families import process_families, process_metrics


def figures() -> dict[str, float]:
    return {sample.name: sample.value for metric in process_metrics() for sample in metric.samples}


def test_the_names_are_those_that_prometheus_gives_its_own_clients() -> None:
    assert {(it.name, it.kind) for it in process_families()} == {
        ("process_cpu_seconds_total", "counter"),
        ("process_max_fds", "gauge"),
        ("process_open_fds", "gauge"),
        ("process_resident_memory_bytes", "gauge"),
        ("process_start_time_seconds", "gauge"),
        ("process_virtual_memory_bytes", "gauge"),
    }


def test_the_figures_are_those_of_this_process(tmp_path: Path) -> None:
    before = figures()
    files = [os.open(tmp_path, os.O_RDONLY) for _ in range(3)]
    assert figures()["process_open_fds"] - before["process_open_fds"] == len(files)
    for file in files:
        os.close(file)
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert before["process_max_fds"] == soft
    assert 0 < before["process_start_time_seconds"] <= time.time()
    assert abs(before["process_cpu_seconds_total"] - time.process_time()) < 5
