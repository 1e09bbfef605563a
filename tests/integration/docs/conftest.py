"""The desks: before the cluster as `make demo` leaves it, and on a plain libvirt host."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from demo.kubevirt import AGENT_FLAGS, EXAMPLES, MACHINES
from lab.cluster import Cluster
from lab.kubernetes.binaries import find
from lab.libvirt.guest_domain import GuestDomain, has_kvm
from lab.libvirt.plain_host import PlainHost
from lab.libvirt.programs import LibvirtMissingError, find_or_fetch
from lab.pytest_skips import found_or_skip
from lab.speed import period
from lab.vms.vmi import Vmi
from lab.wait import until
from tests.integration.docs.desks import Desk, HostDesk, TenantDesk
from tests.integration.docs.disturbed import Neighbours, start_neighbours

PLACES = {"vm1": ("tenant-a", "node01"), "vm2": ("tenant-a", "node02"), "vm3": ("tenant-b", "node02")}
TENANT = "jane"
MONITORS = (
    "<cachetune vcpus='0-1'><monitor level='3' vcpus='0'/><monitor level='3' vcpus='1'/></cachetune>"
    "<memorytune vcpus='0-1'><monitor vcpus='0'/></memorytune>"
)


@pytest.fixture(scope="module")
def kubeconfig() -> Iterator[Path]:
    """Of the cluster as `make demo` leaves it; it ends with the module, for its guests work."""
    # not pytest's own folder: QEMU's monitor socket must fit into 108 bytes
    folder = Path(tempfile.mkdtemp(prefix="cachemon-docs-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        cluster = stack.enter_context(Cluster(folder, find()))
        cluster.start_operator()
        for name in ("node01", "node02"):
            cluster.add_node(name, agent_flags=(*AGENT_FLAGS, f"--node-period={period(5)}")).start_agent()
        for name, (namespace, node) in PLACES.items():
            cluster.add_namespace(namespace)
            stack.enter_context(Vmi(cluster, namespace, name, MACHINES[name])).start(node)
        for example in ("vm3", "whole-vms", "vm3-overlap"):
            cluster.control_plane.apply(EXAMPLES / f"{example}.yaml")
        for name, (namespace, _) in {**PLACES, "vm3-overlap": PLACES["vm3"]}.items():
            until(f"figures of {name}", partial(_has_figures, cluster, namespace, name), seconds=60)
        yield cluster.control_plane.admin_kubeconfig


@pytest.fixture(scope="module")
def neighbours() -> Iterator[Neighbours]:
    """On a cluster of their own."""
    folder = Path(tempfile.mkdtemp(prefix="cachemon-docs-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        cluster = stack.enter_context(Cluster(folder, find()))
        cluster.start_operator()
        yield start_neighbours(cluster, stack)


@pytest.fixture
def disturbed_desk(neighbours: Neighbours, tmp_path: Path) -> Desk:
    """For the page about noisy neighbours."""
    neighbours.disturb()
    return Desk(tmp_path, neighbours.cluster.control_plane.admin_kubeconfig)


@pytest.fixture(scope="module")
def desk(kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """For every page about a cluster."""
    return Desk(tmp_path_factory.mktemp("desk"), kubeconfig)


@pytest.fixture
def tenant_desk(kubeconfig: Path, tmp_path: Path) -> Desk:
    """For a person who may edit namespace tenant-a, and nothing else."""
    admin = Desk(tmp_path, kubeconfig, copy=False)
    for made in (
        f"rolebinding edits-groups --user={TENANT} --clusterrole=cachemon-edit",
        "role sees-vms --verb=get,list,watch --resource=virtualmachineinstances.kubevirt.io",  # as kubevirt.io:edit
        f"rolebinding sees-vms --user={TENANT} --role=sees-vms",
    ):
        printed, code = admin.type_as_admin(
            f"kubectl create {made} -n tenant-a --dry-run=client -o yaml | kubectl apply -f -"
        )
        assert code == 0, printed
    own = tmp_path / "tenant"
    own.mkdir()
    return TenantDesk(own, kubeconfig, TENANT)


@pytest.fixture
def host_desk(tmp_path: Path) -> Iterator[Callable[[Path | None], HostDesk]]:
    """Makes the desk of a page about a plain host: three domains run, the last with monitors of libvirt's own."""
    pytest.importorskip("libvirt", reason="libvirt-python is not installed; make setup-host installs it")
    if os.geteuid() != 0:
        pytest.skip("libvirtd sets its QEMUs' groups, which root alone may")
    if not has_kvm():
        pytest.skip("no KVM: libvirt has <cachetune> and <memorytune> for KVM domains only")
    programs = found_or_skip(find_or_fetch, LibvirtMissingError)
    for name in ("host", "desk"):
        (tmp_path / name).mkdir()
    with PlainHost(tmp_path / "host", programs) as host:
        for domain in (
            GuestDomain("vm1", vcpus=4, most_vcpus=4, busy_percent=(2, 6, 1, 2), kvm=True),
            GuestDomain("vm2", vcpus=2, most_vcpus=2, busy_percent=(2, 1), kvm=True),
            GuestDomain("vm3", vcpus=2, most_vcpus=2, busy_percent=(4, 2), kvm=True, cputune=MONITORS),
        ):
            host.libvirt.define(domain)
            host.libvirt.start(domain.name)
        yield lambda kubeconfig: HostDesk(tmp_path / "desk", host, kubeconfig)


def _has_figures(cluster: Cluster, namespace: str, name: str) -> bool:
    return "memoryBandwidth" in cluster.group(namespace, name).get("status", {}).get("summary", {})
