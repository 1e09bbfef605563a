"""One node with VMs of several tenants: a real API server, operator and agent, the emulator, processes for QEMUs."""

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from lab.cluster import GUARDED_METRICS, TWO_BLOCKS, Cluster, Node
from lab.kubernetes.binaries import find
from lab.program_cache import BinariesError
from tests.bench.bindings import await_bindings
from tests.bench.filling import Vm, for_each, make_vm
from tests.bench.measure import CannotRunError
from tests.bench.stand_in_vms import Guest, StandInVms
from tests.bench.strangers import scrape

ATTACKER, VICTIM, NODE = "attacker", "victim", "node01"
RMIDS = 128
SCRAPE_SECONDS = 10.0
"""Prometheus's scrape_timeout."""


class Scene(NamedTuple):
    """What a part of the bench has to work with; operator and agent are not started.

    Attributes:
        cluster: with the VMs' objects.
        node: the only one.
        pods: UID of each VM's pod.
        token: of somebody who may read pages of metrics.
    """

    cluster: Cluster
    node: Node
    pods: dict[Vm, str]
    token: str

    def page(self) -> str:
        """The agent's page of metrics; empty when it does not come in 10 s, as for Prometheus."""
        return scrape(self.node.address, self.token, SCRAPE_SECONDS)

    def written(self) -> float:
        """How many statuses the agent has written since it started."""
        found = re.findall(
            r'^cachemon_agent_api_writes_total\{.*result="written".*\} (\S+)$', self.page(), re.MULTILINE
        )
        return sum(map(float, found))

    def await_bound(self, seconds: float = 180) -> None:
        """Wait until every group has a node."""
        await_bindings(self.cluster.control_plane, seconds)

    def log_tail(self) -> str:
        """The end of what operator and agent have logged."""
        logs = [path for path in (self.cluster.operator_log, self.node.log) if path.exists()]
        return "\n".join(f"{path.name}:\n" + "\n".join(path.read_text().splitlines()[-8:]) for path in logs)


@contextmanager
def scene(vms: Sequence[Vm], *agent_flags: str) -> Iterator[Scene]:
    """Make it, and clear it away.

    Args:
        vms: all on NODE.
        agent_flags: of its agent.

    Raises:
        CannotRunError: the machine lacks something.
    """
    if os.geteuid() != 0 or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        raise CannotRunError("mounting the emulator and making cgroups needs root and /dev/fuse")
    try:
        binaries = find()
    except BinariesError as error:
        raise CannotRunError(str(error)) from error
    folder = Path(tempfile.mkdtemp(prefix="cachemon-bench-"))
    try:
        with Cluster(folder, binaries) as cluster:
            for namespace in sorted({vm.namespace for vm in vms}):
                cluster.add_namespace(namespace)
            emulator = {"blocks": TWO_BLOCKS, "rmids": RMIDS}
            node = cluster.add_node(NODE, emulator=emulator, agent_flags=(GUARDED_METRICS, *agent_flags))
            pods = _make_vms(cluster, vms)
            guests = [Guest(f"{vm.namespace}_{vm.name}", pods[vm], vm.vcpus) for vm in vms]
            with StandInVms(guests, 0):
                made = Scene(cluster, node, pods, cluster.scraper_token())
                try:
                    yield made
                except BaseException:
                    print(made.log_tail(), file=sys.stderr)
                    raise
                finally:
                    node.stop_agent()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _make_vms(cluster: Cluster, vms: Sequence[Vm]) -> dict[Vm, str]:
    pods: dict[Vm, str] = {}

    def make(vm: Vm) -> None:
        pods[vm] = make_vm(cluster.control_plane, vm)["metadata"]["uid"]

    for_each(vms, make)
    return pods
