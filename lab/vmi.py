"""A VMI of the lab: the objects that KubeVirt would keep, and the QEMU processes that they tell of, in step."""

import secrets
import string
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Self

from lab import kubevirt
from lab.api_request import ApiRefusedError
from lab.cluster import Cluster
from lab.launcher import Pod
from lab.vm import Hardware, VirtualMachine

__all__ = ["Vmi"]

_STATUS = "application/merge-patch+json"


class Vmi:
    """A VirtualMachineInstance with its virt-launcher pods and real QEMU processes.

    Args:
        cluster: whose API server has the objects.
        namespace: it must be there.
        name: of the VMI.
        hardware: what the guest gets.
        labels: its owner's.
    """

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        name: str,
        hardware: Hardware,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        self._cluster = cluster
        self._request = cluster.control_plane.request
        self._collection = f"/apis/kubevirt.io/v1/namespaces/{namespace}/virtualmachineinstances"
        self._pods = f"/api/v1/namespaces/{namespace}/pods"
        self._hardware = hardware
        self._labels = labels
        self.namespace = namespace
        self.name = name
        self._object: kubevirt.Object = {}
        self._pod: kubevirt.Object = {}
        self._machine: VirtualMachine | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end_processes()

    @property
    def machine(self) -> VirtualMachine:
        """The QEMU that runs the guest."""
        if self._machine is None:
            raise RuntimeError(f"{self.name} does not run")
        return self._machine

    @property
    def uid(self) -> str:
        """Of the VMI object."""
        return str(self._object["metadata"]["uid"])

    @property
    def pod_uid(self) -> str:
        """Of the pod that runs the guest."""
        return str(self._pod["metadata"]["uid"])

    def start(self, node: str) -> None:
        """From nothing to a running guest, in the order that KubeVirt goes."""
        sockets = self._hardware.vcpus
        fresh = kubevirt.vmi(self.name, self.namespace, sockets=sockets, labels=self._labels, now=_now())
        self._object = self._request("POST", self._collection, fresh)
        self._pod = self._create_pod(node)
        self._change(kubevirt.pod_active, self._pod)
        self._pod = self._set_pod_status(kubevirt.pod_running(self._pod, _now()))
        self._change(kubevirt.scheduled, self._pod, _now())
        self._machine = self._make_machine(self._pod)
        self._machine.start()
        self._change(kubevirt.running, _now())

    def migrate(self, node: str, while_both_run: Callable[[], object] | None = None) -> None:
        """Move the running guest to another node, step by step as recorded on a real KubeVirt.

        Args:
            node: the target.
            while_both_run: called when both QEMUs are there with all their threads, before the switch.
        """
        migration_uid = "".join(secrets.choice("0123456789abcdef") for _ in range(32))
        source_pod, source = self._pod, self.machine
        target_pod = self._create_pod(node, migration_uid=migration_uid)
        self._change(kubevirt.pod_active, target_pod)
        target_pod = self._set_pod_status(kubevirt.pod_running(target_pod, _now()))
        self._change(kubevirt.handed_to_target, source_pod, target_pod, migration_uid)
        target = self._make_machine(target_pod)
        target.start_as_migration_target()
        self._change(kubevirt.migrating, _now())
        if while_both_run:
            while_both_run()
        source.migrate_to(target)
        self._machine, self._pod = target, target_pod
        self._change(kubevirt.migrated, _now())
        self._change(kubevirt.migration_completed, _now())
        self._change(kubevirt.ready, _now())
        self._change(kubevirt.migration_settled)
        self._set_pod_status(kubevirt.pod_ended(source_pod, "Succeeded", _now()))

    def kill(self) -> None:
        """SIGKILL to QEMU, and what KubeVirt then says: pod and VMI Failed."""
        self.machine.kill()
        self._machine = None
        self._set_pod_status(kubevirt.pod_ended(self._pod, "Failed", _now()))
        self._change(kubevirt.failed, _now())

    def delete(self) -> None:
        """Stop the guest and delete its objects, as `virtctl stop` does."""
        self.end_processes()
        for path in (f"{self._pods}/{self._pod['metadata']['name']}", f"{self._collection}/{self.name}"):
            try:
                self._request("DELETE", path, {"kind": "DeleteOptions", "gracePeriodSeconds": 0})
            except ApiRefusedError as error:
                if error.status != 404:
                    raise

    def end_processes(self) -> None:
        """End QEMU and launcher; the objects stay."""
        if self._machine:
            self._machine.stop()
            self._machine = None

    def _create_pod(self, node: str, *, migration_uid: str | None = None) -> kubevirt.Object:
        suffix = "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(5))
        pod = kubevirt.launcher_pod(self._object, node, suffix, migration_uid=migration_uid)
        created: kubevirt.Object = self._request("POST", self._pods, pod)
        return created

    def _set_pod_status(self, pod: kubevirt.Object) -> kubevirt.Object:
        path = f"{self._pods}/{pod['metadata']['name']}/status"
        changed: kubevirt.Object = self._request("PATCH", path, {"status": pod["status"]}, content_type=_STATUS)
        return changed

    def _change(self, step: Callable[..., kubevirt.Object], *arguments: Any) -> None:
        """Take one step of the VMI's life and write it; only the lab writes VMIs."""
        self._object = self._request("PUT", f"{self._collection}/{self.name}", step(self._object, *arguments))

    def _make_machine(self, pod: kubevirt.Object) -> VirtualMachine:
        identity = Pod(uid=pod["metadata"]["uid"], namespace=self.namespace, vmi_name=self.name, vmi_uid=self.uid)
        return VirtualMachine(identity, self._hardware, self._cluster.folder)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
