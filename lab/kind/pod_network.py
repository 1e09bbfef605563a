"""The network of pods without kindnetd: a bridge on each node, and a route to every other node's pods."""

from collections.abc import Iterator
from typing import Any

from lab.kind.engines import Engine
from lab.nodes.kubectl import Kubectl
from lab.speed import allowance
from lab.wait import until

_CONFLIST = """\
{{"cniVersion": "0.4.0", "name": "lab", "plugins": [{{"type": "bridge", "bridge": "pods", "isGateway": true, "ipam":
{{"type": "host-local", "ranges": [[{{"subnet": "{subnet}"}}]], "routes": [{{"dst": "0.0.0.0/0"}}]}}}}]}}
"""
_PLACE = "/etc/cni/net.d/10-lab.conflist"


def connect_pods(kubectl: Kubectl, engine: Engine, count: int) -> None:
    """Configure every node, and wait until all are Ready.

    Args:
        kubectl: of the cluster.
        engine: in which nodes are containers of the same name.
        count: of the nodes; one that has joined may not be registered yet.
    """

    def on_node(node: str, *command: str, given: str = "") -> None:
        engine.run("exec", "--interactive", node, *command, given=given)

    nodes = until("a network of pods for each node", lambda: _with_networks(kubectl, count), seconds=60)
    for node in nodes:
        name, subnet = node["metadata"]["name"], node["spec"]["podCIDR"]
        on_node(name, "mkdir", "--parents", "/etc/cni/net.d")
        on_node(name, "cp", "/dev/stdin", _PLACE, given=_CONFLIST.format(subnet=subnet))
        for network, address in routes(nodes, name):
            on_node(name, "ip", "route", "replace", network, "via", address)
    kubectl.run("wait", "nodes", "--all", "--for=condition=Ready", f"--timeout={allowance(90):.0f}s")


def routes(nodes: list[dict[str, Any]], name: str) -> Iterator[tuple[str, str]]:
    """Networks of the other nodes' pods, and the addresses that they are behind.

    Args:
        nodes: as the API server has them.
        name: of the node that gets the routes.
    """
    for node in nodes:
        if node["metadata"]["name"] != name:
            addresses = {item["type"]: item["address"] for item in node["status"]["addresses"]}
            yield node["spec"]["podCIDR"], addresses["InternalIP"]


def _with_networks(kubectl: Kubectl, count: int) -> list[dict[str, Any]] | None:
    nodes = [node for node in kubectl.items("nodes") if "podCIDR" in node["spec"]]
    return nodes if len(nodes) == count else None
