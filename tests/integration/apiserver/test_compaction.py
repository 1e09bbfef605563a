"""An absence that is longer than what the API server remembers: minutes, on a real one; here etcd is compacted."""

import http.client
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from kubernetes.client import ApiException

from lab.cluster import Cluster
from lab.kubernetes.binaries import find
from lab.kubernetes.fault_proxy import WATCHES, FaultProxy
from lab.vms.vm import Hardware
from lab.vms.vmi import Vmi
from lab.wait import until
from tests.integration.apiserver.examples import groups_path

Object = dict[str, Any]

NAMESPACE = "absent"
GROUPS = "/apis/cachemon.dev/v1alpha1/cachemonitorgroups"
VMIS = "/apis/kubevirt.io/v1/virtualmachineinstances"
SOON_SECONDS = 60
PERIOD_SECONDS = 60
"""So long that nobody has anything to write meanwhile: a write that fails makes the operator list by itself."""


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    folder = Path(tempfile.mkdtemp(prefix="cachemon-absent-"))  # short, for QEMU's monitor socket
    with Cluster(folder, find(), faulty=True) as running:
        running.start_operator()
        flags = (f"--node-period={PERIOD_SECONDS}", "--scan-period=0.5")
        running.add_node("node01", agent_flags=flags).start_agent()
        running.add_namespace(NAMESPACE)
        yield running
    shutil.rmtree(folder, ignore_errors=True)


class World:
    """VMs with groups: `quiet` goes on, `ends` ends, `comes` comes, `gone` loses its group."""

    def __init__(self, cluster: Cluster, stack: ExitStack) -> None:
        self._cluster = cluster
        hardware = Hardware(vcpus=2, busy_percent=(5, 5))
        names = ("quiet", "ends", "comes", "gone")
        self._vmis = {name: stack.enter_context(Vmi(cluster, NAMESPACE, name, hardware)) for name in names}

    def start(self, name: str, vcpus: str = "0") -> None:
        self._vmis[name].start("node01")
        self.watch(name, vcpus)

    def watch(self, name: str, vcpus: str) -> None:
        groups = [{"name": vcpus, "vcpus": vcpus}]
        spec = {"vmiName": name, "statusPeriodSeconds": PERIOD_SECONDS, "groups": groups}
        metadata = {"name": name, "namespace": NAMESPACE}
        self._cluster.control_plane.apply(
            {"apiVersion": "cachemon.dev/v1alpha1", "kind": "CacheMonitorGroup", "metadata": metadata, "spec": spec}
        )

    def reason(self, name: str) -> str:
        status: Object = self._cluster.group(NAMESPACE, name).get("status", {})
        return next((item["reason"] for item in status.get("conditions", ()) if item["type"] == "Ready"), "")

    def until_reason(self, name: str, reason: str) -> None:
        until(f"{name} to be {reason}", lambda: self.reason(name) == reason, seconds=SOON_SECONDS)

    def begin(self) -> None:
        for name in ("quiet", "ends", "gone"):
            self.start(name)
        for name in ("quiet", "ends", "gone"):
            self.until_reason(name, "FiguresFresh")

    def change(self) -> None:
        self._vmis["ends"].delete()
        self.start("comes")
        self.watch("quiet", "1")
        self._cluster.control_plane.request("DELETE", groups_path(NAMESPACE, "gone"))

    def check(self) -> None:
        """All that has changed is known, and nothing is left of what is gone."""
        self.until_reason("ends", "VMINotFound")
        self.until_reason("comes", "FiguresFresh")

        def quiet() -> Object:
            status: Object = self._cluster.group(NAMESPACE, "quiet")["status"]
            return status

        until("the edit", lambda: quiet()["groups"][0]["name"] == "1", seconds=SOON_SECONDS)
        until("the edit to be judged", lambda: quiet()["observedGeneration"] == 2)
        wanted = {self._vmis[name].pod_uid for name in ("quiet", "comes")}
        root = self._cluster.nodes["node01"].emulator.mountpoint / "mon_groups"
        until("no orphan", lambda: {path.name[len("cachemon-") : -len("-0")] for path in root.iterdir()} == wanted)


def forget_history(cluster: Cluster, version: int) -> None:
    """Compact etcd, and start the API server anew, which remembers some of it, too; it says 410 then."""
    api = cluster.control_plane
    assert api.compact() > version
    api.stop_api_server()
    api.start_api_server()

    def too_old() -> bool:
        try:
            event = api.request("GET", f"{GROUPS}?watch=true&timeoutSeconds=1&resourceVersion={version}")
        except ApiException as error:
            if error.status != http.client.TOO_MANY_REQUESTS:  # while it fills its memory
                raise
            return False
        assert (event["type"], event["object"]["code"]) == ("ERROR", http.client.GONE)
        return True

    until("the API server to know what it does not know", too_old)


def end_watches_and_hold_the_next(cluster: Cluster, agent: FaultProxy) -> None:
    """End an agent's watches as the API server does every few minutes: so they are resumed at once, in vain.

    A CRD that is changed ends the watches of its objects.
    """
    before = time.monotonic()
    agent.hold(where=WATCHES)
    patch = [{"op": "replace", "path": "/spec/names/shortNames", "value": ["cmg", "cmgs"]}]
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/cachemonitorgroups.cachemon.dev"
    cluster.control_plane.request("PATCH", path, patch, content_type="application/json-patch+json")
    until("both watches to be resumed", lambda: len(requests_after(agent, before, GROUPS)) == 2)


def version_of(cluster: Cluster) -> int:
    return int(cluster.control_plane.request("GET", f"{GROUPS}?limit=1")["metadata"]["resourceVersion"])


def requests_after(proxy: FaultProxy, moment: float, path: str) -> list[str]:
    return [line for when, line in list(proxy.requests) if when > moment and line.startswith(f"GET {path}?")]


@pytest.mark.timeout(240)
def test_watches_whose_version_etcd_has_forgotten_are_begun_anew_with_all_that_happened(cluster: Cluster) -> None:
    operator, agent = cluster.proxy, cluster.nodes["node01"].proxy
    assert operator
    assert agent
    with ExitStack() as stack:
        world = World(cluster, stack)
        world.begin()
        operator.refuse()
        end_watches_and_hold_the_next(cluster, agent)
        version = version_of(cluster)
        world.change()
        forget_history(cluster, version)
        healed = time.monotonic()
        for proxy in (operator, agent):
            proxy.heal()
        world.check()
        for path in (VMIS, GROUPS):
            requests = requests_after(operator, healed, path)
            too_old = next(place for place, text in enumerate(requests) if "watch=true" in text)
            lists = [place for place, text in enumerate(requests) if "watch=true" not in text]
            assert [place for place in lists if place > too_old], (
                f"no list after the watch that was too old: {requests}"
            )
        log = cluster.nodes["node01"].log.read_text()
        assert log.count("watching cachemonitorgroups: too old resource version") == 2, "one for each of its watches"
        assert cluster.operator_exit_status is None


@pytest.mark.timeout(240)
def test_an_operator_that_was_away_for_longer_than_etcd_remembers_finds_everything(cluster: Cluster) -> None:
    with ExitStack() as stack:
        world = World(cluster, stack)
        world.begin()
        cluster.kill_operator()
        version = version_of(cluster)
        world.change()
        forget_history(cluster, version)
        cluster.start_operator()
        world.check()
