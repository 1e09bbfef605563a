"""An agent with the CPU that a kubelet gives its pod, on a node whose VMs use every cycle that they can get."""

import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from cachemon.model.times import parse_time
from lab.cluster import Cluster
from lab.mon_groups import held_tids
from lab.repository import REPOSITORY
from lab.wait import until
from tests.bench.built import cluster_binaries
from tests.bench.filling import Vm, make_group, make_vm
from tests.bench.measure import Bench, Figure, cpu_seconds, percentile
from tests.bench.pod_shares import PodShares, millicores_of
from tests.bench.stand_in_vms import Guest, StandInVms

REQUESTS = ("20m", "50m", "100m", "200m")
"""Values of `requests.cpu` of the agent, besides the chart's own."""
ROUNDS, STARTS = 4, 8
"""The requests take turns, so that a busy machine slows all alike."""
AGES_SECONDS = 15.0
RESIDENTS, VCPUS, OTHERS = 30, 4, 100
BUSY_PER_CPU = 2
"""Busy VMs for each CPU; together they request all CPUs."""
NODE, TENANT = "node01", "bench"
_PATIENCE_SECONDS = 120.0
_VALUES = REPOSITORY / "charts" / "cachemon" / "values.yaml"


class Sample(NamedTuple):
    """What was measured with one request, in seconds.

    Attributes:
        monitored_after: from the vCPU threads of each new VM to their mon_group.
        state_ages: from there until the group's status says so.
        figures_ages: of a group with a period of 1 s, at moments a tenth of a second apart.
        cpu: of the agent.
        seconds: that all this took.
    """

    monitored_after: list[float]
    state_ages: list[float]
    figures_ages: list[float]
    cpu: float
    seconds: float


