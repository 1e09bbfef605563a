"""The cluster of the tenants' soak: victims with real QEMUs, and one namespace that means ill."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.cluster import GUARDED_METRICS, TWO_BLOCKS, Cluster
from lab.kubernetes.binaries import find
from lab.vms.lock_holder import lock_holders
from lab.vms.vm import Hardware
from lab.vms.vmi import Vmi
from lab.wait import until
from tests.bench.filling import Vm, make_vm
from tests.bench.stand_in_vms import Guest, StandInVms
from tests.soak.forker import forker

ATTACKER = "mallory"
NODES = ("node01", "node02")
GROUPS = ("0", "0-1", "1")
"""What every victim watches of its VM."""
RMIDS = 64
_PERIOD_SECONDS = 5
_VICTIMS = (("alice", "vm0", "node01"), ("bob", "vm0", "node02"), ("bob", "vm1", "node01"))
_ATTACKERS_VMS = {"node01": 8, "node02": 4}
_VCPUS, _LOCK_HOLDERS = 8, 3
_RBAC = "rbac.authorization.k8s.io"


@dataclass(frozen=True, slots=True)
class Victim:
    """A VM of another tenant and its CacheMonitorGroup of the same name."""

    vmi: Vmi
    node: str

    @property
    def name(self) -> str:
        """`<namespace>/<name>`."""
        return f"{self.vmi.namespace}/{self.vmi.name}"


@dataclass(frozen=True, slots=True)
class World:
    """Everything, running.

    Attributes:
        cluster: with operator and two agents.
        victims: all of them monitored.
        vms: the attacker's, by name; processes that look like QEMUs.
        period_seconds: of the victims' objects and of the nodes.
        scraper_token: of somebody who may read pages of metrics.
        kubeconfig: the attacker's, who may edit CacheMonitorGroups in its namespace and nothing else.
    """

    cluster: Cluster
    victims: Sequence[Victim]
    vms: Mapping[str, Vm]
    period_seconds: int
    scraper_token: str
    kubeconfig: Path

    def status(self, victim: Victim) -> dict[str, Any]:
        """What the victim's CacheMonitorGroup says."""
        status: dict[str, Any] = self.cluster.group(victim.vmi.namespace, victim.vmi.name).get("status", {})
        return status

    def log_tail(self) -> str:
        """The end of what the programs have logged."""
        logs = [self.cluster.operator_log, *(node.log for node in self.cluster.nodes.values())]
        tails = [(log, log.read_text(errors="replace").splitlines()[-15:]) for log in logs if log.exists()]
        return "\n".join(
            "\n".join([f"last lines of {log}:", *(f"  {line[:400]}" for line in tail)]) for log, tail in tails
        )


@contextmanager
def made(folder: Path, slowness: float) -> Iterator[World]:
    """The world before any attack: the victims' figures are there.

    Args:
        folder: for logs and sockets.
        slowness: of the machine; periods are multiplied by it.
    """
    period = math.ceil(_PERIOD_SECONDS * slowness)
    agent_flags = (GUARDED_METRICS, f"--node-period={period}")
    with Cluster(folder, find()) as cluster, ExitStack() as lives:
        cluster.start_operator(operator_flags=(GUARDED_METRICS,))
        for name in NODES:
            emulator = {"blocks": TWO_BLOCKS, "rmids": RMIDS}
            cluster.add_node(name, emulator=emulator, agent_flags=agent_flags).start_agent()
        for namespace in (ATTACKER, *(namespace for namespace, _, _ in _VICTIMS)):
            cluster.add_namespace(namespace)
        victims = [_victim(cluster, lives, place, period) for place in _VICTIMS]
        world = World(
            cluster,
            victims,
            _attackers_vms(cluster, lives),
            period,
            cluster.scraper_token(),
            _attackers_kubeconfig(cluster),
        )
        for victim in victims:
            until(f"figures of {victim.name}", lambda victim=victim: _is_ready(world.status(victim)), seconds=90)  # type: ignore[misc]
        yield world


def _is_ready(status: Mapping[str, Any]) -> bool:
    return any(item["type"] == "Ready" and item["status"] == "True" for item in status.get("conditions", ()))


def _victim(cluster: Cluster, lives: ExitStack, place: tuple[str, str, str], period: int) -> Victim:
    namespace, name, node = place
    vmi = lives.enter_context(Vmi(cluster, namespace, name, Hardware(vcpus=2, busy_percent=(8, 4))))
    vmi.start(node)
    cluster.control_plane.apply(
        {
            "apiVersion": "cachemon.dev/v1alpha1",
            "kind": "CacheMonitorGroup",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "vmiName": name,
                "statusPeriodSeconds": period,
                "groups": [{"vcpus": text} for text in GROUPS],
            },
        }
    )
    return Victim(vmi, node)


def _attackers_vms(cluster: Cluster, lives: ExitStack) -> Mapping[str, Vm]:
    """Objects and processes; in the first VM's pod there is more."""
    names = [(node, number) for node, count in _ATTACKERS_VMS.items() for number in range(count)]
    vms = [Vm(ATTACKER, f"{node}-vm{number}", node, _VCPUS) for node, number in names]
    pods = _make_vms(cluster, vms)
    guests = [Guest(f"{vm.namespace}_{vm.name}", pods[vm.name], vm.vcpus) for vm in vms]
    cgroup = lives.enter_context(StandInVms(guests, 0)).cgroups[guests[0]]
    lives.enter_context(lock_holders([cgroup] * _LOCK_HOLDERS))
    lives.enter_context(forker(guests[0].name, cgroup))
    return {vm.name: vm for vm in vms}


def _make_vms(cluster: Cluster, vms: Sequence[Vm]) -> dict[str, str]:
    return {vm.name: make_vm(cluster.control_plane, vm)["metadata"]["uid"] for vm in vms}


def _attackers_kubeconfig(cluster: Cluster) -> Path:
    """Of a ServiceAccount with the role `cachemon-edit` in the attacker's namespace."""
    api = cluster.control_plane
    api.add_service_account(ATTACKER, ATTACKER)
    api.apply(
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "cachemon-edit", "namespace": ATTACKER},
            "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": "cachemon-edit"},
            "subjects": [{"kind": "ServiceAccount", "name": ATTACKER, "namespace": ATTACKER}],
        }
    )
    token = api.service_account_token(ATTACKER, ATTACKER, seconds=24 * 3600)
    return api.kubeconfig(ATTACKER, token, ATTACKER)
