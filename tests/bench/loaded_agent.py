"""An agent as in its pod, with VMs to report, and a bare loop that reads and writes as much."""

import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, Self

from cachemon.model.api import GROUPS
from lab.cluster import NAMESPACE, Cluster, program
from lab.ports import LOOPBACK, free_port
from lab.server_process import ServerProcess
from lab.wait import until
from tests.bench.filling import Vm, for_each, make_group, make_vm
from tests.bench.in_pod import command_in_pod, environment_in_pod
from tests.bench.measure import Figure, cpu_seconds, peak_rss_mib
from tests.bench.stand_in_vms import Guest

NODE, TENANT = "node01", "bench"
SCRAPE_SECONDS = 15
_SHORTEST_PERIOD_SECONDS = 3


class Load(NamedTuple):
    """What an agent has to do.

    Attributes:
        vms: how many it reports.
        vcpus: of each.
        groups: CacheMonitorGroups of each VM, which divide its vCPUs among them.
        others: processes of the node that are no VMs.
        period_seconds: of every status.
        settle_seconds: from the start until it is measured.
    """

    vms: int
    vcpus: int
    groups: int
    others: int
    period_seconds: int
    settle_seconds: float

    def divided(self, divisor: int) -> Self:
        """A smaller one, for a quick try."""
        return self._replace(
            vms=max(2, self.vms // divisor),
            others=self.others // divisor,
            period_seconds=max(_SHORTEST_PERIOD_SECONDS, self.period_seconds // divisor),
            settle_seconds=self.settle_seconds / divisor,
        )

    @property
    def vcpus_of_groups(self) -> list[range]:
        """The vCPUs of each group of a VM."""
        share = self.vcpus // self.groups
        return [range(first, first + share) for first in range(0, share * self.groups, share)]


class Tree(NamedTuple):
    """Where an agent finds the kernel's files."""

    resctrl: Path
    sysfs: Path


class AgentUnderLoad:
    """An agent as in its pod.

    Args:
        cluster: with an operator that runs.
        folder: an empty folder.
        tree: the kernel's files.
    """

    def __init__(self, cluster: Cluster, folder: Path, tree: Tree) -> None:
        api = cluster.control_plane
        port = free_port()
        token = api.service_account_token(NAMESPACE, "cachemon-agent", bound_pod=api.add_agent_pod(NODE))
        command: list[str | Path] = [
            *(program("cachemon-agent"), f"--node-name={NODE}", f"--metrics-address={LOOPBACK}:{port}"),
            "--insecure-metrics=true",
            *(f"--resctrl={tree.resctrl}", f"--sysfs={tree.sysfs}"),
        ]
        self._page = f"http://{LOOPBACK}:{port}/metrics"
        self._process = ServerProcess(
            command_in_pod(command, api, token, folder), folder / "agent.log", environment_in_pod(os.environ, api)
        )
        self.pid = self._process.pid

    def metric(self, name: str) -> float:
        """A number of its /metrics page; 0 while it has none."""
        try:
            with urllib.request.urlopen(self._page, timeout=10) as answer:
                page = answer.read().decode()
        except OSError:
            return 0
        found = re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", page, re.MULTILINE)
        return sum(map(float, found))

    def watch(self, seconds: float) -> None:
        """Let time pass, and scrape now and then as Prometheus does."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(SCRAPE_SECONDS, left))
            self.metric("cachemon_agent_samples_total")

    def close(self) -> None:
        """End it."""
        self._process.stop(10)


def make_objects(cluster: Cluster, load: Load) -> list[Guest]:
    """Make the node with its VMIs, pods and groups, and start the operator; returns the VMs that are to run."""
    cluster.control_plane.add_node(NODE)
    cluster.add_namespace(TENANT)
    cluster.start_operator()
    vms = [Vm(TENANT, f"vm{place}", NODE, load.vcpus) for place in range(load.vms)]
    uids: dict[Vm, str] = {}

    def make(vm: Vm) -> None:
        uids[vm] = make_vm(cluster.control_plane, vm)["metadata"]["uid"]
        for number, vcpus in enumerate(load.vcpus_of_groups):
            some = f"{vcpus[0]}-{vcpus[-1]}" if load.groups > 1 else ""
            make_group(cluster.control_plane, vm, load.period_seconds, name=f"{vm.name}-{number}", vcpus=some)

    for_each(vms, make)
    return [Guest(f"{vm.namespace}_{vm.name}", uids[vm], vm.vcpus) for vm in vms]


def measured(cluster: Cluster, folder: Path, tree: Tree, load: Load, suffix: str = "") -> Iterator[Figure]:
    """Start an agent, let it settle, and watch it for one period; then run the bare loop beside it.

    Args:
        cluster: with an operator that runs.
        folder: an empty folder.
        tree: the kernel's files.
        load: what there is to do.
        suffix: of the figures' names.
    """
    with closing(AgentUnderLoad(cluster, folder, tree)) as agent:
        groups = load.vms * load.groups
        until(
            f"{groups} groups to be monitored",
            lambda: agent.metric("cachemon_group_monitored") == groups,
            seconds=120,
        )
        agent.watch(load.settle_seconds)
        began, writes, cpu = time.monotonic(), _status_writes(cluster), cpu_seconds(agent.pid)
        agent.watch(load.period_seconds)
        spent, cpu = time.monotonic() - began, cpu_seconds(agent.pid) - cpu
        writes = _status_writes(cluster) - writes
        bare = _cpu_of_bare_loop(cluster, tree.resctrl, load.period_seconds, groups)
        yield Figure(f"agent.rss{suffix}", peak_rss_mib(agent.pid), "MiB")
        yield Figure(f"agent.cpu{suffix}", 100 * cpu / spent, "%")
        yield Figure(f"agent.cpu_of_bare_loop{suffix}", 100 * bare, "%")
        yield Figure(f"agent.cpu_vs_bare_loop{suffix}", cpu / spent / bare, "ratio")
        periods = groups * spent / load.period_seconds
        yield Figure(f"agent.writes_per_group_period{suffix}", writes / periods, "ratio")
        if late := agent.metric("cachemon_agent_sample_overruns_total"):
            print(
                f"bench agent: {late:.0f} samples were late: the machine is busy with other things", file=sys.stderr
            )


def _status_writes(cluster: Cluster) -> int:
    """Writes of group statuses by agents, as the API server has counted them."""
    return sum(
        event["user"]["username"].endswith(":cachemon-agent")
        and event["verb"] == "patch"
        and event["objectRef"]["resource"] == GROUPS.plural
        for event in cluster.control_plane.audit_events()
        if "objectRef" in event
    )


def _cpu_of_bare_loop(cluster: Cluster, resctrl: Path, seconds: int, writes: int) -> float:
    """The part of a core that `bare_loop` takes: the same reads and as many writes, and nothing else."""
    command: Sequence[str | Path] = [
        *(sys.executable, "-m", "tests.bench.bare_loop", cluster.control_plane.admin_kubeconfig),
        *(resctrl, str(seconds), str(writes)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 60)
    return float(done.stdout) / seconds
