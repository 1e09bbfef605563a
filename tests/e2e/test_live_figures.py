"""A person watches: agents renew those figures every two seconds, and nobody else notices."""

import json
import os
import pty
import re
import shutil
import subprocess
import sysconfig
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cachemon.model.live_figures import LIVE_ANNOTATION, LIVE_PERIOD_SECONDS
from cachemon.model.times import format_time
from lab.cluster import Cluster, Node
from lab.kubernetes.binaries import find
from lab.kubernetes.cluster_api import kubectl_program
from lab.repository import SOURCES
from lab.speed import allowance, period
from lab.wait import until
from tests.e2e.other_tenant import asked_period, calm_tenant, make_group
from tests.e2e.view import View, agent_flags

if TYPE_CHECKING:
    from tests.e2e.view import Start, Watch

FLOOD = 150
"""Live objects of one tenant: four times what the agent writes at that rate."""
USUAL_SECONDS = 8
"""Period of a group that nobody watches, on an idle machine."""
CALM_SECONDS = 4


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    folder = Path(tempfile.mkdtemp(prefix="cachemon-live-"))
    with Cluster(folder, find(), faulty=True) as running:
        running.start_operator()
        running.add_node("node01", agent_flags=agent_flags()).start_agent()
        yield running
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def calm(cluster: Cluster, namespace: str) -> Iterator[View]:
    """Another tenant's namespace, with one group of one VM."""
    with calm_tenant(cluster, namespace, period(CALM_SECONDS)) as view:
        yield view


def writes(node: Node, name: str, since: float) -> list[float]:
    """When the agent asked to write an object's status."""
    assert node.proxy
    wanted = re.compile(rf"^PATCH .*/{name}/status")
    return [when for when, line in [*node.proxy.requests] if when >= since and wanted.search(line)]


def longest_gap(times: list[float]) -> float:
    return max(later - earlier for earlier, later in pairwise(times))


@pytest.mark.timeout(300)
def test_a_killed_viewers_group_is_renewed_every_two_seconds_for_a_minute_and_is_ready_all_the_while(
    cluster: Cluster, namespace: str, start: "Start", watch: "Watch", view: View
) -> None:
    start("vm1", "node01")
    node, usual = cluster.nodes["node01"], period(USUAL_SECONDS)
    watch("vm1", statusPeriodSeconds=usual)
    view.until_ready("vm1")
    with viewer_of(cluster, namespace):
        until("the status to say that it is live", lambda: view.status("vm1").get("live"))
    killed = time.monotonic()
    value = cluster.group(namespace, "vm1")["metadata"]["annotations"][LIVE_ANNOTATION]
    until("some reports", lambda: len(writes(node, "vm1", killed)) >= 6)
    assert view.status("vm1")["live"] == {"until": value, "periodSeconds": LIVE_PERIOD_SECONDS}
    assert view.status("vm1")["statusPeriodSeconds"] == usual
    assert longest_gap(writes(node, "vm1", killed)[:6]) <= allowance(1.7 * LIVE_PERIOD_SECONDS)
    until("the end of it", lambda: "live" not in view.status("vm1"), seconds=60 + 2 * usual)
    ended = time.monotonic()
    assert ended - killed < allowance(60 + 2 * USUAL_SECONDS)
    until("usual reports", lambda: len(writes(node, "vm1", ended)) >= 3, seconds=4 * usual)
    assert min(later - earlier for earlier, later in pairwise(writes(node, "vm1", ended))) > usual / 2
    since = view.writes_since_ready("vm1")
    assert {write.ready for write in since} == {"True"}
    assert [write.writer for write in since].count("") <= 1, "the operator writes nothing because of fresh figures"
    metadata = cluster.group(namespace, "vm1")["metadata"]
    assert metadata["annotations"][LIVE_ANNOTATION] == value


