"""The operator as a process, and a namespace in which a test plays KubeVirt and the agents."""

import itertools
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lab.cluster import program
from lab.kubernetes.control_plane import ControlPlane
from lab.ports import LOOPBACK, free_port
from lab.server_process import ServerProcess
from lab.vms import kubevirt
from lab.wait import until
from tests.integration.apiserver.examples import (
    APPLY,
    MERGE,
    condition,
    group_object,
    groups_path,
    node_object,
    nodes_path,
)

Object = dict[str, Any]

SYSTEM = "cachemon-system"
START_SECONDS = 20


def now(offset: float = 0.0) -> str:
    return datetime.fromtimestamp(time.time() + offset, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Operator:
    """The operator as a process of its own, with its own service account's token."""

    def __init__(self, control_plane: ControlPlane, folder: Path) -> None:
        self._control_plane = control_plane
        self.log = folder / "operator.log"
        self.port = 0
        self._process: ServerProcess | None = None

    @property
    def exit_status(self) -> int | None:
        assert self._process
        return self._process.exit_status

    def start(self) -> None:
        self.port = free_port()
        token = self._control_plane.service_account_token(SYSTEM, "cachemon-operator")
        flags = [
            f"--kubeconfig={self._control_plane.kubeconfig('operator', token)}",
            f"--metrics-address={LOOPBACK}:{self.port}",
            "--insecure-metrics=true",
        ]
        self._process = ServerProcess([program("cachemon-operator"), *flags], self.log)

    def count(self, sample: str) -> float:
        """A line of its /metrics, as `name{label="value"}`."""
        with urllib.request.urlopen(f"http://{LOOPBACK}:{self.port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return float(next(line.rpartition(" ")[2] for line in lines if line.startswith(f"{sample} ")))

    def stop(self) -> int | None:
        assert self._process
        self._process.stop(15)
        return self._process.exit_status

    def log_tail(self) -> str:
        assert self._process
        return self._process.log_tail()


class Tenant:
    """A namespace with VMs in it: writes what KubeVirt and the agents would, and reads what the operator says."""

    def __init__(self, control_plane: ControlPlane, namespace: str) -> None:
        self.request = control_plane.request
        self.namespace = namespace
        self._suffixes = map("{:05d}".format, itertools.count())
        self._nodes: list[str] = []

    def node(self, number: int) -> str:
        return f"{self.namespace}-n{number}"

    def add_group(self, name: str, vmi: str, period: int = 60) -> None:
        spec = {"vmiName": vmi, "statusPeriodSeconds": period}
        self.request("POST", groups_path(self.namespace), group_object(name, spec))

    def add_vmi(self, name: str, **labels: str) -> Object:
        vmi = kubevirt.vmi(name, self.namespace, labels=labels, now=now())
        created: Object = self.request("POST", self._vmis(), vmi)
        return created

    def label_vmi(self, name: str, **labels: str | None) -> None:
        self.request("PATCH", self._vmis(name), {"metadata": {"labels": labels}}, content_type=MERGE)

    def label_namespace(self, **labels: str | None) -> None:
        path = f"/api/v1/namespaces/{self.namespace}"
        self.request("PATCH", path, {"metadata": {"labels": labels}}, content_type=MERGE)

    def put_vmi(self, vmi: Object) -> Object:
        changed: Object = self.request("PUT", self._vmis(vmi["metadata"]["name"]), vmi)
        return changed

    def delete_vmi(self, vmi: Object) -> None:
        self.request("DELETE", self._vmis(vmi["metadata"]["name"]))

    def add_pod(self, vmi: Object, node: str) -> Object:
        pod = kubevirt.launcher_pod(vmi, node, next(self._suffixes))
        created: Object = self.request("POST", f"/api/v1/namespaces/{self.namespace}/pods", pod)
        return created

    def put_pod(self, pod: Object) -> Object:
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod['metadata']['name']}/status"
        changed: Object = self.request("PATCH", path, {"status": pod["status"]}, content_type=MERGE)
        return changed

    def start_vmi(self, name: str, node: str) -> tuple[Object, Object]:
        vmi = self.add_vmi(name)
        pod = self.put_pod(kubevirt.pod_running(self.add_pod(vmi, node), now()))
        vmi = self.put_vmi(kubevirt.scheduled(vmi, pod, now()))
        return self.put_vmi(kubevirt.running(vmi, now())), pod

    def agent_reports_node(
        self, node: str, *, period: int = 60, ready: str = "True", observed_time: str = "", **more: Any
    ) -> None:
        if node not in self._nodes:
            self.request("POST", nodes_path(), node_object(node))
            self._nodes.append(node)
        reason, message = ("AsWanted", "") if ready == "True" else ("ResctrlNotMounted", "mount resctrl")
        status = {
            "observedTime": observed_time or now(),
            "statusPeriodSeconds": period,
            "conditions": [condition("Ready", ready, reason) | {"message": message}],
            **more,
        }
        self._apply(nodes_path(node), node_object(node) | {"status": status})

    def agent_reports_group(self, name: str, *, observed_time: str = "", **more: Any) -> None:
        status = {
            "observedTime": observed_time or now(),
            "summary": {"occupancy": "61Mi", "groups": "1/1"},
            "groups": [{"name": "vcpus_all", "state": "Monitored"}],
            "conditions": [condition("Monitored")],
            **more,
        }
        self._apply(groups_path(self.namespace, name), group_object(name) | {"status": status})

    def status(self, name: str) -> Object:
        status: Object = self.request("GET", groups_path(self.namespace, name)).get("status", {})
        return status

    def events(self, namespace: str = "") -> list[Object]:
        path = f"/apis/events.k8s.io/v1/namespaces/{namespace or self.namespace}/events"
        items: list[Object] = self.request("GET", path)["items"]
        return items

    def becomes(self, name: str, what: str, test: Callable[[Object], Any], seconds: float = 15) -> Object:
        last: Object = {}

        def holds() -> bool:
            last.clear()
            last.update(self.status(name))
            return bool(test(last))

        try:
            until(f"{name}: {what}", holds, seconds=seconds)
        except TimeoutError as error:
            raise AssertionError(f"{error}; its status is {last}") from None
        return last

    def remove_nodes(self) -> None:
        for node in self._nodes:
            self.request("DELETE", nodes_path(node))

    def _apply(self, path: str, body: Object) -> None:
        body = body | {"metadata": {"name": body["metadata"]["name"]}}
        body.pop("spec", None)
        url = f"{path}/status?fieldManager=cachemon-agent&force=true"
        self.request("PATCH", url, body, content_type=APPLY)

    def _vmis(self, name: str = "") -> str:
        path = f"/apis/kubevirt.io/v1/namespaces/{self.namespace}/virtualmachineinstances"
        return path + (f"/{name}" if name else "")


def reason(kind: str) -> Callable[[Object], str]:
    """`Status/Reason` of a condition."""

    def read(status: Object) -> str:
        found = {item["type"]: item for item in status.get("conditions", ())}
        return f"{found[kind]['status']}/{found[kind]['reason']}" if kind in found else ""

    return read


bound, ready = reason("Bound"), reason("Ready")


def has_figures(status: Object) -> bool:
    return bool({"observedTime", "summary", "groups"} & status.keys()) or bool(reason("Monitored")(status))


@pytest.fixture(scope="module")
def operator(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    running = Operator(control_plane, tmp_path_factory.mktemp("operator"))
    running.start()
    yield running
    assert running.stop() == 0, running.log_tail()


@pytest.fixture
def tenant(control_plane: ControlPlane, operator: Operator, namespace: str) -> Iterator[Tenant]:
    assert operator.exit_status is None, operator.log_tail()
    tenant = Tenant(control_plane, namespace)
    yield tenant
    tenant.remove_nodes()
