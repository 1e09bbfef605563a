"""A VMI on a real cluster: the object that KubeVirt would keep, and a real pod with QEMU in it."""

import copy
import secrets
import string
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from lab.nodes.kubectl import Kubectl
from lab.speed import allowance
from lab.vms import kubevirt

_FOLDER = "/var/run/kubevirt/sockets"
_UID = 107  # KubeVirt's non-root user `qemu`


class RealVmi:
    """A VirtualMachineInstance whose launcher is a pod that a kubelet runs.

    Args:
        kubectl: of the cluster.
        namespace: it must be there.
        name: of the VMI.
        image: of the launcher.
        vcpus: how many.
        busy_percent: share of the time that each vCPU computes.
    """

    def __init__(
        self,
        kubectl: Kubectl,
        namespace: str,
        name: str,
        image: str,
        *,
        vcpus: int = 2,
        busy_percent: Sequence[int] = (4, 1),
    ) -> None:
        self._kubectl = kubectl
        self._image = image
        self._vcpus = vcpus
        self._busy_percent = busy_percent
        self._object: kubevirt.Object = {}
        self._pod: kubevirt.Object = {}
        self.namespace = namespace
        self.name = name

    @property
    def pod_uid(self) -> str:
        """As the API server gave it."""
        return str(self._pod["metadata"]["uid"])

    @property
    def pod_name(self) -> str:
        """Of the launcher."""
        return str(self._pod["metadata"]["name"])

    def pod(self) -> kubevirt.Object:
        """The launcher's pod as it is now."""
        found: kubevirt.Object = self._kubectl.get(f"pod/{self.pod_name}", f"--namespace={self.namespace}")
        return found

    def create(self, node: str) -> None:
        """Make the VMI and its pod on a node; `await_running` comes next."""
        fresh = kubevirt.vmi(self.name, self.namespace, sockets=self._vcpus, now=_now())
        self._object = self._kubectl.write("create", fresh)
        suffix = "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(5))
        self._pod = self._kubectl.write("create", self._runnable(kubevirt.launcher_pod(self._object, node, suffix)))
        self._change(kubevirt.scheduling, self._pod, _now())

    def await_running(self) -> None:
        """Wait for the pod, and write it to the VMI as KubeVirt does.

        Raises:
            KubectlError: it did not run within a minute.
        """
        where = (f"--namespace={self.namespace}", f"--timeout={allowance(60):.0f}s")
        self._kubectl.run("wait", f"pod/{self.pod_name}", "--for=condition=Ready", *where)
        self._change(kubevirt.scheduled, self._pod, _now())
        self._change(kubevirt.running, _now())

    def delete(self) -> None:
        """Delete the VMI; the cluster's garbage collector takes the pod."""
        self._kubectl.run("delete", f"vmi/{self.name}", f"--namespace={self.namespace}", "--ignore-not-found")

    def _change(self, step: Callable[..., kubevirt.Object], *arguments: Any) -> None:
        self._object = self._kubectl.write("replace", step(self._object, *arguments))

    def _runnable(self, record: kubevirt.Object) -> kubevirt.Object:
        """The record of a pod with what a kubelet needs to run it, as KubeVirt would have it."""
        pod = copy.deepcopy(record)
        (container,) = pod["spec"]["containers"]
        container |= {
            "image": self._image,
            "imagePullPolicy": "IfNotPresent",
            "env": [
                {"name": "LAB_VCPUS", "value": str(self._vcpus)},
                {"name": "LAB_BUSY_PERCENT", "value": ",".join(map(str, self._busy_percent))},
            ],
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
                "runAsNonRoot": True,
                "runAsUser": _UID,
                "runAsGroup": _UID,
            },
            "volumeMounts": [{"name": "sockets", "mountPath": _FOLDER}],
            "readinessProbe": {"exec": {"command": ["test", "-S", f"{_FOLDER}/monitor"]}, "periodSeconds": 1},
        }
        pod["spec"] |= {
            "volumes": [{"name": "sockets", "emptyDir": {}}],
            "securityContext": {"fsGroup": _UID, "runAsUser": _UID, "runAsNonRoot": True},
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 5,
        }
        return pod


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
