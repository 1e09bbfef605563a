"""An agent with 50 VMs: what it takes of its node, and what it writes."""

import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

from cachemon.model.api import GROUPS
from lab.cluster import NAMESPACE, TWO_BLOCKS, Cluster, program
from lab.emulator import Emulator
from lab.ports import LOOPBACK, free_port
from lab.server_process import ServerProcess
from lab.wait import until
from tests.bench.built import cluster_binaries
from tests.bench.filling import Vm, for_each, make_group, make_vm
from tests.bench.in_pod import command_in_pod, environment_in_pod
from tests.bench.measure import Bench, Figure, cpu_seconds, peak_rss_mib
from tests.bench.stand_in_vms import Guest, StandInVms

VMS, VCPUS, OTHERS = 50, 8, 250
PERIOD_SECONDS = 60
SETTLE_SECONDS = 240
"""The agent looks at young processes often: it has to know them for some time."""
SCRAPE_SECONDS = 15
NODE, TENANT = "node01", "bench"
_SHORTEST_PERIOD_SECONDS = 3


class AgentUnderLoad:
    """An agent as in its pod, and what belongs to it.

    Args:
        cluster: with an operator that runs.
        folder: an empty folder.
        rmids: of the node.
    """

    def __init__(self, cluster: Cluster, folder: Path, rmids: int) -> None:
        self._api = cluster.control_plane
        self.emulator = Emulator(folder, blocks=TWO_BLOCKS, rmids=rmids)
        self._folder = folder
        self._port = free_port()
        pod = self._api.add_agent_pod(NODE)
        self._token = self._api.service_account_token(NAMESPACE, "cachemon-agent", bound_pod=pod)
        self._process: ServerProcess | None = None

    def start(self) -> int:
        """Start it; answers its PID."""
        command: list[str | Path] = [
            *(program("cachemon-agent"), f"--node-name={NODE}", f"--metrics-address={LOOPBACK}:{self._port}"),
            "--insecure-metrics=true",
            *(f"--resctrl={self.emulator.mountpoint}", f"--sysfs={self.emulator.sysfs}"),
        ]
        self._process = ServerProcess(
            command_in_pod(command, self._api, self._token, self._folder),
            self._folder / "agent.log",
            environment_in_pod(os.environ, self._api),
        )
        return self._process.pid

    def metric(self, name: str) -> float:
        """A number of its /metrics page; 0 while it has none."""
        try:
            with urllib.request.urlopen(f"http://{LOOPBACK}:{self._port}/metrics", timeout=10) as answer:
                page = answer.read().decode()
        except OSError:
            return 0
        found = re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", page, re.MULTILINE)
        return sum(map(float, found))

    def stop(self) -> None:
        """End agent and emulator."""
        if self._process:
            self._process.stop(10)
        self.emulator.stop()


def make_objects(cluster: Cluster, vms: Sequence[Vm], period_seconds: int) -> list[str]:
    """VMIs, pods and groups; returns the pods' UIDs in the order of the VMs."""
    uids: dict[Vm, str] = {}

    def make(vm: Vm) -> None:
        uids[vm] = make_vm(cluster.control_plane, vm)["metadata"]["uid"]
        make_group(cluster.control_plane, vm, period_seconds)

    for_each(vms, make)
    return [uids[vm] for vm in vms]


def status_writes(cluster: Cluster) -> int:
    """Writes of group statuses by agents, as the API server has counted them."""
    return sum(
        event["user"]["username"].endswith(":cachemon-agent")
        and event["verb"] == "patch"
        and event["objectRef"]["resource"] == GROUPS.plural
        for event in cluster.control_plane.audit_events()
        if "objectRef" in event
    )


def run(divisor: int) -> Iterator[Figure]:
    """50 VMs with 8 vCPUs each, for one period."""
    binaries = cluster_binaries(mounts=True)
    number = max(2, VMS // divisor)
    period = max(_SHORTEST_PERIOD_SECONDS, PERIOD_SECONDS // divisor)
    vms = [Vm(TENANT, f"vm{place}", NODE, VCPUS) for place in range(number)]
    with tempfile.TemporaryDirectory(prefix="cachemon-bench-") as place, Cluster(Path(place), binaries) as cluster:
        cluster.control_plane.add_node(NODE)
        cluster.add_namespace(TENANT)
        cluster.start_operator()
        pods = make_objects(cluster, vms, period)
        guests = [Guest(f"{vm.namespace}_{vm.name}", uid, vm.vcpus) for vm, uid in zip(vms, pods, strict=True)]
        folder = Path(place) / NODE
        folder.mkdir()
        agent = AgentUnderLoad(cluster, folder, number + 8)
        try:
            with StandInVms(guests, OTHERS // divisor):
                yield from measure(cluster, agent, number, period, SETTLE_SECONDS / divisor)
        finally:
            agent.stop()


def measure(
    cluster: Cluster, agent: AgentUnderLoad, vms: int, period_seconds: int, settle_seconds: float
) -> Iterator[Figure]:
    """Start the agent, let it settle, and watch it for one period."""
    pid = agent.start()
    until(f"{vms} groups to be monitored", lambda: agent.metric("cachemon_group_monitored") == vms, seconds=60)
    watch_for(settle_seconds, agent)
    began, writes, cpu = time.monotonic(), status_writes(cluster), cpu_seconds(pid)
    watch_for(period_seconds, agent)
    spent, cpu, writes = time.monotonic() - began, cpu_seconds(pid) - cpu, status_writes(cluster) - writes
    periods = vms * spent / period_seconds
    yield Figure("agent.rss", peak_rss_mib(pid), "MiB")
    yield Figure("agent.cpu", 100 * cpu / spent, "%")
    bare = cpu_of_bare_loop(cluster, agent.emulator.mountpoint, period_seconds, vms)
    yield Figure("agent.cpu_of_bare_loop", 100 * bare, "%")
    yield Figure("agent.writes_per_group_period", writes / periods, "ratio")
    if agent.metric("cachemon_agent_sample_overruns"):
        print("bench agent: some samples were late: the machine is busy with other things", file=sys.stderr)


def cpu_of_bare_loop(cluster: Cluster, resctrl: Path, seconds: int, writes: int) -> float:
    """The part of a core that `bare_loop` takes: the same reads and as many writes, and nothing else."""
    command: list[str | Path] = [
        *(sys.executable, "-m", "tests.bench.bare_loop", cluster.control_plane.admin_kubeconfig),
        *(resctrl, str(seconds), str(writes)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 60)
    return float(done.stdout) / seconds


def watch_for(seconds: float, agent: AgentUnderLoad) -> None:
    """Let time pass, and scrape now and then as Prometheus does."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(SCRAPE_SECONDS, left))
        agent.metric("cachemon_agent_samples")


BENCH = Bench(
    "agent",
    "an agent with 50 VMs x 8 vCPUs on the emulator, a sample a second, a scrape in 15 s: memory at its most; CPU "
    "time / time; the same of a bare loop in Python that only reads and writes as much; status writes, as the API "
    "server counts them / groups x periods",
    run,
)
