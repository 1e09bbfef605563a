"""From an empty cluster to one that measures: KubeVirt's kind of VMI, an emulated resctrl, the chart."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.nodes.chart import NAMESPACE, RELEASE, Chart
from lab.nodes.emulated import EMULATOR_NAMESPACE, PodControl, emulator_objects, emulator_pods
from lab.nodes.kubectl import Kubectl
from lab.repository import REPOSITORY
from lab.speed import allowance
from lab.wait import GaveUpError, until

_VMI_KIND = "virtualmachineinstances.kubevirt.io"
_PRIVILEGED = "pod-security.kubernetes.io/enforce=privileged"
_PODS = ("--selector=app.kubernetes.io/name=cachemon",)


class InstallationError(RuntimeError):
    """cachemon is on the cluster and does not work."""


@dataclass(frozen=True, slots=True)
class Installation:
    """cachemon on some cluster.

    Attributes:
        kubeconfig: of a user with all rights.
        values: of the chart.
        emulator: image of the emulated resctrl.
        resctrl: where the nodes have resctrl, and the emulator mounts its own.
    """

    kubeconfig: Path
    values: Mapping[str, Any]
    emulator: str
    resctrl: str = "/sys/fs/resctrl"

    @property
    def kubectl(self) -> Kubectl:
        """With the kubeconfig."""
        return Kubectl(self.kubeconfig)

    @property
    def chart(self) -> Chart:
        """With the kubeconfig."""
        return Chart(self.kubeconfig)

    def prepare(self) -> None:
        """What a KubeVirt node with RDT would have: VMIs and a resctrl; and a namespace that lets agents in."""
        kubectl = self.kubectl
        kubectl.apply_folders([REPOSITORY / "lab/kubernetes/crds"])
        kubectl.run("wait", f"crd/{_VMI_KIND}", "--for=condition=Established", f"--timeout={allowance(30):.0f}s")
        kubectl.apply(*emulator_objects(self.emulator, self.resctrl))
        kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        kubectl.run("label", f"namespace/{NAMESPACE}", "--overwrite", _PRIVILEGED)

    def install(self) -> None:
        """Install the chart and wait until every node with an agent reports."""
        self.chart.install(self.values)
        self.await_nodes()

    def is_installed(self) -> bool:
        """Whether the chart is there."""
        release = f"--selector=owner=helm,name={RELEASE}"
        return bool(self.kubectl.items("secrets", f"--namespace={NAMESPACE}", release))

    def await_nodes(self) -> None:
        """Wait until every node with an emulator is Ready in its CacheMonitorNode.

        Raises:
            InstallationError: one is not; the message has what each says.
        """
        try:
            until("every node to report", lambda: self._ready_nodes() == set(emulator_pods(self.kubectl)), seconds=60)
        except GaveUpError as error:
            nodes = self.kubectl.run("get", "cachemonitornodes", "--output=wide")
            raise InstallationError(f"{error}\n{nodes}\n{self.logs()}") from error

    def logs(self) -> str:
        """The end of what operator and agents have logged."""
        return self.kubectl.run("logs", f"--namespace={NAMESPACE}", "--tail=10", "--prefix", *_PODS)

    def emulators(self) -> dict[str, PodControl]:
        """Control of each node's emulated resctrl."""
        return {node: PodControl(self.kubectl, pod) for node, pod in emulator_pods(self.kubectl).items()}

    def remove_preparations(self) -> None:
        """Take back what `prepare` made, and with the CRDs all objects of cachemon."""
        namespaces = (f"namespace/{EMULATOR_NAMESPACE}", f"namespace/{NAMESPACE}")
        kinds = self.kubectl.run("get", "crd", "--output=name").split()
        ours = [kind for kind in kinds if kind.endswith((".cachemon.dev", f"/{_VMI_KIND}"))]
        self.kubectl.run("delete", *namespaces, *ours, "--ignore-not-found")

    def _ready_nodes(self) -> set[str]:
        return {
            node["metadata"]["name"]
            for node in self.kubectl.items("cachemonitornodes")
            if any(item["type"] == "Ready" and item["status"] == "True" for item in node["status"]["conditions"])
        }
