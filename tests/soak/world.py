"""The soak's cluster, and what should be true in it: VMs, groups, and what every group has to say in the end."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from kubernetes.client import ApiException

from lab.cluster import Cluster, Node
from lab.kubernetes.binaries import find
from lab.kubernetes.fault_proxy import FaultProxy
from lab.vms.vm import Hardware
from lab.vms.vmi import Vmi

AGENT_FLAGS = ("--node-period=1", "--scan-period=0.5", "--rate-window=2")
NAMESPACE = "soak"
NODES = ("node01", "node02")
VCPUS = 2
GROUPINGS: tuple[tuple[str, ...], ...] = (("all",), ("0",), ("1",), ("0", "1"), ("0-1", "1"), ("0", "0-1", "1"))
"""What an object may ask for; some overlap."""


class State(StrEnum):
    """How a VM stands; the values are what Ready says of its groups in the end."""

    ABSENT = "False/VMINotFound"
    RUNNING = "True/FiguresFresh"
    FAILED = "False/VMINotRunning"
    GHOST = "False/QEMUNotFound"
    """QEMU is gone, and KubeVirt has not noticed."""


@dataclass(slots=True)
class Machine:
    """A VM by its name, through all its lives."""

    name: str
    state: State = State.ABSENT
    node: str = ""
    vmi: Vmi | None = None

    @property
    def life(self) -> Vmi:
        """The VMI that it is now."""
        assert self.vmi
        return self.vmi


@dataclass(slots=True)
class World:
    """The cluster and its VMs and groups as the soak wants them.

    Attributes:
        cluster: with a fault proxy before every program.
        machines: by name.
        groups: the VM that each CacheMonitorGroup is for, and its lists of vCPUs.
    """

    cluster: Cluster
    machines: dict[str, Machine]
    groups: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    _remedies: list[tuple[int, Callable[[], object]]] = field(default_factory=list)
    _tick: int = 0
    _lives: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lives.close()

    @property
    def nodes(self) -> Sequence[Node]:
        """Both of them."""
        return tuple(self.cluster.nodes.values())

    @property
    def proxies(self) -> dict[str, FaultProxy]:
        """By the program that goes through it."""
        found = {"operator": self.cluster.proxy} | {node.name: node.proxy for node in self.nodes}
        return {name: proxy for name, proxy in found.items() if proxy}

    def start(self, name: str, node: str) -> None:
        """Start a VM that is absent."""
        machine = self.machines[name]
        vmi = Vmi(self.cluster, NAMESPACE, name, Hardware(vcpus=VCPUS, busy_percent=(8, 4)))
        self._lives.enter_context(vmi)
        vmi.start(node)
        machine.vmi, machine.node, machine.state = vmi, node, State.RUNNING

    def migrate(self, name: str) -> None:
        """Move a running VM to the other node."""
        machine = self.machines[name]
        target = next(node for node in NODES if node != machine.node)
        machine.life.migrate(target)
        machine.node = target

    def crash(self, name: str) -> None:
        """Kill QEMU of a running VM, and let KubeVirt say so."""
        machine = self.machines[name]
        machine.life.kill()
        machine.state = State.FAILED

    def lose(self, name: str) -> None:
        """End launcher and QEMU of a running VM, and let KubeVirt notice nothing."""
        machine = self.machines[name]
        machine.life.end_processes()
        machine.state = State.GHOST

    def delete(self, name: str) -> None:
        """Delete a VM and its pod."""
        machine = self.machines[name]
        machine.life.delete()
        machine.vmi, machine.state = None, State.ABSENT

    def put_group(self, name: str, vm: str, lists: tuple[str, ...]) -> None:
        """Make a CacheMonitorGroup, or change what it asks for."""
        spec = {"vmiName": vm, "statusPeriodSeconds": 1, "groups": [{"vcpus": text} for text in lists]}
        self.cluster.control_plane.apply(
            {
                "apiVersion": "cachemon.dev/v1alpha1",
                "kind": "CacheMonitorGroup",
                "metadata": {"name": name, "namespace": NAMESPACE},
                "spec": spec,
            }
        )
        self.groups[name] = (vm, lists)

    def delete_group(self, name: str) -> None:
        """Delete a CacheMonitorGroup."""
        path = f"/apis/cachemon.dev/v1alpha1/namespaces/{NAMESPACE}/cachemonitorgroups/{name}"
        try:
            self.cluster.control_plane.request("DELETE", path)
        except ApiException as error:
            if error.status != 404:
                raise
        del self.groups[name]

    def status(self, name: str) -> dict[str, Any]:
        """What a CacheMonitorGroup says."""
        status: dict[str, Any] = self.cluster.group(NAMESPACE, name).get("status", {})
        return status

    def remedy(self, actions: int, remedy: Callable[[], object]) -> None:
        """Do this when this number of further actions have been done."""
        self._remedies.append((self._tick + actions, remedy))

    def tick(self) -> None:
        """One action was done: do the remedies whose time has come."""
        self._tick += 1
        due = [remedy for tick, remedy in self._remedies if tick <= self._tick]
        self._remedies = [item for item in self._remedies if item[0] > self._tick]
        for remedy in due:
            remedy()
        self.play_kubelet()

    def play_kubelet(self) -> None:
        """Start the operator again where it gave up by itself; agents never do."""
        if self.cluster.operator_exit_status == 1:
            self.cluster.start_operator()
        assert self.cluster.operator_exit_status is None, "the operator ended otherwise than it should"
        assert all(node.agent_exit_status is None for node in self.nodes), "an agent ended by itself"

    def start_agent(self, name: str) -> None:
        """Start a node's agent unless it runs."""
        node = self.cluster.nodes[name]
        if node.agent_pid is None:
            node.start_agent()

    def start_operator(self) -> None:
        """Start the operator unless it runs."""
        if self.cluster.operator_pid is None:
            self.cluster.start_operator()

    def heal(self) -> None:
        """End every fault, and start what does not run."""
        self._remedies.clear()
        for proxy in self.proxies.values():
            proxy.heal()
        for node in self.nodes:
            node.emulator.control.heal()
            node.emulator.control.thaw()
            self.start_agent(node.name)
        self.start_operator()


@contextmanager
def made(folder: Path, vms: int = 3) -> Iterator[World]:
    """A world with two nodes, running programs and no VM yet."""
    with Cluster(folder, find(), faulty=True) as cluster:
        cluster.start_operator()
        for name in NODES:
            cluster.add_node(name, agent_flags=AGENT_FLAGS).start_agent()
        cluster.add_namespace(NAMESPACE)
        names = [f"vm{number}" for number in range(vms)]
        with World(cluster, {name: Machine(name) for name in names}) as world:
            yield world
