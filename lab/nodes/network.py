"""Network namespaces without names, and the wires between them.

Who holds a namespace is a process: when that ends, namespace, wires, addresses and routes are gone.
"""

import subprocess
from pathlib import Path

from lab.server_process import ServerProcess
from lab.wait import until

SERVICE_NETWORK = "10.96.0.0/24"
API_ADDRESS = "10.96.0.1"
"""Of Service `kubernetes`. The API server itself has it, so that pods reach it without kube-proxy."""

POD_NETWORKS = "10.244.{number}.0/24"
_WIRE = "10.97.{number}.{end}"


def node_address(number: int) -> str:
    """Of a node's end of its wire."""
    return _WIRE.format(number=number, end=2)


def in_network(pid: int, *command: str | Path) -> list[str | Path]:
    """A command that runs in the network namespace that a process is in.

    Not `ip netns exec`: that mounts a fresh /sys, and so hides the cgroups.
    """
    return ["nsenter", f"--net=/proc/{pid}/ns/net", "--", *command]


def new_network(log: Path) -> ServerProcess:
    """A network namespace that forwards, with its loopback up, held by a process that does nothing."""
    holder = ServerProcess(["unshare", "--net", "--", "sleep", "infinity"], log)
    await_namespace(holder.pid, "net")
    _prepare(holder.pid)
    _run(holder.pid, "ip", "address", "add", f"{API_ADDRESS}/32", "dev", "lo")
    return holder


def connect(hub: int, node: int, number: int) -> None:
    """Wire a node to the hub, so that its pods, the API server and the other nodes' pods reach each other.

    Args:
        hub: a process in the namespace of the control plane.
        node: a process in the namespace of the node.
        number: of the node, from 1.
    """
    here, there = _WIRE.format(number=number, end=1), node_address(number)
    _prepare(node)
    _run(hub, "ip", "link", "add", f"node{number}", "type", "veth", "peer", "name", "eth0", "netns", str(node))
    _run(hub, "ip", "address", "add", f"{here}/24", "dev", f"node{number}")
    _run(hub, "ip", "link", "set", f"node{number}", "up")
    _run(node, "ip", "address", "add", f"{there}/24", "dev", "eth0")
    _run(node, "ip", "link", "set", "eth0", "up")
    _run(node, "ip", "route", "add", "default", "via", here)
    _run(hub, "ip", "route", "add", POD_NETWORKS.format(number=number), "via", there)


def await_namespace(pid: int, kind: str) -> None:
    """Wait until a process that is to leave one of our namespaces has done so."""
    own = Path(f"/proc/self/ns/{kind}").readlink()
    until(f"a {kind} namespace", lambda: Path(f"/proc/{pid}/ns/{kind}").readlink() != own)


def _prepare(pid: int) -> None:
    _run(pid, "ip", "link", "set", "lo", "up")
    _run(pid, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")


def _run(pid: int, *command: str) -> None:
    subprocess.run(in_network(pid, *command), check=True)
