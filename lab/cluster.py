"""A cluster of the lab: a real Kubernetes API, the operator, and nodes with an emulated resctrl and an agent.

Operator and agents are the programs that production runs, as processes of their own, with tokens of their own
service accounts: an agent's is bound to a pod on its node, as the kubelet's projected tokens are.
"""

import sysconfig
import urllib.request
from collections.abc import Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any, Self

from kubernetes.client import ApiException

from lab.emulator import Emulator
from lab.kubernetes.binaries import Binaries
from lab.kubernetes.control_plane import ControlPlane
from lab.kubernetes.fault_proxy import FaultProxy
from lab.kubernetes.prepare import make_namespace, prepare
from lab.ports import LOOPBACK, free_port, free_ports
from lab.repository import REPOSITORY
from lab.server_process import ServerProcess
from lab.speed import allowance
from lab.vms.cgroups import writable_home
from lab.wait import until

NAMESPACE = "cachemon-system"
MIB = 1024 * 1024
TWO_BLOCKS = {0: 32 * MIB, 1: 32 * MIB}

_STOP_SECONDS = 10
_READY_SECONDS = 30
_SAMPLES_OF_LAG = 4

GUARDED_METRICS = "--insecure-metrics=false"
"""A flag for programs of the lab whose /metrics is to be served as in production."""
_OPEN_METRICS = "--insecure-metrics=true"


def program(name: str) -> Path:
    """One of cachemon's programs, as pip installed it beside this Python."""
    return Path(sysconfig.get_path("scripts")) / name


class Node:
    """One node: a mounted resctrl tree and an agent that can be started, stopped and killed.

    Args:
        cluster: that it belongs to.
        name: of the Node object.
        folder: an empty folder for its files.
        emulator: options of `Emulator`.
        agent_flags: more flags for the agent.

    Attributes:
        proxy: what the agent reaches the API server through, if the cluster is to have faults.
    """

    def __init__(
        self, cluster: "Cluster", name: str, folder: Path, emulator: Mapping[str, Any], agent_flags: Sequence[str]
    ) -> None:
        self.name = name
        self.emulator = Emulator(folder, **emulator)
        self.log = folder / "agent.log"
        self._flags = agent_flags
        self._port, self._health_port = free_ports(2)
        cluster.control_plane.add_node(name)
        pod = cluster.control_plane.add_agent_pod(name)
        token = cluster.control_plane.service_account_token(NAMESPACE, "cachemon-agent", bound_pod=pod)
        self.proxy = cluster.make_proxy()
        server = self.proxy.url if self.proxy else ""
        self._kubeconfig = cluster.control_plane.kubeconfig(f"agent-{name}", token, server=server)
        self._agent: ServerProcess | None = None

    def another_agent(self) -> "Node":
        """A second agent on this node, as there is for a moment in a rolling upgrade; it shares all but the ports."""
        other = copy(self)
        other.log = self.log.with_name("another-agent.log")
        other._port, other._health_port = free_ports(2)  # noqa: SLF001  its own kind
        other.start_agent()
        return other

    @property
    def agent_pid(self) -> int | None:
        """Of the agent; None when it was not started, or stopped."""
        return self._agent.pid if self._agent else None

    @property
    def address(self) -> str:
        """`HOST:PORT` of the agent's /metrics."""
        return f"{LOOPBACK}:{self._port}"

    @property
    def agent_exit_status(self) -> int | None:
        """Of an agent that has ended by itself."""
        return self._agent.exit_status if self._agent else None

    @property
    def health_address(self) -> str:
        """`HOST:PORT` of the agent's /healthz."""
        return f"{LOOPBACK}:{self._health_port}"

    def start_agent(self, wrapper: Sequence[str | Path] = ()) -> None:
        """Start the agent and wait until it answers.

        Args:
            wrapper: a command that gives the process its rights and then becomes the agent.
        """
        self._agent = ServerProcess(
            [
                *wrapper,
                program("cachemon-agent"),
                f"--node-name={self.name}",
                f"--resctrl={self.emulator.mountpoint}",
                f"--sysfs={self.emulator.sysfs}",
                f"--proc={self.emulator.proc}",
                f"--kubeconfig={self._kubeconfig}",
                f"--metrics-address={self.address}",
                f"--health-address={self.health_address}",
                _OPEN_METRICS,  # until a test's own flags say otherwise
                *([] if writable_home() else ["--pods-by-mounts=true"]),
                *self._flags,
            ],
            self.log,
        )  # fmt: skip
        until(f"the agent of {self.name}", self._answers, seconds=_READY_SECONDS)

    def stop_agent(self) -> None:
        """SIGTERM, as a DaemonSet's rolling update sends."""
        if self._agent:
            self._agent.stop(_STOP_SECONDS)
            self._agent = None

    def kill_agent(self) -> None:
        """SIGKILL: it can't end anything itself."""
        if self._agent:
            self._agent.kill()
            self._agent = None

    def metrics(self) -> str:
        """The agent's /metrics page."""
        with urllib.request.urlopen(f"http://{self.address}/metrics", timeout=allowance(10)) as answer:
            text: str = answer.read().decode()
        return text

    def later_metrics(self) -> str:
        """A page whose samples were all begun after now: a page may lag a sample or two behind."""
        enough = self.sampled() + _SAMPLES_OF_LAG
        until(f"{self.name} to publish samples", lambda: self.sampled() >= enough)
        return self.metrics()

    def sampled(self) -> int:
        """How many samples the agent has taken since it started."""
        (line,) = (line for line in self.metrics().splitlines() if line.startswith("cachemon_agent_samples_total"))
        return int(float(line.rpartition(" ")[2]))

    def stop(self) -> None:
        """End agent and emulator."""
        self.stop_agent()
        self.emulator.stop()
        if self.proxy:
            self.proxy.stop()

    def _answers(self) -> bool:
        if self._agent and self._agent.exit_status is not None:
            raise RuntimeError(f"the agent of {self.name} ended; {self._agent.log_tail()}")
        try:
            with urllib.request.urlopen(f"http://{self.health_address}/healthz", timeout=allowance(5)):
                return True
        except OSError:
            return False


