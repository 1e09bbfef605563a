"""One cluster for all end-to-end tests: the operator, two nodes with agents, and VMs that tests start."""

import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from lab.cluster import Cluster
from lab.kubernetes.binaries import find
from lab.vms.vm import Hardware
from lab.vms.vmi import Vmi
from tests.e2e.view import Start, View, Watch, agent_flags


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    # not pytest's own folder: QEMU's monitor socket must fit into 108 bytes
    folder = Path(tempfile.mkdtemp(prefix="cachemon-e2e-"))
    with Cluster(folder, find()) as running:
        running.start_operator()
        for name in ("node01", "node02"):
            running.add_node(name, agent_flags=agent_flags()).start_agent()
        yield running
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    name = f"e2e-{secrets.token_hex(3)}"
    cluster.add_namespace(name)
    yield name
    groups = f"/apis/cachemon.dev/v1alpha1/namespaces/{name}/cachemonitorgroups"
    cluster.control_plane.request("DELETE", groups, {"kind": "DeleteOptions"})


@pytest.fixture
def start(cluster: Cluster, namespace: str) -> Iterator[Start]:
    """Starts a VMI: `start("vm1", "node01", vcpus=4, busy_percent=(30, 0, 0, 10))`."""
    with ExitStack() as machines:

        def start_vmi(
            name: str,
            node: str,
            *,
            vcpus: int = 2,
            busy_percent: tuple[int, ...] = (4, 1),
            labels: Mapping[str, str] | None = None,
            **how: Any,
        ) -> Vmi:
            hardware = Hardware(vcpus=vcpus, busy_percent=busy_percent)
            vmi = machines.enter_context(Vmi(cluster, namespace, name, hardware, labels))
            machines.callback(vmi.delete)
            vmi.start(node, **how)
            return vmi

        yield start_vmi


@pytest.fixture
def watch(cluster: Cluster, namespace: str) -> Watch:
    """Applies a CacheMonitorGroup with kubectl: `watch("vm1", [{"vcpus": "0"}])`; returns its name."""

    def apply(vmi: str, groups: list[dict[str, Any]] | None = None, *, name: str = "", **spec: Any) -> str:
        name = name or vmi
        wanted = {"vmiName": vmi, "statusPeriodSeconds": 1, **spec}
        if groups is not None:
            wanted["groups"] = groups
        cluster.control_plane.apply(
            {
                "apiVersion": "cachemon.dev/v1alpha1",
                "kind": "CacheMonitorGroup",
                "metadata": {"name": name, "namespace": namespace},
                "spec": wanted,
            }
        )
        return name

    return apply


@pytest.fixture
def view(cluster: Cluster, namespace: str) -> View:
    return View(cluster, namespace)
