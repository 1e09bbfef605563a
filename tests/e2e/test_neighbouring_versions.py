"""Operator and agents of this version beside those of the version before, in every order, there and back."""

import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lab.books import booked_occupancy, frozen_status, reported_occupancy, wanted_tids
from lab.cluster import Cluster
from lab.earlier_version import EarlierVersion, NoEarlierVersionError, unpack_earlier
from lab.kubernetes.binaries import find
from lab.kubernetes.prepare import prepare
from lab.pytest_skips import found_or_skip
from lab.speed import period
from tests.e2e.blinks import check_ready
from tests.e2e.view import agent_flags

if TYPE_CHECKING:
    from lab.vms.vmi import Vmi
    from tests.e2e.view import Start, View, Watch

NODES = ("node01", "node02")
STATUS_SECONDS = 5  # three of them are longer than any program here takes to start

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> EarlierVersion:
    return found_or_skip(lambda: unpack_earlier(tmp_path_factory.mktemp("earlier")), NoEarlierVersionError)


@pytest.fixture(scope="module")
def cluster(earlier: EarlierVersion) -> Iterator[Cluster]:
    """All of it of the earlier version: CRDs, rights, operator and agents."""
    folder = Path(tempfile.mkdtemp(prefix="cachemon-neighbours-"))
    with Cluster(folder, find(), repository=earlier.folder) as running:
        running.start_operator(earlier.wrapper)
        for name in NODES:
            running.add_node(name, agent_flags=agent_flags(STATUS_SECONDS)).start_agent(earlier.wrapper)
        yield running
    shutil.rmtree(folder, ignore_errors=True)


class Neighbours:
    """The two nodes, each with a VM whose figures are checked after every change of a program."""

    def __init__(self, cluster: Cluster, start: "Start", watch: "Watch", view: "View") -> None:
        self._cluster = cluster
        self._start = start
        self._watch = watch
        self._view = view
        self._vmis: dict[str, Vmi] = {}

    def add_vms(self, step: str) -> None:
        """One more VM on each node, so that operator and agents have new work in common."""
        for node in NODES:
            name = f"{step}-{node}"
            self._vmis[name] = self._start(name, node, busy_percent=(4, 2))
            self._watch(name, [{"vcpus": "0"}, {"vcpus": "1"}], statusPeriodSeconds=period(STATUS_SECONDS))
        for name in self._vmis:
            self._view.until_ready(name)

    def mon_groups(self) -> dict[str, int]:
        """The RMID of each mon_group of a VM: another one is a mon_group made anew."""
        return {
            path: group.rmid
            for node in NODES
            for path, group in self._cluster.nodes[node].emulator.control.books().groups.items()
            if any(vmi.pod_uid in path for vmi in self._vmis.values())
        }

    def check_figures(self, namespace: str) -> None:
        """Every group's occupancy is that of the emulator's books, to the byte."""
        controls = [self._cluster.nodes[node].emulator.control for node in NODES]
        for control in controls:
            control.freeze()
        try:
            frozen_at = datetime.now(UTC)
            for name, vmi in self._vmis.items():
                status = frozen_status(self._cluster, namespace, name, frozen_at)
                books = self._cluster.nodes[status["nodeName"]].emulator.control.books()
                for vcpu in (0, 1):
                    booked = booked_occupancy(books, wanted_tids(vmi, {vcpu}))
                    assert reported_occupancy(status, f"vcpus_{vcpu}") == booked, name
        finally:
            for control in controls:
                control.thaw()

    def check_no_blink(self) -> None:
        """Since it first was, no group was anything else than Ready."""
        for name in self._vmis:
            check_ready(self._view.writes_since_ready(name))


@pytest.fixture
def neighbours(cluster: Cluster, start: "Start", watch: "Watch", view: "View") -> Neighbours:
    return Neighbours(cluster, start, watch, view)


def conditions_of(cluster: Cluster, node: str) -> dict[str, str]:
    found: Any = cluster.control_plane.request("GET", f"/apis/cachemon.dev/v1alpha1/cachemonitornodes/{node}")
    return {item["type"]: item["status"] for item in found["status"]["conditions"]}


def test_an_upgrade_in_any_order_and_the_way_back_keep_figures_mon_groups_and_ready(
    earlier: EarlierVersion, cluster: Cluster, namespace: str, neighbours: Neighbours
) -> None:
    first, second = (cluster.nodes[name] for name in NODES)
    neighbours.add_vms("all-old")
    held = neighbours.mon_groups()
    assert len(held) == 4

    def check() -> None:
        neighbours.check_figures(namespace)
        kept = neighbours.mon_groups()
        assert {path: kept[path] for path in held} == held, "mon_groups are adopted"
        assert {conditions_of(cluster, node)["Ready"] for node in NODES} == {"True"}

    prepare(cluster.control_plane)
    first.stop_agent()
    first.start_agent()
    check()  # the old operator with one new and one old agent
    cluster.stop_operator()
    cluster.start_operator()
    neighbours.add_vms("new-operator")  # with the same agents
    check()
    second.stop_agent()
    second.start_agent()

    cluster.stop_operator()
    cluster.start_operator(earlier.wrapper)
    neighbours.add_vms("operator-back")  # with new agents alone
    check()
    for node in (first, second):
        node.stop_agent()
        node.start_agent(earlier.wrapper)
    check()
    neighbours.check_no_blink()
