"""Names as `kubectl get -o name` prints them: with the type in front. Pure."""

from argparse import ArgumentTypeError
from collections.abc import Collection

_OF_VMIS = frozenset(
    (
        "vmi",
        "vmis",
        "virtualmachineinstance",
        "virtualmachineinstances",
        "vm",
        "vms",
        "virtualmachine",
        "virtualmachines",
    )
)
"""A VMI has the name of its VM."""
_OF_NODES = frozenset(("no", "node", "nodes", "cmn", "cachemonitornode", "cachemonitornodes"))


def read_vmi_name(text: str) -> str:
    """Name of a VMI, from `vm3`, `vmi/vm3` or `virtualmachineinstance.kubevirt.io/vm3`.

    Raises:
        ArgumentTypeError: the type is another.
    """
    return _name(text, _OF_VMIS, "VirtualMachineInstance")


def read_node_name(text: str) -> str:
    """Name of a node, from `node01` or `node/node01`.

    Raises:
        ArgumentTypeError: the type is another.
    """
    return _name(text, _OF_NODES, "node")


def _name(text: str, types: Collection[str], kind: str) -> str:
    typed, slash, name = text.rpartition("/")
    if slash and typed.partition(".")[0].lower() not in types:
        raise ArgumentTypeError(f"{text!r} is no {kind}: type the name of one")
    return name