@pytest.mark.timeout(300)
def test_a_node_that_an_administrator_watches_is_renewed_every_two_seconds_until_its_time_has_come(
    cluster: Cluster,
) -> None:
    def status() -> dict[str, Any]:
        return dict(json.loads(cluster.control_plane.kubectl("get", "cmn", "node01", "-o", "json"))["status"])

    node, lease = cluster.nodes["node01"], min(60, int(allowance(15)))
    until("the heartbeat", lambda: writes(node, "node01", 0.0))
    usual = status()["statusPeriodSeconds"]
    began, value = time.monotonic(), format_time(time.time() + lease)
    cluster.control_plane.kubectl("annotate", "cmn", "node01", "--overwrite", f"{LIVE_ANNOTATION}={value}")
    until("the status to say that it is live", lambda: status().get("live"))
    assert status()["live"] == {"until": value, "periodSeconds": LIVE_PERIOD_SECONDS}
    live = time.monotonic()
    until("some heartbeats", lambda: len(writes(node, "node01", live)) >= 5)
    assert longest_gap(writes(node, "node01", live)[:5]) <= allowance(1.7 * LIVE_PERIOD_SECONDS)
    assert status()["statusPeriodSeconds"] == usual
    until("the end of it", lambda: "live" not in status(), seconds=lease + 3 * usual)
    assert time.monotonic() - began > lease / 2


@pytest.mark.timeout(300)
def test_a_flood_of_live_objects_delays_neither_another_tenants_group_nor_another_viewers(
    cluster: Cluster, namespace: str, start: "Start", view: View, calm: View
) -> None:
    start("vm1", "node01")
    node, value = cluster.nodes["node01"], format_time(time.time() + 600)
    for number in range(FLOOD):
        make_group(cluster, namespace, f"flood{number}", "vm1", 60, annotations={LIVE_ANNOTATION: value})
    last = f"flood{FLOOD - 1}"
    until("the flood to be live", lambda: view.status(last).get("live"), seconds=60)
    make_group(cluster, calm._namespace, "seen", "vm", 60, annotations={LIVE_ANNOTATION: value})
    until("the other viewer's group to be live", lambda: calm.status("seen").get("live"), seconds=60)
    began, every = time.monotonic(), asked_period(cluster, calm)
    until("six more periods", lambda: len(writes(node, "calm", began)) >= 6, seconds=12 * every)
    assert longest_gap(writes(node, "calm", began)) <= 1.5 * every
    assert longest_gap(writes(node, "seen", began)) <= allowance(1.7 * LIVE_PERIOD_SECONDS)
    assert calm.status("calm")["statusPeriodSeconds"] == every
    assert calm.condition("calm", "Ready")["status"] == "True"
    live = view.status(last)["live"]
    assert live["periodSeconds"] > LIVE_PERIOD_SECONDS
    assert f"renewed every {live['periodSeconds']} s instead of 2 s" in live["message"]
    assert view.status(last)["statusPeriodSeconds"] >= 60


@contextmanager
def viewer_of(cluster: Cluster, namespace: str) -> Iterator[None]:
    """An administrator's `kubectl cachemon top --live`, which is killed in the end."""
    with terminal() as end:
        viewer = subprocess.Popen(
            [str(kubectl_program()), "cachemon", "top", "--live", "-n", namespace],
            stdin=end, stdout=end, stderr=end, env=environment(cluster), start_new_session=True,
        )  # fmt: skip
        try:
            yield
        finally:
            viewer.kill()
            viewer.wait()


@contextmanager
def terminal() -> Iterator[int]:
    """A person's terminal; what is drawn there is thrown away."""
    ours, theirs = pty.openpty()
    reader = threading.Thread(target=drain, args=(ours,), daemon=True)
    reader.start()
    try:
        yield theirs
    finally:
        os.close(theirs)
        reader.join(10)
        os.close(ours)


def drain(descriptor: int) -> None:
    with suppress(OSError):  # EIO, once nobody has the other end
        while os.read(descriptor, 65536):
            pass


def environment(cluster: Cluster) -> dict[str, str]:
    """Of an administrator at the terminal."""
    return {
        "PATH": f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}",
        "PYTHONPATH": SOURCES,
        "HOME": str(cluster.control_plane.work),
        "KUBECONFIG": str(cluster.control_plane.admin_kubeconfig),
        "TERM": "xterm-256color",
    }


@pytest.mark.parametrize("value", ["2099-01-01T00:00:00Z", "tomorrow"])
def test_a_value_that_is_not_valid_is_named_in_the_status_and_changes_nothing_else(
    start: "Start", watch: "Watch", view: View, value: str
) -> None:
    start("vm1", "node01")
    watch("vm1", statusPeriodSeconds=USUAL_SECONDS)
    view.until_ready("vm1")
    view.ask_live("vm1", value)
    live = until("a message", lambda: view.status("vm1").get("live"))
    assert [*live] == ["message"]
    assert live["message"].startswith(f"the annotation {LIVE_ANNOTATION} `{value}` has no effect: it ")
    assert view.condition("vm1", "Ready")["status"] == "True"