class Cluster:
    """The running whole; a context manager that stops everything in order.

    Args:
        folder: an existing folder for all that it writes; the caller removes it.
        binaries: etcd and kube-apiserver; found or made when absent.
        faulty: operator and agents reach the API server through a `FaultProxy` each.
        repository: whose CRDs and rights are applied.

    Attributes:
        proxy: the operator's, when faulty.
    """

    def __init__(
        self,
        folder: Path,
        binaries: Binaries | None = None,
        *,
        faulty: bool = False,
        repository: Path = REPOSITORY,
    ) -> None:
        self.folder = folder
        self._repository = repository
        self._faulty = faulty
        self.proxy: FaultProxy | None = None
        self.control_plane = ControlPlane(folder / "control-plane", binaries)
        self.nodes: dict[str, Node] = {}
        self.operator_log = folder / "operator.log"
        self.operator_address = f"{LOOPBACK}:{free_port()}"
        self._operator: ServerProcess | None = None

    def __enter__(self) -> Self:
        try:
            self.control_plane.start()
            prepare(self.control_plane, self._repository)
            self.proxy = self.make_proxy()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start_operator(self, wrapper: Sequence[str | Path] = (), operator_flags: Sequence[str] = ()) -> None:
        """Start the operator with its own service account; its metrics are for everybody unless flags are given.

        Args:
            wrapper: a command that prepares the process and then becomes the operator.
            operator_flags: more flags for it.
        """
        token = self.control_plane.service_account_token(NAMESPACE, "cachemon-operator")
        server = self.proxy.url if self.proxy else ""
        kubeconfig = self.control_plane.kubeconfig("operator", token, server=server)
        self._operator = ServerProcess(
            [
                *wrapper,
                program("cachemon-operator"),
                f"--kubeconfig={kubeconfig}",
                f"--metrics-address={self.operator_address}",
                *(operator_flags or (_OPEN_METRICS,)),
            ],
            self.operator_log,
        )

    def stop_operator(self) -> None:
        """SIGTERM to the operator."""
        if self._operator:
            self._operator.stop(_STOP_SECONDS)
            self._operator = None

    def kill_operator(self) -> None:
        """SIGKILL: it can't end anything itself."""
        if self._operator:
            self._operator.kill()
            self._operator = None

    @property
    def operator_pid(self) -> int | None:
        """Of the operator; None when it was not started, or stopped."""
        return self._operator.pid if self._operator else None

    @property
    def operator_exit_status(self) -> int | None:
        """Of an operator that has ended by itself."""
        return self._operator.exit_status if self._operator else None

    def make_proxy(self) -> FaultProxy | None:
        """A proxy before the API server if the cluster is to have faults."""
        return FaultProxy(self.control_plane.url, self.control_plane.ca_file) if self._faulty else None

    def add_node(
        self, name: str, *, emulator: Mapping[str, Any] | None = None, agent_flags: Sequence[str] = ()
    ) -> Node:
        """Make a node, with two cache blocks by default; its agent is not started yet."""
        folder = self.folder / name
        folder.mkdir()
        node = self.nodes[name] = Node(self, name, folder, emulator or {"blocks": TWO_BLOCKS}, agent_flags)
        return node

    def add_namespace(self, name: str) -> None:
        """Make a namespace, if it is not there."""
        try:
            make_namespace(self.control_plane, name)
        except ApiException as error:
            if error.status != 409:
                raise

    def scraper_token(self) -> str:
        """A token of the service account that the chart makes for Prometheus, for a day."""
        return self.control_plane.service_account_token(NAMESPACE, "cachemon-scraper", seconds=24 * 3600)

    def group(self, namespace: str, name: str) -> dict[str, Any]:
        """A CacheMonitorGroup as it is now."""
        path = f"/apis/cachemon.dev/v1alpha1/namespaces/{namespace}/cachemonitorgroups/{name}"
        answer: dict[str, Any] = self.control_plane.request("GET", path)
        return answer

    def stop(self) -> None:
        """End everything, the API last."""
        self.stop_operator()
        for node in self.nodes.values():
            node.stop()
        self.nodes.clear()
        if self.proxy:
            self.proxy.stop()
            self.proxy = None
        self.control_plane.stop()