class SaturatedNode:
    """A node whose agent is in a pod. Its VMs are stand-ins.

    Args:
        cluster: with an operator that runs.
        pods: cgroups of the node.
        divisor: of the number of VMs.
    """

    def __init__(self, cluster: Cluster, pods: PodShares, divisor: int) -> None:
        self._cluster, self._pods = cluster, pods
        self._node = cluster.add_node(NODE, emulator={"rmids": 2 * RESIDENTS})
        self._residents = [Vm(TENANT, f"vm{place}", NODE, VCPUS) for place in range(max(2, RESIDENTS // divisor))]
        self._started = 0

    def run(self, stack: ExitStack, busy: int) -> None:
        """Start the residents and the agent, and saturate all CPUs once it has figures."""
        guests = [self._make_guest(vm, 1 if vm is self._residents[0] else 60) for vm in self._residents]
        stack.enter_context(StandInVms(guests, OTHERS))
        self._node.start_agent(self._pods.entrance(self._pods.pod("agent", 1000)))
        until("figures", lambda: all("observedTime" in self._status(vm) for vm in self._residents), seconds=60)
        hungry = [Guest(f"{TENANT}_busy{place}", f"busy-{place}", 1, is_busy=True) for place in range(busy)]
        running = stack.enter_context(StandInVms(hungry, 0))
        for guest in hungry:
            for pid in running.pids(guest):
                self._pods.join(self._pods.pod(guest.pod_uid, 1000 // BUSY_PER_CPU), pid)

    def measure(self, request: str, starts: int, ages_seconds: float) -> Sample:
        """Measure with this `requests.cpu`."""
        self._pods.pod("agent", millicores_of(request))
        pid = self._node.agent_pid or 0
        began, cpu = time.monotonic(), cpu_seconds(pid)
        monitored_after, state_ages = zip(*(self._start_vm() for _ in range(starts)), strict=True)
        ages = self._figures_ages(ages_seconds)
        cpu, seconds = cpu_seconds(pid) - cpu, time.monotonic() - began
        return Sample([*monitored_after], [*state_ages], ages, cpu, seconds)

    def _start_vm(self) -> tuple[float, float]:
        """Start a VM whose group is bound: the pod of a VM has its node before its QEMU starts."""
        self._started += 1
        vm = Vm(TENANT, f"new{self._started}", NODE, VCPUS)
        guest, resctrl = self._make_guest(vm, 60), self._node.emulator.mountpoint
        until("the binding", lambda: self._status(vm).get("placements"), seconds=_PATIENCE_SECONDS)
        with StandInVms([guest], 0) as running:
            began = time.monotonic()
            wanted = {tid for pid in running.pids(guest) for tid in _vcpu_tids(pid)}
            until(
                "its mon_group",
                lambda: wanted <= held_tids(resctrl, f"cachemon-{guest.pod_uid}-*"),
                seconds=_PATIENCE_SECONDS,
                poll_seconds=0.005,
            )
            monitored = time.monotonic()
            until("its state", lambda: _is_monitored(self._status(vm)), seconds=_PATIENCE_SECONDS, poll_seconds=0.02)
            stands = time.monotonic()
        self._cluster.control_plane.kubectl("delete", "cmg,vmi", vm.name, "-n", TENANT)
        return monitored - began, stands - monitored

    def _figures_ages(self, seconds: float) -> list[float]:
        ages, end = list[float](), time.monotonic() + seconds
        while time.monotonic() < end:
            ages.append(time.time() - parse_time(self._status(self._residents[0])["observedTime"]))
            time.sleep(0.1)
        return ages

    def _make_guest(self, vm: Vm, period_seconds: int) -> Guest:
        pod = make_vm(self._cluster.control_plane, vm)
        make_group(self._cluster.control_plane, vm, period_seconds)
        return Guest(f"{vm.namespace}_{vm.name}", pod["metadata"]["uid"], vm.vcpus)

    def _status(self, vm: Vm) -> dict[str, Any]:
        status: dict[str, Any] = self._cluster.group(vm.namespace, vm.name).get("status", {})
        return status


def _vcpu_tids(pid: int) -> set[int]:
    threads = Path(f"/proc/{pid}/task").iterdir()
    return {int(thread.name) for thread in threads if (thread / "comm").read_text().startswith("CPU ")}


def _is_monitored(status: dict[str, Any]) -> bool:
    return any((it["type"], it["status"]) == ("Monitored", "True") for it in status.get("conditions", ()))


def default_request() -> str:
    """The chart's `agent.resources.requests.cpu`."""
    request: str = yaml.safe_load(_VALUES.read_text())["agent"]["resources"]["requests"]["cpu"]
    return request


def run(divisor: int) -> Iterator[Figure]:
    """Each request in turn, several times."""
    binaries = cluster_binaries(mounts=True)
    default = default_request()
    requests = [*dict.fromkeys((default, *REQUESTS))]
    samples = defaultdict[str, list[Sample]](list)
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cachemon-bench-")))
        pods = stack.enter_context(PodShares())
        cluster = stack.enter_context(Cluster(place, binaries))
        cluster.start_operator()
        cluster.add_namespace(TENANT)
        node = SaturatedNode(cluster, pods, divisor)
        node.run(stack, BUSY_PER_CPU * (os.cpu_count() or 1))
        for number in range(max(1, ROUNDS // divisor)):
            for request in requests:
                samples[request].append(node.measure(request, max(1, STARTS // divisor), AGES_SECONDS / divisor))
            load = f"load {os.getloadavg()[0]:.0f} on {os.cpu_count()} CPUs"
            print(f"bench saturated: round {number + 1}, {load}", file=sys.stderr)
    for request in requests:
        yield from figures_of(f"_{request}", samples[request])
    yield from (each for each in figures_of("", samples[default]))


def figures_of(suffix: str, samples: Sequence[Sample]) -> Iterator[Figure]:
    """The figures of one request; the suffix ends their names."""
    monitored = [each for sample in samples for each in sample.monitored_after]
    states = [each for sample in samples for each in sample.state_ages]
    figures = [each for sample in samples for each in sample.figures_ages]
    for share in (50, 99):
        yield Figure(
            f"saturated.monitored_after_ms_p{share}{suffix}", 1000 * percentile(monitored, share / 100), "ms"
        )
    yield Figure(f"saturated.state_age_s{suffix}", percentile(states, 0.99), "s")
    yield Figure(f"saturated.figures_age_s{suffix}", percentile(figures, 0.99), "s")
    cpu = sum(sample.cpu for sample in samples) / sum(sample.seconds for sample in samples)
    yield Figure(f"saturated.agent_cpu{suffix}", 100 * cpu, "%")


BENCH = Bench(
    "saturated",
    "an agent in a cgroup with the shares of its pod, beside VMs that use all CPUs and request all of them, for "
    "several values of requests.cpu, and without a suffix for the chart's: from the vCPU threads of a new VM to "
    "their mon_group; from there to Monitored in its status (99th percentile); age of figures with a period of 1 s "
    "(the same); CPU time of the agent / time",
    run,
)
