"""What a real cluster shows of groups, agents and nodes; all of it by kubectl."""

import json
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import yaml

from lab.nodes.chart import NAMESPACE
from lab.nodes.emulated import on_node
from lab.nodes.install import Installation
from lab.nodes.vmi import RealVmi
from lab.wait import GaveUpError, until
from resctrl_emulator.client import Books

Start = Callable[..., RealVmi]

# On the node, by what the kernel says and without the agent's code: QEMU's threads by name, a container's processes.
THREADS_OF_GUEST = """\
import json, pathlib
found = {}
for process in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        arguments = (process / "cmdline").read_bytes().split(b"\\0")
        if b"guest=%s,debug-threads=on" in arguments:
            found |= {int(task.name): (task / "comm").read_text().strip() for task in (process / "task").iterdir()}
    except OSError:
        continue
print(json.dumps(found))
"""
PROCESSES_OF_CONTAINER = """\
import json, pathlib
found = {}
for process in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        if "%s" in (process / "cgroup").read_text():
            lines = (process / "status").read_text().splitlines()
            status = {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
            found[process.name] = {"status": status, "mounts": (process / "mountinfo").read_text().splitlines(),
                                   "command": (process / "cmdline").read_text().split("\\0")[:-1]}
    except OSError:
        continue
print(json.dumps(found))
"""


class View:
    """Of one namespace's groups, and of the nodes.

    Args:
        installation: on the cluster.
        namespace: of the groups.
    """

    def __init__(self, installation: Installation, namespace: str) -> None:
        self._kubectl = installation.kubectl
        self._namespace = namespace
        self.emulators = installation.emulators()

    @property
    def nodes(self) -> list[str]:
        return sorted(self.emulators)

    def watch(self, vmi: str, groups: list[dict[str, Any]]) -> None:
        """Apply a CacheMonitorGroup of the VMI's name, as a person would."""
        thing = {
            "apiVersion": "cachemon.dev/v1alpha1",
            "kind": "CacheMonitorGroup",
            "metadata": {"name": vmi, "namespace": self._namespace},
            "spec": {"vmiName": vmi, "statusPeriodSeconds": 1, "groups": groups},
        }
        self._kubectl.run("apply", "--filename=-", given=yaml.safe_dump(thing))

    def status(self, name: str) -> dict[str, Any]:
        answer: dict[str, Any] = self._kubectl.get(f"cmg/{name}", f"--namespace={self._namespace}")
        status: dict[str, Any] = answer.get("status", {})
        return status

    def is_ready(self, name: str) -> bool:
        conditions = self.status(name).get("conditions", ())
        return {item["type"]: item["status"] for item in conditions}.get("Ready") == "True"

    def until_ready(self, name: str) -> None:
        try:
            until(f"{name} to be Ready", lambda: self.is_ready(name), seconds=60)
        except GaveUpError as error:
            nodes = self._kubectl.run("get", "cachemonitornodes", "--output=wide")
            raise AssertionError(f"{error}\n{yaml.safe_dump(self.status(name))}\n{nodes}") from error

    def until_renewed(self, name: str, times: int = 2) -> dict[str, Any]:
        """The status after this number of further writes of the agent: no clock here is compared with a node's."""
        for _ in range(times):
            before = self.status(name).get("observedTime", "")
            until(f"news of {name}", partial(self._is_newer, name, before), seconds=60)
        return self.status(name)

    def _is_newer(self, name: str, before: str) -> bool:
        return bool(self.status(name).get("observedTime", "") > before)

    def books(self, node: str) -> Books:
        return self.emulators[node].books()

    def threads(self, node: str, vmi: RealVmi) -> dict[int, str]:
        """Name by thread id of the VM's QEMU, as the node knows them."""
        script = THREADS_OF_GUEST % f"{vmi.namespace}_{vmi.name}"
        return {int(tid): name for tid, name in json.loads(on_node(self._kubectl, self._eyes(node), script)).items()}

    def tids_of_vcpus(self, node: str, vmi: RealVmi, vcpus: Collection[int]) -> set[int]:
        names = {f"CPU {vcpu}/{accelerator}" for vcpu in vcpus for accelerator in ("KVM", "TCG")}
        return {tid for tid, name in self.threads(node, vmi).items() if name in names}

    def mon_groups(self, node: str) -> set[str]:
        """Paths of all mon_groups on a node."""
        return set(self.books(node).groups) - {"/"}

    def pods(self, component: str) -> list[dict[str, Any]]:
        """Those of `agent` or `operator`."""
        selector = f"--selector=app.kubernetes.io/name=cachemon,app.kubernetes.io/component={component}"
        return self._kubectl.items("pods", f"--namespace={NAMESPACE}", selector)

    def processes(self, pod: dict[str, Any]) -> list[dict[str, Any]]:
        """Status, mounts and command line of what runs in a pod's only container."""
        (container,) = pod["status"]["containerStatuses"]
        script = PROCESSES_OF_CONTAINER % container["containerID"].partition("://")[2]
        return list(json.loads(on_node(self._kubectl, self._eyes(pod["spec"]["nodeName"]), script)).values())

    def _eyes(self, node: str) -> str:
        return self.emulators[node].pod
