"""A VMI of the lab: the objects that KubeVirt would keep, and the QEMU processes that they describe."""

import secrets
import string
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Self

from kubernetes.client import ApiException

from lab.cluster import Cluster
from lab.vms import kubevirt
from lab.vms.launcher import Pod
from lab.vms.live_migration import LiveMigration
from lab.vms.vm import Hardware, VirtualMachine

_STATUS = "application/merge-patch+json"


def _nothing() -> None:
    """No test looks on."""


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
        self._target_pod: kubevirt.Object = {}
        self._pod_names: list[str] = []
        self._machine: VirtualMachine | None = None
        self._migration: LiveMigration | None = None

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

    @property
    def named_node(self) -> str:
        """The VMI's `status.nodeName`."""
        return str(self._object["status"]["nodeName"])

    @property
    def source_is_there(self) -> bool:
        """Whether the QEMU that gives the guest away still runs."""
        return self._move.source.running

    def pod_uid_on(self, node: str) -> str:
        """Of the pod there: the one that runs the guest, or a migration's target."""
        pods = [pod for pod in (self._pod, self._target_pod) if pod and pod["spec"]["nodeName"] == node]
        return str(pods[0]["metadata"]["uid"])

    def start(self, node: str, before_plug: Callable[[int], object] = lambda _vcpu: None) -> None:
        """From nothing to a running guest, in the order that KubeVirt goes.

        Args:
            node: where.
            before_plug: called with the number of each vCPU but the first, before that is plugged.
        """
        self.start_paused(node, before_plug)
        self.let_run()

    def start_paused(
        self,
        node: str,
        before_plug: Callable[[int], object] = lambda _vcpu: None,
        before_qemu: Callable[[], object] = _nothing,
    ) -> None:
        """As `start`, up to the moment before the guest runs: libvirt has plugged all vCPUs.

        Args:
            node: where.
            before_plug: as `start`.
            before_qemu: called when the pod has its node and has not started yet; on a real cluster this takes a
                second at least.
        """
        sockets = self._hardware.vcpus
        fresh = kubevirt.vmi(self.name, self.namespace, sockets=sockets, labels=self._labels, now=_now())
        self._object = self._request("POST", self._collection, fresh)
        self._pod = self._create_pod(node)
        self._change(kubevirt.scheduling, self._pod, _now())
        before_qemu()
        self._pod = self._set_pod_status(kubevirt.pod_running(self._pod, _now()))
        self._change(kubevirt.scheduled, self._pod, _now())
        self._machine = self._make_machine(self._pod)
        self._machine.start_paused(before_plug)

    def let_run(self) -> None:
        """The first `cont`, and phase Running."""
        self.machine.unpause()
        self._change(kubevirt.running, _now())

    def pause(self) -> None:
        """As `virtctl pause`."""
        self.machine.pause()
        self._change(kubevirt.paused, _now())

    def unpause(self) -> None:
        """As `virtctl unpause`."""
        self.machine.unpause()
        self._change(kubevirt.unpaused, _now())

    def lose_virtqemud(self) -> None:
        """What the VMI says while virtqemud restarts, a second or so; QEMU does not notice."""
        self._change(kubevirt.agent_lost, _now())

    def find_virtqemud(self) -> None:
        """And after it."""
        self._change(kubevirt.agent_back, _now())

    def migrate(self, node: str, while_both_run: Callable[[], object] = _nothing) -> None:
        """Move the running guest to another node, step by step as recorded on a real KubeVirt.

        Args:
            node: the target.
            while_both_run: called when both QEMUs are there with all their threads, before the switch.
        """
        self.begin_migration(node)
        while_both_run()
        self.complete_migration()

    def begin_migration(self, node: str) -> None:
        """Up to the moment when both QEMUs are there with all their threads; one of four others comes next."""
        migration_uid = "".join(secrets.choice("0123456789abcdef") for _ in range(32))
        pod = self._create_pod(node, migration_uid=migration_uid)
        self._change(kubevirt.pod_active, pod)
        pod = self._set_pod_status(kubevirt.pod_running(pod, _now()))
        self._change(kubevirt.handed_to_target, self._pod, pod, migration_uid)
        self._migration = LiveMigration(self.machine, self._make_machine(pod))
        self._target_pod = pod
        self._migration.prepare()
        self._change(kubevirt.migrating, _now())

    def switch_to_post_copy(self) -> None:
        """Let the guest run on the target; `status.nodeName` names the source until `complete_migration`."""
        self._move.begin(held_back=True, post_copy=True)
        self._move.switch_to_post_copy()
        self._change(kubevirt.post_copy, _now())

    def complete_migration(
        self, before_the_flip: Callable[[], object] = _nothing, after_the_flip: Callable[[], object] = _nothing
    ) -> None:
        """The guest arrives, and KubeVirt writes it to the VMI.

        Args:
            before_the_flip: called when the source's QEMU is gone and the VMI still names the source: seen for
                up to a second.
            after_the_flip: called when the VMI names the target and the migration is not `completed` yet.
        """
        if not self._is_post_copy:
            self._move.begin()
        self._move.complete()
        source_pod = self._pod
        self._machine, self._pod = self._move.target, self._target_pod
        self._migration = None
        before_the_flip()
        self._change(kubevirt.migrated, _now())
        after_the_flip()
        self._change(kubevirt.migration_completed, _now())
        self._change(kubevirt.ready, _now())
        self._change(kubevirt.migration_settled)
        self._set_pod_status(kubevirt.pod_ended(source_pod, "Succeeded", _now()))

    def fail_migration(self) -> None:
        """The target's QEMU dies while memory is copied; its pod is there until `end_target_pod`."""
        self._move.begin(held_back=True)
        self._move.fail()
        self._stay(kubevirt.migration_failed)

    def abort_migration(self) -> None:
        """As `virtctl migrate-cancel`; the target's pod is there until `end_target_pod`."""
        self._move.begin(held_back=True)
        self._move.cancel()
        self._stay(kubevirt.migration_aborted)

    def end_target_pod(self, phase: str) -> None:
        """Of a migration that came to nothing: Failed after a failure, Succeeded after an abort, 11 s after it."""
        self._set_pod_status(kubevirt.pod_ended(self._target_pod, phase, _now()))

    def ask_for_vcpus(self, sockets: int) -> None:
        """Somebody raises the VM's sockets: KubeVirt answers with a migration, and `plug_vcpu` at its end."""
        self._change(kubevirt.vcpus_wanted, sockets, _now())

    def report_vcpus(self) -> None:
        """Write the number of vCPUs to the VMI; their threads are there already."""
        self._change(kubevirt.hotplugged, self._object["spec"]["domain"]["cpu"]["sockets"])

    def kill(self) -> None:
        """SIGKILL to QEMU, and what KubeVirt then says: pod and VMI Failed."""
        self.machine.kill()
        self.report_failure()

    def crash(self) -> None:
        """SIGKILL to virt-launcher, which takes QEMU along; then as `kill`."""
        self.machine.crash_launcher()
        self.report_failure()

    def report_failure(self) -> None:
        """KubeVirt has noticed that QEMU is gone: pod and VMI Failed."""
        self._machine = None
        self._set_pod_status(kubevirt.pod_ended(self._pod, "Failed", _now()))
        self._change(kubevirt.failed, _now())

    def shut_down(self) -> None:
        """The first half of `virtctl restart`: the VMI is Failed until its pod is gone, some 7 s; then `delete`."""
        self.end_processes()
        self._change(kubevirt.failed, _now())

    def delete(self) -> None:
        """Stop the guest and delete its objects, as `virtctl stop` does."""
        self.end_processes()
        pods = [f"{self._pods}/{name}" for name in self._pod_names]
        for path in (*pods, f"{self._collection}/{self.name}"):
            try:
                self._request("DELETE", path, {"kind": "DeleteOptions", "gracePeriodSeconds": 0})
            except ApiException as error:
                if error.status != 404:
                    raise
        self._pod_names.clear()

    def end_processes(self) -> None:
        """End QEMUs and launchers; the objects stay."""
        machines = [self._machine, self._migration.target if self._migration else None]
        self._machine = self._migration = None
        for machine in machines:
            if machine:
                machine.stop()

    @property
    def _move(self) -> LiveMigration:
        if self._migration is None:
            raise RuntimeError(f"{self.name} does not migrate")
        return self._migration

    @property
    def _is_post_copy(self) -> bool:
        return bool(self._object["status"]["migrationState"]["mode"] == "PostCopy")

    def _stay(self, end: Callable[..., kubevirt.Object]) -> None:
        self._migration = None
        self._change(end, _now())
        self._change(kubevirt.migration_settled)

    def _create_pod(self, node: str, *, migration_uid: str | None = None) -> kubevirt.Object:
        suffix = "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(5))
        pod = kubevirt.launcher_pod(self._object, node, suffix, migration_uid=migration_uid)
        created: kubevirt.Object = self._request("POST", self._pods, pod)
        self._pod_names.append(created["metadata"]["name"])
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
