"""A real cluster: a control plane, two nodes, and the images in both."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from lab.kubernetes.binaries import Binaries
from lab.nodes.cgroups import remove_left_behind
from lab.nodes.control_plane import RealControlPlane
from lab.nodes.node import NodeError, RealNode
from lab.nodes.programs import NodePrograms
from lab.nodes.work_folder import work_folder
from lab.progress import Say, say_on_stderr
from lab.wait import GaveUpError, until

NODES = ("node01", "node02")
_READY_SECONDS = 90
FOLDERS = "cachemon-cluster-"
"""How the names of clusters' folders begin."""


class RealCluster:
    """A context manager: after it no process, namespace, mount or cgroup is left.

    Args:
        binaries: etcd and API server.
        programs: what Kubernetes needs beside them.
        images: archives by name.
        names: of the nodes.
        say: reports progress.
    """

    def __init__(
        self,
        binaries: Binaries,
        programs: NodePrograms,
        images: Mapping[str, Path],
        names: Sequence[str] = NODES,
        say: Say = say_on_stderr,
    ) -> None:
        self._binaries = binaries
        self._programs = programs
        self._images = images
        self._names = names
        self._say = say
        self._stack = ExitStack()
        self.nodes: dict[str, RealNode] = {}

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def kubeconfig(self) -> Path:
        """The administrator's, for use on this machine."""
        return self.api.admin_kubeconfig

    def _start(self, stack: ExitStack) -> None:
        remove_left_behind()
        work = stack.enter_context(work_folder(FOLDERS))
        self._say(f"starting a control plane and {len(self._names)} nodes; logs are in {work}")
        self.api = RealControlPlane(work, self._binaries, self._programs, self._names)
        stack.enter_context(self.api)
        for number, name in enumerate(self._names, start=1):
            node = self.nodes[name] = RealNode(self.api, self._programs, name, number)
            stack.callback(node.stop)
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda node: node.import_images(list(self._images.values())), self.nodes.values()))
        try:
            until("both nodes to be Ready", lambda: self._ready() == set(self._names), seconds=_READY_SECONDS)
        except GaveUpError as error:
            logs = "\n".join(node.log_tail() for node in self.nodes.values())
            raise NodeError(f"{error}; the kubelets say:\n{logs}") from error

    def _ready(self) -> set[str]:
        return {
            node["metadata"]["name"]
            for node in self.api.request("GET", "/api/v1/nodes")["items"]
            if any(item["type"] == "Ready" and item["status"] == "True" for item in node["status"]["conditions"])
        }
