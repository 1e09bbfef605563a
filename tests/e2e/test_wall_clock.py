"""Somebody sets the wall clock of a node, or of the operator's, back and forth: nobody may notice."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cachemon.model.times import format_time, parse_time
from lab.cluster import Cluster
from lab.kubernetes.binaries import find
from lab.speed import allowance
from lab.wait import until
from lab.wall_clock import WallClock, wall_clock_library
from tests.e2e.view import agent_flags

if TYPE_CHECKING:
    from tests.e2e.view import Start, View, Watch

pytestmark = pytest.mark.skipif(wall_clock_library() is None, reason="libfaketime is not installed")

HOUR = 3600
PERIOD = 2
RENEWALS = 4


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="cachemon-clocks-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def clocks(folder: Path) -> dict[str, WallClock]:
    """Of the operator, and of a node whose clock is right at first, one ten minutes behind and one ahead."""
    ahead = {"operator": 0, "node01": 0, "behind": -600, "ahead": 600}
    return {name: WallClock(folder / f"{name}.clock", seconds) for name, seconds in ahead.items()}


@pytest.fixture(scope="module")
def cluster(folder: Path, clocks: dict[str, WallClock]) -> Iterator[Cluster]:
    with Cluster(folder, find()) as running:
        running.start_operator(clocks["operator"].wrapper)
        for name in ("node01", "behind", "ahead"):
            running.add_node(name, agent_flags=agent_flags()).start_agent(clocks[name].wrapper)
        yield running


def until_renewed_often(view: "View", name: str) -> None:
    """Wait for some more reports, whatever times they name."""
    for _ in range(RENEWALS):
        known = view.status(name)["observedTime"]
        until(f"news of {name}", lambda known=known: view.status(name)["observedTime"] != known)  # type: ignore[misc]


@pytest.mark.parametrize("whose", ["node01", "operator"])
def test_a_wall_clock_that_is_set_back_and_forth_makes_no_group_blink_and_no_rest_longer(
    clocks: dict[str, WallClock], start: "Start", watch: "Watch", view: "View", whose: str
) -> None:
    start("vm1", "node01")
    watch("vm1", statusPeriodSeconds=PERIOD)
    view.until_ready("vm1")
    try:
        for ahead in (-HOUR, HOUR, 0):
            clocks[whose].set(ahead)
            until_renewed_often(view, "vm1")
            began = time.monotonic()
            watch(f"new{ahead}", name=f"new{ahead}".replace("-", "m"))
            view.until_condition(f"new{ahead}".replace("-", "m"), "Ready", "False", "VMINotFound", seconds=20)
            assert time.monotonic() - began < 20
    finally:
        clocks[whose].set(0)
    assert {write.ready for write in view.writes_since_ready("vm1")} == {"True"}


@pytest.mark.parametrize("node", ["behind", "ahead"])
def test_a_node_whose_clock_is_off_is_ready_and_the_clock_is_named(
    start: "Start", watch: "Watch", view: "View", node: str
) -> None:
    start("vm1", node)
    watch("vm1", statusPeriodSeconds=PERIOD)
    view.until_ready("vm1", node=node)
    message = f"the clock of node `{node}` is 10 min {node}"
    until("the clock to be named", lambda: message in view.condition("vm1", "Ready")["message"])
    until_renewed_often(view, "vm1")
    assert {write.ready for write in view.writes_since_ready("vm1")} == {"True"}


def test_an_operator_that_starts_believes_the_living_and_not_the_dead_whatever_their_clocks(
    cluster: Cluster, clocks: dict[str, WallClock], start: "Start", watch: "Watch", view: "View"
) -> None:
    node = "ahead"
    start("vm1", node)
    start("vm2", "node01")
    for name in ("vm1", "vm2"):
        watch(name, statusPeriodSeconds=PERIOD)
        view.until_ready(name)
    cluster.kill_operator()
    cluster.nodes[node].kill_agent()
    try:
        for _ in range(2):  # longer than three periods
            until_renewed_often(view, "vm2")
        began = time.monotonic()
        cluster.start_operator(clocks["operator"].wrapper)
        view.until_condition("vm1", "Ready", "Unknown", "AgentNotReporting")
        cluster.stop_operator()
        cluster.start_operator(clocks["operator"].wrapper)
        until_renewed_often(view, "vm2")
        assert time.monotonic() - began < 40
    finally:
        cluster.nodes[node].start_agent(clocks[node].wrapper)
    view.until_ready("vm1")
    readies = [ready for ready, _ in groupby(write.ready for write in view.writes_since_ready("vm1"))]
    assert readies == ["True", "Unknown", "True"]
    assert {write.ready for write in view.writes_since_ready("vm2")} == {"True"}


def test_nodes_whose_clocks_are_off_obey_who_asks_for_fresh_figures_for_as_long_as_any_other(
    start: "Start", watch: "Watch", view: "View"
) -> None:
    nodes = {"vm1": "behind", "vm2": "ahead"}
    for name, node in nodes.items():
        start(name, node)
        watch(name, statusPeriodSeconds=30)
    for name, node in nodes.items():
        view.until_ready(name, node=node)
    lease = min(60, int(allowance(15)))
    until_value = format_time(time.time() + lease)
    for name in nodes:
        view.ask_live(name, until_value)
    for name in nodes:
        live = until("it to be live", lambda name=name: view.status(name).get("live"), seconds=20)  # type: ignore[misc]
        assert live == {"until": until_value, "periodSeconds": 2}
    for name in nodes:
        until("the end of it", lambda name=name: "live" not in view.status(name), seconds=lease + 40)  # type: ignore[misc]
        assert time.time() >= parse_time(until_value)
