"""The VMs of the examples, in real pods."""

from pathlib import Path

from lab.nodes.kubectl import Kubectl
from lab.nodes.vmi import RealVmi
from lab.repository import REPOSITORY

_EXAMPLES = ("whole-vms.yaml", "vm3.yaml", "vm3-overlap.yaml")
_BUSY_PERCENT = {"vm1": (6, 1), "vm2": (2, 2), "vm3": (2, 9, 1, 2)}
_NAMESPACE = {"vm1": "tenant-a", "vm2": "tenant-a", "vm3": "tenant-b"}


def start_vms(kubectl: Kubectl, image: str, nodes: list[str], examples: Path = REPOSITORY / "examples") -> None:
    """Start three VMs, and ask for their figures by the examples.

    Args:
        kubectl: of the cluster.
        image: of the launcher.
        nodes: vm1 and vm3 run on the first, vm2 on the last.
        examples: folder of the examples.
    """
    for namespace in sorted(set(_NAMESPACE.values())):
        kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    vmis = [
        RealVmi(kubectl, _NAMESPACE[name], name, image, vcpus=len(busy), busy_percent=busy)
        for name, busy in _BUSY_PERCENT.items()
    ]
    for vmi in vmis:
        vmi.create(nodes[-1] if vmi.name == "vm2" else nodes[0])
    kubectl.apply_folders([examples / name for name in _EXAMPLES])
    for vmi in vmis:
        vmi.await_running()
